"""Label files that nobody named: where they are looked for, which one wins, and where two disagree."""

import json
from pathlib import Path
from typing import Any

import pytest

from service.errors import SidecarError
from service.repository.labels import LABEL_FILES, find_labels, read_labels
from service.repository.sidecar import read_model_toml, read_sidecar
from service.repository.sources import find_sources

CAT_DOG = ("cat", "dog")


def put(root: Path, files: dict[str, str]) -> None:
    """Write files by their path below `root`; a saved file is any bytes."""
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def found(root: Path, name: str = "pets", version: int = 1) -> tuple[str, tuple[str, ...]] | None:
    """Return the file that the labels of a model come from, and the labels, as a server of `root` sees them."""
    source = next(one for one in find_sources(root) if (one.name, one.version) == (name, version))
    file = find_labels(source)
    return (file.name, file.labels) if file else None


def refusal(root: Path) -> str:
    with pytest.raises(SidecarError) as caught:
        found(root)
    return caught.value.message


# --------------------------------------------------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("saved", "labels"),
    [
        ("pets/1/model.keras", "pets/1/labels.txt"),
        ("pets/1/model.keras", "pets/labels.txt"),
        ("pets/1/model.h5", "pets/1/model_labels.txt"),
        ("pets/model.keras", "pets/labels.txt"),
        ("pets.keras", "pets/labels.txt"),
        ("pets.keras", "pets.labels.txt"),
        ("pets.keras", "pets_labels.txt"),
        ("pets.h5", "pets-labels.txt"),
        ("pets.keras", "labels.txt"),
        ("pets/saved_model.pb", "pets/labels.txt"),
        ("pets/1/saved_model.pb", "pets/1/labels.txt"),
    ],
)
def test_labels_are_found_beside_a_saved_model(tmp_path: Path, saved: str, labels: str) -> None:
    put(tmp_path, {saved: "", labels: "cat\ndog"})
    assert found(tmp_path) == (Path(labels).name, CAT_DOG)


def test_labels_are_found_beside_what_mlflow_wrote(tmp_path: Path) -> None:
    put(tmp_path, {"pets/MLmodel": "", "pets/data/model.keras": "", "pets/labels.txt": "cat\ndog"})
    assert found(tmp_path) == ("labels.txt", CAT_DOG)


def test_without_a_label_file_there_are_none(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "other/labels.txt": "cat\ndog", "petslabels.txt": "cat\ndog"})
    assert found(tmp_path) is None


JSON_FILES: dict[str, Any] = {
    "labels.json": ["cat", "dog"],
    "class_names.json": ["cat", "dog"],
    "classes.json": ["cat", "dog"],
    "class_indices.json": {"cat": 0, "dog": 1},
    "imagenet_class_index.json": {"0": ["n02123045", "cat"], "1": ["n02084071", "dog"]},
    "config.json": {"id2label": {"0": "cat", "1": "dog"}},
}


@pytest.mark.parametrize("name", LABEL_FILES)
def test_each_usual_name_is_looked_for(tmp_path: Path, name: str) -> None:
    text = json.dumps(JSON_FILES[name]) if name in JSON_FILES else "cat\ndog"
    put(tmp_path, {"pets/1/model.keras": "", f"pets/1/{name}": text})
    assert found(tmp_path) == (name, CAT_DOG)


def test_a_single_file_has_the_labels_of_its_folder(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "other.keras": "", "labels.txt": "cat\ndog"})
    assert found(tmp_path / "pets.keras") == ("labels.txt", CAT_DOG)


def test_a_single_file_in_a_version_folder_has_the_labels_of_all_versions(tmp_path: Path) -> None:
    put(tmp_path, {"pets/2/model.keras": "", "pets/labels.txt": "cat\ndog"})
    assert found(tmp_path / "pets/2/model.keras", version=2) == ("labels.txt", CAT_DOG)


# ----------------------------------------------------------------------------------------------------- whose they are


def test_labels_beside_several_saved_files_are_nobodys(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "other.keras": "", "labels.txt": "cat\ndog"})
    assert (found(tmp_path), found(tmp_path, "other")) == (None, None)


