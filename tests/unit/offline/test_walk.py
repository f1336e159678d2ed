from collections import Counter
from pathlib import Path

import pytest

from service.errors import FolderError
from service.offline.archive import walk
from service.offline.archive.listing import Listing, is_whole, per_part, write_listing

NAMES = ("b.png", "a/z.png", "a.png", "a/b/c.JPG", "a-b/d.png", "a b/1.gif", "A/1.png", "a/b.png", "line\nend.png")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    root = tmp_path / "pictures"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(text: object) -> list[str]:
    return [one.decode() for one in walk.files_of(walk.asked_for(str(text)), Counter())]


def found_files(text: object) -> list[Path]:
    asked = walk.asked_for(str(text))
    return [asked.root / one.decode() for one in walk.files_of(asked, Counter())]


@pytest.mark.parametrize("run", [2, 100])
def test_paths_come_in_the_order_of_their_parts(pictures: Path, monkeypatch: pytest.MonkeyPatch, run: int) -> None:
    monkeypatch.setattr(walk, "RUN", run)

    assert found(pictures) == [str(one) for one in sorted(map(Path, NAMES))]


def test_many_names_are_sorted_on_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "RUN", 7)
    names = [str(number * 7919 % 1000).encode() for number in range(1000)]

    assert list(walk.in_order(iter(names))) == sorted(names)


@pytest.mark.parametrize(
    "pattern",
    ["*.png", "a*/*", "**/*.png", "a/**", "a/**/*.JPG", "?.png", "[!b].png", "[ab].png", "a/b*", "**/b/*", "a?b/*"],
)
def test_patterns_fit_as_in_a_shell(pictures: Path, pattern: str) -> None:
    # A last ** stands for folders alone in Python before 3.13.
    fitting = pictures.glob(f"{pattern}/*" if pattern.endswith("**") else pattern)

    assert found_files(pictures / pattern) == sorted(one for one in fitting if one.is_file())


def test_folders_that_cannot_hold_what_fits_are_not_looked_into(pictures: Path) -> None:
    seen: Counter[str] = Counter()

    assert list(walk.files_of(walk.Asked(pictures, "a*/*.gif"), seen)) == [b"a b/1.gif"]
    assert seen == {".png": 2 + 1 + 3}  # in a, in a-b, and beside them; neither in A nor below a


def test_of_many_suffixes_that_are_passed_over_the_first_are_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(walk, "MOST_SUFFIXES", 2)
    for number in range(5):
        (tmp_path / f"a.{number}").touch()
    seen: Counter[str] = Counter()

    assert list(walk.files_of(walk.Asked(tmp_path), seen)) == []
    assert len(seen) == 3
    assert seen["others"] == 3


def test_one_file_and_a_folder_with_brackets_are_what_they_are(pictures: Path) -> None:
    odd = pictures.with_name("odd [1]")
    odd.mkdir()
    (odd / "x[2].png").touch()

    assert found(odd) == ["x[2].png"]
    assert found(odd / "x[2].png") == ["x[2].png"]


@pytest.mark.parametrize("text", ["nowhere", "nowhere/*.png", "[z-a].png"])
def test_what_is_no_folder_and_no_pattern_is_refused(text: str, pictures: Path) -> None:
    with pytest.raises(FolderError):
        found(pictures / text)


@pytest.mark.parametrize("count", [1, 31, 33, 700, 9000])
def test_a_listing_gives_back_every_path_by_its_part(tmp_path: Path, count: int) -> None:
    paths = [f"folder\n/{number}.png".encode() for number in range(count)]

    listed = write_listing(tmp_path, iter(paths))

    parts = [Listing(tmp_path, listed).part(number) for number in range(listed.parts)]
    assert [path for part in parts for path in part] == paths
    assert [len(part) for part in parts] == [listed.size_of(number) for number in range(listed.parts)]
    assert is_whole(tmp_path, listed)
    (tmp_path / "_listing").write_bytes(b"other")
    assert not is_whole(tmp_path, listed)


@pytest.mark.parametrize(("files", "expected"), [(0, 32), (100, 32), (3000, 160), (60_000, 512), (10_000_000, 512)])
def test_parts_are_small_enough_for_all_to_have_work(files: int, expected: int) -> None:
    assert per_part(files) == expected
