"""How names of folders stand for classes."""

import unicodedata

import pytest

from service.errors import FolderError
from service.repository.naming import match_folders, match_labels

PETS = ("cat", "dog")


def indices(folders: list[str], labels: tuple[str, ...], *, is_named: bool = True) -> dict[str, int]:
    return dict(match_folders(folders, labels=labels, is_named=is_named).indices)


def test_folders_called_as_the_labels_need_no_note() -> None:
    naming = match_folders(["cat", "dog"], labels=PETS, is_named=True)

    assert (naming.indices, naming.notes) == ({"cat": 0, "dog": 1}, ())


@pytest.mark.parametrize(
    ("folder", "label"),
    [
        ("Cat", "cat"),
        ("golden_retriever", "golden retriever"),
        ("T-shirt_top", "T-shirt/top"),
        ("cats", "cat"),
        ("Café", unicodedata.normalize("NFD", "café")),
    ],
)
def test_a_label_may_be_written_otherwise_which_is_said(folder: str, label: str) -> None:
    naming = match_folders([folder], labels=(label, "other"), is_named=True)

    assert naming.indices == {folder: 0}
    assert f"{folder} = {label}" in naming.notes[0]


def test_labels_that_differ_in_case_alone_match_exactly() -> None:
    assert indices(["a", "A"], ("A", "a")) == {"a": 1, "A": 0}


def test_a_name_that_could_be_two_labels_is_none_of_them() -> None:
    with pytest.raises(FolderError, match="no class of the model is called so"):
        indices(["CAT"], ("cat", "Cat"))


def test_two_folders_may_hold_one_class() -> None:
    assert indices(["cat", "cats", "dog"], PETS) == {"cat": 0, "cats": 0, "dog": 1}


def test_a_number_is_an_index_where_no_label_is_one() -> None:
    naming = match_folders(["0", "1"], labels=PETS, is_named=True)

    assert naming.indices == {"0": 0, "1": 1}
    assert "indices" in naming.notes[0]


def test_a_number_is_a_label_where_labels_are_numbers() -> None:
    assert indices(["1", "2"], ("2", "1")) == {"1": 1, "2": 0}
    with pytest.raises(FolderError):
        indices(["0"], ("2", "1"))


def test_a_folder_that_is_no_class_is_an_error_with_both_lists() -> None:
    with pytest.raises(FolderError) as caught:
        indices(["cat", "horse"], PETS)

    assert "horse: no class of the model" in caught.value.message
    assert "labels are cat, dog" in caught.value.message
    assert "sub-folders are cat, horse" in caught.value.message


def test_classes_without_names_take_the_folders_in_keras_order() -> None:
    folders = sorted(["10", "2", "a", "Z"])
    naming = match_folders(folders, labels=("class_0", "class_1", "class_2", "class_3"), is_named=False)

    assert naming.indices == {"10": 0, "2": 1, "Z": 2, "a": 3}
    assert "Keras' order (10 = 0, 2 = 1, Z = 2, a = 3)" in naming.notes[0]


def test_some_of_many_classes_without_names_can_be_given_by_index() -> None:
    labels = tuple(f"class_{one}" for one in range(10))

    assert indices(["3", "7"], labels, is_named=False) == {"3": 3, "7": 7}
    with pytest.raises(FolderError, match="10 classes without names and the folder 2 sub-folders"):
        indices(["cat", "dog"], labels, is_named=False)


def test_labels_of_two_models_match_by_name() -> None:
    assert match_labels(("dog", "cat", "cow"), ("Cat", "Dog", "pig")) == {0: 1, 1: 0}
