"""Files are replaced at once: whole, with their permissions, and nothing stays behind where it fails."""

from pathlib import Path

import pytest

from service.files import PUBLIC, replace_file


@pytest.mark.parametrize("mode", [0o600, PUBLIC])
def test_a_file_is_replaced_by_another_with_these_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "one.json"
    path.write_bytes(b"old")

    status = replace_file(path, b"fresh", mode=mode)

    assert path.read_bytes() == b"fresh"
    assert path.stat().st_mode & 0o777 == mode
    assert (path.stat().st_ino, path.stat().st_mtime_ns) == (status.st_ino, status.st_mtime_ns)
    assert list(tmp_path.iterdir()) == [path]


def test_where_it_cannot_be_replaced_the_one_before_stays_and_nothing_else(tmp_path: Path) -> None:
    folder = tmp_path / "taken"
    (folder / "inside").mkdir(parents=True)

    with pytest.raises(OSError, match=r"."):
        replace_file(folder, b"fresh")

    assert list(tmp_path.iterdir()) == [folder]
    assert (folder / "inside").is_dir()
