"""What is read from a labelled folder, and what is said where it is none."""

from collections import Counter
from pathlib import Path

import pytest

from service.errors import FolderError
from service.model.card import OutputCard
from service.model.tensors import TensorSpec
from service.repository.labelled import read_labelled


def output(*labels: str, is_named: bool = True) -> OutputCard:
    spec = TensorSpec("probabilities", (None, len(labels)))
    return OutputCard(spec, "softmax", "graph", labels, "sidecar" if is_named else "default")


PETS = output("cat", "dog")


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def test_pictures_come_with_their_class_in_the_order_of_their_names(tmp_path: Path) -> None:
    folder = read_labelled(touch(tmp_path, "dog/2.PNG", "cat/b.jpg", "cat/a.webp"), PETS)

    assert [(one.name, one.truth) for one in folder.pictures] == [("cat/a.webp", 0), ("cat/b.jpg", 0), ("dog/2.PNG", 1)]
    assert folder.classes == {0, 1}


def test_sub_folders_of_a_class_are_looked_into(tmp_path: Path) -> None:
    folder = read_labelled(touch(tmp_path, "cat/tabby/deep/1.jpg", "dog/1.jpg"), PETS)

    assert [one.name for one in folder.pictures] == ["cat/tabby/deep/1.jpg", "dog/1.jpg"]


def test_hidden_ones_and_other_files_are_passed_over(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "cat/._1.jpg", "cat/.cache/2.jpg", "cat/notes.txt", ".git/3.jpg", "dog/4.jpg")

    assert [one.name for one in read_labelled(tmp_path, PETS).pictures] == ["cat/1.jpg", "dog/4.jpg"]


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    (touch(tmp_path, "cat/1.jpg", "loose.jpg") / "__MACOSX").mkdir()

    notes = read_labelled(tmp_path, PETS).notes

    assert any("__MACOSX" in note for note in notes)
    assert any("1 picture directly in the folder" in note for note in notes)


def test_links_that_lead_back_end(tmp_path: Path) -> None:
    touch(tmp_path, "cat/1.jpg", "dog/2.jpg")
    (tmp_path / "loop").symlink_to(tmp_path)
    (tmp_path / "cat/up").symlink_to(tmp_path)
    (tmp_path / "self").symlink_to(tmp_path / "self")

    assert len(read_labelled(tmp_path, PETS).pictures) == 2


def test_a_class_may_be_a_link_to_a_folder_elsewhere(tmp_path: Path) -> None:
    touch(tmp_path, "there/1.jpg", "here/dog/2.jpg")
    (tmp_path / "here/cat").symlink_to(tmp_path / "there")

    assert [one.name for one in read_labelled(tmp_path / "here", PETS).pictures] == ["cat/1.jpg", "dog/2.jpg"]


@pytest.mark.parametrize(
    ("files", "root", "text"),
    [
        ([], "nowhere", "does not exist"),
        (["file.jpg"], "file.jpg", "is a file; name a folder"),
        (["cat/readme.txt"], ".", "hold no pictures"),
        (["1.jpg", "2.jpg"], ".", "has 2 pictures and no sub-folder"),
        (["readme.txt"], ".", "has no sub-folder"),
        (["cow/1.jpg"], ".", "no class of the model"),
    ],
)
def test_what_is_no_labelled_folder_is_said(tmp_path: Path, files: list[str], root: str, text: str) -> None:
    with pytest.raises(FolderError, match=text):
        read_labelled(touch(tmp_path, *files) / root, PETS)


def test_a_limit_is_spread_over_the_classes(tmp_path: Path) -> None:
    touch(tmp_path, *(f"cat/{one:03}.jpg" for one in range(100)), *(f"dog/{one}.jpg" for one in range(3)))

    folder = read_labelled(tmp_path, PETS, limit=10)

    assert Counter(one.truth for one in folder.pictures) == {0: 7, 1: 3}
    assert folder.total == 103
    assert [one.name for one in folder.pictures] == sorted(one.name for one in folder.pictures)


def test_a_limit_takes_the_same_ones_each_time_and_not_the_first(tmp_path: Path) -> None:
    touch(tmp_path, *(f"cat/{one:03}.jpg" for one in range(100)), *(f"dog/{one:03}.jpg" for one in range(100)))

    first, again = (read_labelled(tmp_path, PETS, limit=20).pictures for _ in range(2))

    assert first == again
    assert [one.name for one in first][:10] != [f"cat/{one:03}.jpg" for one in range(10)]


def test_a_limit_over_all_takes_all(tmp_path: Path) -> None:
    assert len(read_labelled(touch(tmp_path, "cat/1.jpg", "dog/1.jpg"), PETS, limit=10**9).pictures) == 2