def test_labels_in_the_models_folder_are_not_those_of_models_in_folders(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "model/1/model.keras": "", "other/m.keras": "", "labels.txt": "cat\ndog"})
    assert found(tmp_path) == ("labels.txt", CAT_DOG)
    assert (found(tmp_path, "model"), found(tmp_path, "other")) == (None, None)


def test_a_file_named_after_one_of_several_saved_files_is_its_own(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "pets_big.keras": "", "pets_labels.txt": "cat\ndog"})
    assert found(tmp_path) == ("pets_labels.txt", CAT_DOG)
    assert found(tmp_path, "pets_big") is None


# -------------------------------------------------------------------------------------------------------- which one


def test_the_labels_of_a_version_win_over_those_of_all(tmp_path: Path) -> None:
    put(tmp_path, {"pets/1/model.keras": "", "pets/2/model.keras": ""})
    put(tmp_path, {"pets/labels.txt": "far", "pets/2/class_names.txt": "near"})
    assert found(tmp_path) == ("labels.txt", ("far",))
    assert found(tmp_path, version=2) == ("class_names.txt", ("near",))


def test_a_file_named_after_the_saved_one_wins_over_those_of_its_folders(tmp_path: Path) -> None:
    put(tmp_path, {"pets.keras": "", "labels.txt": "far", "pets/labels.txt": "own folder"})
    assert found(tmp_path) == ("labels.txt", ("own folder",))
    put(tmp_path, {"pets.labels.txt": "near"})
    assert found(tmp_path) == ("pets.labels.txt", ("near",))


@pytest.mark.parametrize("place", ["pets/model.toml", "pets/1/model.toml"])
def test_a_model_toml_wins_over_files_that_it_does_not_name(tmp_path: Path, place: str) -> None:
    put(tmp_path, {"pets/1/model.keras": "", "pets/1/labels.txt": "cat\ndog", place: 'labels = ["owl", "fox"]'})
    assert read_sidecar(find_sources(tmp_path)[0]) == {"labels": ["owl", "fox"], "labels_file": "model.toml"}


def test_a_model_toml_without_labels_leaves_them_to_the_file(tmp_path: Path) -> None:
    put(tmp_path, {"pets/1/model.keras": "", "pets/labels.txt": "cat\ndog", "pets/model.toml": 'description = "Pets"'})
    assert read_sidecar(find_sources(tmp_path)[0]) == {
        "description": "Pets",
        "labels": ["cat", "dog"],
        "labels_file": "labels.txt",
    }


def test_a_label_file_with_a_mistake_hides_no_policy(tmp_path: Path) -> None:
    put(tmp_path, {"pets/1/model.keras": "", "pets/1/labels.json": "{", "pets/model.toml": '[versions]\nserve = "all"'})
    assert read_model_toml(find_sources(tmp_path)[0]) == {"versions": {"serve": "all"}}


def test_files_that_lie_equally_near_and_agree_are_fine(tmp_path: Path) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/labels.txt": "0 cat\n1 dog", "pets/labels.json": '["cat", "dog"]'})
    assert found(tmp_path) == ("labels.txt", CAT_DOG)


@pytest.mark.parametrize(
    ("text", "difference"),
    [
        ('{"cat": 1, "dog": 0}', "one calls class 0 'cat', the other 'dog'"),
        ('{"cat": 0, "Dog": 1}', "one calls class 1 'dog', the other 'Dog'"),
        ('{"cat": 0, "dog": 1, "owl": 2}', "one gives 2 labels, the other 3"),
    ],
)
def test_files_that_lie_equally_near_and_disagree_are_refused(tmp_path: Path, text: str, difference: str) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/labels.txt": "cat\ndog", "pets/class_indices.json": text})
    assert refusal(tmp_path) == (
        f"labels.txt and class_indices.json disagree: {difference}. "
        'Remove one of them, or name the right one in model.toml: labels = "labels.txt".'
    )


def test_naming_one_of_two_files_settles_which_counts(tmp_path: Path) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/labels.txt": "cat\ndog", "pets/labels.json": '["dog", "cat"]'})
    put(tmp_path, {"pets/model.toml": 'labels = "labels.json"'})
    assert read_sidecar(find_sources(tmp_path)[0]) == {"labels": ["dog", "cat"], "labels_file": "labels.json"}


# ------------------------------------------------------------------------------------------------------ other files

