"""Owns telling whether the files of a bundle are as they were built: their sums on disk, and the graph in use."""

from collections.abc import Collection
from pathlib import Path

from service.repository.saved import file_sha256
from service.repository.stamp import stamp_of

SUMS = "SHA256SUMS"
"""In the form of `sha256sum`, which can check it."""


def write_sums(folder: Path) -> None:
    """Write the SHA-256 of every file in `folder` beside them, in place of those written before."""
    lines = [f"{file_sha256(path)}  {path.name}\n" for path in sorted(folder.iterdir()) if path.name != SUMS]
    (folder / SUMS).write_text("".join(lines), "utf-8")


def wrong_sums(folder: Path, names: Collection[str]) -> list[str]:
    """Return those of `names` that are not as they were when `write_sums` saw them."""
    try:
        lines = (folder / SUMS).read_text("utf-8").splitlines()
    except (OSError, ValueError):
        return [SUMS]
    return [name for name in names if f"{file_sha256(folder / name)}  {name}" not in lines]


class GraphSeal:
    """Tells whether a graph's file was written to, which an engine that maps it would answer from.

    A file that was removed or replaced is none of it: the engine keeps the one it has.
    """

    def __init__(self, path: Path) -> None:
        """Look at the file; raises OSError where it is gone."""
        self.path = path
        self._stamp = stamp_of(path)
        self._is_broken = False

    @property
    def size(self) -> int:
        """Return the size of the file in bytes, as it was first seen."""
        return self._stamp.size

    def is_broken(self) -> bool:
        """Return whether the file is, or ever was found to be, another one in the same place on the disk."""
        self._is_broken = self._is_broken or self._was_written_to()
        return self._is_broken

    def _was_written_to(self) -> bool:
        try:
            found = stamp_of(self.path)
        except OSError:
            return False
        return found.inode == self._stamp.inode and found != self._stamp
