"""Owns the file of one worker's counters: rows of 64-bit integers mapped into memory, each behind its name.

Words of eight bytes: first how many are in use, then for each row its width, the length of its name in bytes, its name
as JSON, and its numbers. A row is whole before the first word says that it is there: who reads while another writes
sees numbers that were true a moment ago.
"""

import fcntl
import json
import mmap
import os
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

Name = tuple[str, ...]
"""A kind, and the values of its labels."""
Row = tuple[int, ...]

_WORD = 8
_FIRST_BYTES = 64 * 1024
_MOST_BYTES = 16 * 2**20


class FullError(OSError):
    """A file has no room for another row of a kind."""

    def __init__(self) -> None:
        super().__init__(0, "there are too many series")


class RowsFile:
    """A worker's own file, locked while its worker lives. Not safe to use from several threads at once."""

    def __init__(self, path: Path) -> None:
        """Make and lock the file; raises OSError where there is no room for it."""
        self._file = path.open("w+b", buffering=0)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._mapped = self._map(_FIRST_BYTES)
        except OSError:
            self._file.close()
            path.unlink(missing_ok=True)
            raise
        self.words = memoryview(self._mapped).cast("q")
        self.words[0] = 1
        self._taken: Counter[str] = Counter()

    def add_row(self, name: Name, width: int, *, most_bytes: int | None = None) -> int:
        """Append a row of zeros and return the place of its first number.

        Raises FullError where the rows of its kind would take more than `most_bytes`, or the file would be too large,
        OSError where the disk is full.
        """
        packed = _packed(name, (0,) * width)
        size = len(packed) * _WORD
        if most_bytes is not None and self._taken[name[0]] + size > most_bytes:
            raise FullError
        used = self.words[0]
        self._make_room((used + len(packed)) * _WORD)
        self.words[used : used + len(packed)] = memoryview(packed)
        self.words[0] = used + len(packed)
        self._taken[name[0]] += size
        return used + len(packed) - width

    def close(self) -> None:
        """Let go of memory and lock; the file stays, with what was counted."""
        self.words.release()
        self._mapped.close()
        self._file.close()

    def _make_room(self, size: int) -> None:
        if size <= len(self._mapped):
            return
        if size > _MOST_BYTES:
            raise FullError
        old = self._mapped
        self._mapped = self._map(max(size, 2 * len(old)))
        self.words.release()
        self.words = memoryview(self._mapped).cast("q")
        old.close()

    def _map(self, size: int) -> mmap.mmap:
        os.posix_fallocate(self._file.fileno(), 0, size)  # a disk that fills later must not end the worker
        return mmap.mmap(self._file.fileno(), size)


def read_rows(data: bytes) -> Iterator[tuple[Name, Row]]:
    """Yield the rows of a file with their names; none for a file that has just been made."""
    words = memoryview(data[: len(data) // _WORD * _WORD]).cast("q")
    used = words[0] if words else 0
    place = 1
    while place < used:
        width, size = words[place], words[place + 1]
        start = place + 2 + _words(size)
        name = json.loads(data[(place + 2) * _WORD : (place + 2) * _WORD + size].decode("ascii"))
        yield tuple(name), tuple(words[start : start + width].tolist())
        place = start + width


def packed_row(name: Name, numbers: Row) -> bytes:
    """Return what a row takes of a file."""
    return _packed(name, numbers).tobytes()


def packed_file(rows: Iterable[bytes]) -> bytes:
    """Return a whole file of packed rows."""
    body = b"".join(rows)
    return array("q", [1 + len(body) // _WORD]).tobytes() + body


def _packed(name: Name, numbers: Sequence[int]) -> "array[int]":
    text = json.dumps(name).encode()
    packed = array("q", [len(numbers), len(text)])
    packed.frombytes(text.ljust(_words(len(text)) * _WORD))
    packed.extend(numbers)
    return packed


def _words(size: int) -> int:
    return -(-size // _WORD)