FOREIGN = {
    "Keras": '{"class_name": "Sequential", "config": {"layers": []}}',
    "a list": "[1, 2]",
    "no JSON": "{ // settings\n}",
}


@pytest.mark.parametrize("text", FOREIGN.values(), ids=FOREIGN)
def test_a_config_json_of_another_tool_is_passed_over(tmp_path: Path, text: str) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/config.json": text, "pets/labels.txt": "cat\ndog"})
    assert found(tmp_path) == ("labels.txt", CAT_DOG)


def test_a_config_json_of_another_tool_may_be_of_any_size_and_encoding(tmp_path: Path) -> None:
    put(tmp_path, {"pets/model.keras": ""})
    (tmp_path / "pets/config.json").write_bytes(b"\xff" * (5 * 2**20))
    assert found(tmp_path) is None


def test_a_damaged_configuration_with_labels_is_refused(tmp_path: Path) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/config.json": '{"id2label": {"0": "cat", '})
    assert refusal(tmp_path) == "config.json is no JSON."


def test_a_folder_with_the_name_of_a_label_file_is_passed_over(tmp_path: Path) -> None:
    put(tmp_path, {"pets/model.keras": "", "pets/labels.txt/notes": "", "pets/classes.txt": "cat\ndog"})
    assert found(tmp_path) == ("classes.txt", CAT_DOG)


# --------------------------------------------------------------------------------------------------------- reading

BYTES = {
    "Windows line ends": b"cat\r\ndog\r\n",
    "old Macintosh line ends": b"cat\rdog\r",
    "byte order mark": b"\xef\xbb\xbf0 cat\r\n1 dog",
    "no line end": b"cat\ndog",
}


@pytest.mark.parametrize("content", BYTES.values(), ids=BYTES)
def test_text_is_read_as_any_editor_writes_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "labels.txt").write_bytes(content)
    assert read_labels(tmp_path / "labels.txt").labels == CAT_DOG


def test_json_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "labels.JSON").write_bytes(b'\xef\xbb\xbf["cat", "dog"]')
    assert read_labels(tmp_path / "labels.JSON").labels == CAT_DOG


BAD = {
    "not UTF-8": ("labels.txt", "Gänse".encode("latin-1"), "labels.txt is not UTF-8 text."),
    "empty": ("labels.txt", b"\r\n\n", "labels.txt holds no labels; give one per class, or remove it."),
    "empty list": ("labels.json", b"[]", "labels.json holds no labels; give one per class, or remove it."),
    "empty object": ("labels.json", b"{}", "labels.json holds no labels; give one per class, or remove it."),
    "too large": ("labels.txt", b"a" * (4 * 2**20 + 1), f"labels.txt is larger than {4 * 2**20} bytes."),
    "another form": ("class_names.json", b'{"labels": ["cat"]}', "class_names.json must hold a list of labels"),
    "a gap": ("class_indices.json", b'{"cat": 0, "dog": 2}', "class_indices.json gives no label the index 1; its 2"),
}


@pytest.mark.parametrize(("name", "content", "message"), BAD.values(), ids=BAD)
def test_a_file_that_cannot_be_used_is_refused_by_its_name(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    put(tmp_path, {"pets/model.keras": ""})
    (tmp_path / "pets" / name).write_bytes(content)
    assert refusal(tmp_path).startswith(message)


# ------------------------------------------------------------------------------------------------- files of real people


@pytest.mark.parametrize(
    ("folder", "count", "first", "last"),
    [
        ("dogcat_64_json_plus_weights", 2, "cat", "dog"),
        ("emotion_mini_xception_64", 7, "angry", "neutral"),
        ("input_28x28_no_channel_custom_loss", 10, "0", "9"),
        ("mlperf_tiny_person_vww96", 2, "non_person", "person"),
        ("mlperf_tiny_resnet8_cifar10", 10, "airplane", "truck"),
        ("teachable_machine_waste_224", 4, "cardboard", "metal"),
    ],
)
def test_label_files_from_the_wild_are_read(shared: Path, folder: str, count: int, first: str, last: str) -> None:
    labels = read_labels(shared / "wild" / folder / "labels.txt").labels
    assert (len(labels), labels[0], labels[-1]) == (count, first, last)
