"""What one saved model is made of on disk."""

import hashlib
import os
from pathlib import Path

import pytest

from service.repository.saved import Saved, combined_sha256, is_program_folder, saved_at, sha256_of, stem_of

ARCHITECTURE = '{"class_name": "Sequential", "config": []}'


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """A SavedModel folder of no meaning."""
    folder = tmp_path / "half"
    (folder / "variables").mkdir(parents=True)
    (folder / "saved_model.pb").write_bytes(b"graph")
    (folder / "variables/variables.index").write_bytes(b"index")
    (folder / "notes.txt").write_bytes(b"not part of it")
    return folder


@pytest.mark.parametrize(
    ("weights", "architecture"),
    [
        ("best.h5", "best.json"),
        ("best.weights.h5", "best.json"),
        ("weights.h5", "model.json"),
        ("weights.hdf5", "architecture.json"),
        ("model.weights.h5", "config.json"),
    ],
)
def test_an_architecture_beside_the_weights_belongs_to_them(tmp_path: Path, weights: str, architecture: str) -> None:
    (tmp_path / weights).write_bytes(b"weights")
    (tmp_path / architecture).write_text(ARCHITECTURE)

    assert saved_at(tmp_path / weights).architecture == tmp_path / architecture


@pytest.mark.parametrize("text", ['["cat", "dog"]', '{"cat": 0}', "", "class_name"])
def test_another_json_file_is_no_architecture(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.h5").write_bytes(b"weights")
    (tmp_path / "model.json").write_text(text)

    assert saved_at(tmp_path / "model.h5").architecture is None


def test_an_archive_needs_no_architecture(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"whole")
    (tmp_path / "model.json").write_text(ARCHITECTURE)

    assert saved_at(tmp_path / "model.keras") == Saved(tmp_path / "model.keras")


def test_the_files_of_a_program_are_its_own_only(program: Path) -> None:
    assert is_program_folder(program)
    assert set(saved_at(program).files) == {"saved_model.pb", "variables/variables.index"}


@pytest.mark.parametrize("file", ["saved_model.pb", "variables/variables.index"])
def test_a_change_of_any_file_changes_hash_and_stamp(program: Path, file: str) -> None:
    before = sha256_of(saved_at(program)), saved_at(program).stamp()
    (program / file).write_bytes(b"other")
    after = sha256_of(saved_at(program)), saved_at(program).stamp()

    assert before[0] != after[0]
    assert before[1] != after[1]


def test_a_corrected_architecture_makes_another_model(tmp_path: Path) -> None:
    (tmp_path / "weights.h5").write_bytes(b"weights")
    (tmp_path / "model.json").write_text(ARCHITECTURE)
    before = sha256_of(saved_at(tmp_path / "weights.h5"))
    (tmp_path / "model.json").write_text(ARCHITECTURE.replace("[]", "[1]"))

    assert sha256_of(saved_at(tmp_path / "weights.h5")) != before


def test_one_file_has_its_own_hash(tmp_path: Path) -> None:
    (tmp_path / "model.keras").write_bytes(b"whole")

    assert sha256_of(saved_at(tmp_path / "model.keras")) == hashlib.sha256(b"whole").hexdigest()


def test_the_same_bytes_under_other_names_are_another_model() -> None:
    assert combined_sha256({"a": "1", "b": "2"}) != combined_sha256({"a": "2", "b": "1"})
    assert combined_sha256({"a": "1", "b": "2"}) == combined_sha256({"b": "2", "a": "1"})


def test_a_program_whose_files_went_has_no_stamp(program: Path) -> None:
    saved = saved_at(program)
    (program / "saved_model.pb").unlink()
    (program / "variables/variables.index").unlink()
    with pytest.raises(FileNotFoundError):
        saved.stamp()


@pytest.mark.parametrize(("name", "stem"), [("a.keras", "a"), ("a.weights.h5", "a"), ("weights.h5", "weights")])
def test_the_stem_is_the_name_without_its_endings(name: str, stem: str) -> None:
    assert stem_of(Path(name)) == stem


def test_a_nameless_architecture_is_given_to_none_of_several_named_files(tmp_path: Path) -> None:
    for name in ("cats.weights.h5", "dogs.weights.h5", "best_weights.h5"):
        (tmp_path / name).write_bytes(b"weights")
    (tmp_path / "model.json").write_text(ARCHITECTURE)
    (tmp_path / "dogs.json").write_text(ARCHITECTURE)

    assert saved_at(tmp_path / "cats.weights.h5").architecture is None
    assert saved_at(tmp_path / "dogs.weights.h5").architecture == tmp_path / "dogs.json"
    assert saved_at(tmp_path / "best_weights.h5").architecture == tmp_path / "model.json"


def test_links_inside_a_program_are_no_part_of_it(program: Path) -> None:
    (program / "variables/endless").symlink_to("/dev/zero")
    (program / "variables/foreign").symlink_to(program / "notes.txt")

    assert set(saved_at(program).files) == {"saved_model.pb", "variables/variables.index"}


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "model.h5").write_bytes(b"weights")
    os.mkfifo(tmp_path / "model.json")

    assert saved_at(tmp_path / "model.h5").architecture is None
