"""Where golden samples are looked for, and what a look at them notices."""

import os
from pathlib import Path

import pytest

from service.repository.golden import MAX_FILES, find_golden
from service.repository.sources import Source, find_sources


def put(path: Path, data: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def only(root: Path) -> Source:
    (found,) = find_sources(root)
    return found


def test_the_nearer_folder_wins(tmp_path: Path) -> None:
    put(tmp_path / "net/1/model.keras")
    put(tmp_path / "net/golden/cat/a.png")
    far = find_golden(only(tmp_path))
    put(tmp_path / "net/1/golden/cat/a.png")
    near = find_golden(only(tmp_path))

    assert far is not None
    assert near is not None
    assert (far.path, near.path) == (tmp_path / "net/golden", tmp_path / "net/1/golden")


@pytest.mark.parametrize(
    ("saved", "golden"),
    [
        ("net/1/model.keras", "net/golden"),
        ("net/model.keras", "net/golden"),
        ("net.keras", "net/golden"),
        ("net/1/saved_model.pb", "net/1/golden"),
    ],
)
def test_it_lies_beside_the_model_however_that_is_kept(tmp_path: Path, saved: str, golden: str) -> None:
    put(tmp_path / saved)
    put(tmp_path / golden / "cat/a.png")
    found = find_golden(only(tmp_path))

    assert found is not None
    assert (found.path, found.files) == (tmp_path / golden, 1)


def test_a_file_that_is_served_alone_has_it_in_its_own_folder(tmp_path: Path) -> None:
    put(tmp_path / "golden/cat/a.png")
    found = find_golden(only(put(tmp_path / "net.keras")))

    assert found is not None


def test_a_folder_of_that_name_in_the_models_folder_is_no_models(tmp_path: Path) -> None:
    put(tmp_path / "net.keras")
    put(tmp_path / "golden/1/cat.png")

    assert find_golden(only(tmp_path)) is None


def test_a_model_may_be_called_golden(tmp_path: Path) -> None:
    put(tmp_path / "golden/1/model.keras")

    assert (only(tmp_path).name, find_golden(only(tmp_path))) == ("golden", None)


def test_a_folder_without_files_asks_nothing(tmp_path: Path) -> None:
    put(tmp_path / "net/1/model.keras")
    (tmp_path / "net/golden/cat").mkdir(parents=True)
    put(tmp_path / "net/golden/.DS_Store")

    assert find_golden(only(tmp_path)) is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_not_an_empty_one(tmp_path: Path) -> None:
    put(tmp_path / "net/1/model.keras")
    closed = tmp_path / "net/golden/cat"
    closed.mkdir(parents=True)
    closed.chmod(0)

    found = find_golden(only(tmp_path))
    closed.chmod(0o755)

    assert found is not None


def test_the_stamp_stays_until_a_file_comes_goes_or_changes_in_place(tmp_path: Path) -> None:
    put(tmp_path / "net/1/model.keras")
    sample = put(tmp_path / "net/golden/cat/a.png")
    seen = [find_golden(only(tmp_path)), find_golden(only(tmp_path))]
    put(sample, b"longer")
    seen.append(find_golden(only(tmp_path)))
    put(sample.with_name("b.png"))
    seen.append(find_golden(only(tmp_path)))
    sample.parent.rename(sample.parent.with_name("dog"))
    seen.append(find_golden(only(tmp_path)))

    assert seen[0] == seen[1]
    assert len(set(seen)) == 4


def test_no_more_files_are_looked_at_than_the_bound(tmp_path: Path) -> None:
    put(tmp_path / "net/1/model.keras")
    put(tmp_path / "net/golden/cat/0.png")
    for number in range(1, MAX_FILES + 50):
        (tmp_path / f"net/golden/cat/{number}.png").touch()
    found = find_golden(only(tmp_path))

    assert found is not None
    assert found.files == MAX_FILES + 1
