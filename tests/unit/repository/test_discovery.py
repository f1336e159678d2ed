"""Saved models are found in folders of any layout."""

import os
from pathlib import Path

import pytest

from service.repository.discovery import find_saved


def put(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"saved")


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in find_saved(root, unreadable=_fail)]


def _fail(error: OSError) -> None:
    raise error


def test_saved_files_are_found_at_any_depth(tmp_path: Path) -> None:
    put(tmp_path, "a.keras", "notes.txt", "deep/er/b.h5", "deep/c.HDF5", "deep/model.json")
    assert found(tmp_path) == ["a.keras", "deep/c.HDF5", "deep/er/b.h5"]


def test_a_saved_model_folder_is_one_model_whatever_lies_in_it(tmp_path: Path) -> None:
    put(tmp_path, "x/1/saved_model.pb", "x/1/variables/variables.index", "x/1/assets/inner.h5", "x/2/saved_model.pb")
    assert found(tmp_path) == ["x/1", "x/2"]


def test_a_saved_model_folder_itself_is_the_one_model(tmp_path: Path) -> None:
    put(tmp_path, "half/saved_model.pb")
    assert find_saved(tmp_path / "half", unreadable=_fail) == [tmp_path / "half"]


def test_hidden_entries_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, ".cache/a.keras", ".b.keras", "~c.h5", ".git/x/saved_model.pb")
    assert found(tmp_path) == []


def test_a_loop_of_links_ends(tmp_path: Path) -> None:
    put(tmp_path, "models/a.keras")
    (tmp_path / "models/again").symlink_to(tmp_path, target_is_directory=True)
    assert found(tmp_path) == ["models/a.keras"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_told(tmp_path: Path) -> None:
    put(tmp_path, "a.keras", "closed/b.keras")
    (tmp_path / "closed").chmod(0)
    told: list[OSError] = []
    assert find_saved(tmp_path, unreadable=told.append) == [tmp_path / "a.keras"]
    assert [Path(error.filename).name for error in told] == ["closed"]
