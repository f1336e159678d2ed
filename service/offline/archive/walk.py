"""Owns which files are asked for: a folder or a pattern -> paths in a fixed order, few of them held in memory.

Paths are bytes relative to a root, as the file system has them. They come in the order of `sorted` over their
components; a folder with more names than fit in memory is sorted in runs on disk.
"""

import heapq
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from service.errors import FolderError
from service.offline.archive.pattern import Pattern, escaped, is_pattern
from service.repository.pictures import SUFFIXES

RUN = 500_000
"""Names of one folder that are sorted in memory."""
MOST_SUFFIXES = 1_000
"""Suffixes of what is passed over that are told apart."""
OTHERS = "others"
"""What all further ones are counted as; no suffix is without a dot."""
_BLOCK = 2**20
_IS_FOLDER = b"\0"
"""Behind a folder's name while it is sorted: what no name holds, and what sorts before all that one may."""
_END = b"/"
_SUFFIXES = frozenset(os.fsencode(one) for one in SUFFIXES)


@dataclass(frozen=True, slots=True)
class Asked:
    """A folder, and a pattern of the paths below it; where that is None every picture by its name is asked for."""

    root: Path
    pattern: str | None = None


def asked_for(text: str) -> Asked:
    """Return what a folder, a file or a pattern such as `photos/**/*.jpg` stands for; raises FolderError."""
    path = Path(text)
    if path.is_dir():
        return Asked(path.resolve())
    if path.exists():
        return Asked(path.parent.resolve(), escaped(path.name))
    return _pattern(path)


def _pattern(path: Path) -> Asked:
    parts = path.parts
    first = next((place for place, part in enumerate(parts) if is_pattern(part)), None)
    if first is None:
        raise FolderError(f"{path} does not exist; name a folder of pictures, or a pattern such as 'photos/*.jpg'.")
    root = Path(*parts[:first])
    if not root.is_dir():
        raise FolderError(f"{root} is no folder, so nothing fits the pattern {path}.")
    return Asked(root.resolve(), "/".join(parts[first:]))


def files_of(asked: Asked, passed_over: Counter[str]) -> Iterator[bytes]:
    """Yield the path of each file that is asked for, relative to the root; what is left out is counted by suffix.

    Hidden files and links to folders are left out; a link that leads nowhere is not: it is told of as unreadable.
    Raises FolderError where a folder cannot be read.
    """
    wanted = _ByName() if asked.pattern is None else Pattern(asked.pattern)
    yield from _walk(os.fsencode(asked.root), b"", wanted, passed_over)


class _ByName:
    """Fits every picture, as far as its name tells."""

    def fits(self, path: bytes) -> bool:
        return os.path.splitext(path)[1].lower() in _SUFFIXES  # noqa: PTH122  (bytes, and millions of them)

    def may_lie_in(self, folder: bytes) -> bool:
        return True


_Wanted = _ByName | Pattern


def _walk(root: bytes, below: bytes, wanted: _Wanted, passed_over: Counter[str]) -> Iterator[bytes]:
    for name in in_order(_names(root, below, wanted, passed_over)):
        if name.endswith(_IS_FOLDER):
            yield from _walk(root, below + name[:-1] + b"/", wanted, passed_over)
        else:
            yield below + name


def _names(root: bytes, below: bytes, wanted: _Wanted, passed_over: Counter[str]) -> Iterator[bytes]:
    try:
        with os.scandir(os.path.join(root, below)) as entries:  # noqa: PTH118  (bytes)
            for entry in entries:
                if entry.name.startswith(b"."):
                    continue
                path = below + entry.name
                if entry.is_dir(follow_symlinks=False):
                    if wanted.may_lie_in(path):
                        yield entry.name + _IS_FOLDER
                elif wanted.fits(path) and _is_file(entry):
                    yield entry.name
                else:
                    _pass_over(entry.name, passed_over)
    except OSError as error:
        shown = os.fsdecode(os.path.join(root, below)).rstrip("/")  # noqa: PTH118
        raise FolderError(f"{shown} cannot be read: {error.strerror}.") from error


def _pass_over(name: bytes, passed_over: Counter[str]) -> None:
    suffix = os.fsdecode(os.path.splitext(name)[1].lower())  # noqa: PTH122  (bytes)
    is_told = suffix in passed_over or len(passed_over) < MOST_SUFFIXES
    passed_over[suffix if is_told else OTHERS] += 1


def _is_file(entry: os.DirEntry[bytes]) -> bool:
    # NOTE: a pipe or a device may have any name, and reading one may never end.
    return entry.is_file() or (entry.is_symlink() and not os.path.exists(entry.path))  # noqa: PTH110


def in_order(names: Iterator[bytes]) -> Iterator[bytes]:
    """Yield names sorted; where they are many, with all but one run of them in temporary files."""
    with ExitStack() as files:
        runs: list[Iterator[bytes]] = []
        while run := sorted(islice(names, RUN)):
            if not runs and len(run) < RUN:
                yield from run
                return
            runs.append(_read(files.enter_context(_spilled(run))))
        yield from heapq.merge(*runs)


def _spilled(run: list[bytes]) -> IO[bytes]:
    file = tempfile.TemporaryFile()  # noqa: SIM115  (closed by whoever asked for it)
    for start in range(0, len(run), 10_000):
        file.write(b"".join(name + _END for name in run[start : start + 10_000]))
    file.seek(0)
    return file


def _read(file: IO[bytes]) -> Iterator[bytes]:
    rest = b""
    while block := file.read(_BLOCK):
        *names, rest = (rest + block).split(_END)
        yield from names
