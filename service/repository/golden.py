"""Owns where a model's golden samples lie, and how to tell at a look that they have changed.

`golden/` beside a model, or beside one of its versions, holds a sub-folder of pictures for each label.
"""

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from service.repository.sources import Source
from service.repository.stamp import Stamp, stamp_of

MAX_FILES = 2000


@dataclass(frozen=True, slots=True)
class GoldenFolder:
    """A folder of golden samples: how many files lie in it, `MAX_FILES + 1` at most, and what changes with them."""

    path: Path
    files: int
    stamp: int


def find_golden(source: Source) -> GoldenFolder | None:
    """Return the nearest folder of golden samples of a source; None where there is none, or no file in it."""
    for path in reversed(source.golden):
        if path.is_dir():
            closed: list[OSError] = []  # a folder that may not be read is not an empty one
            found = list(islice(_files_below(path, closed.append), MAX_FILES + 1))
            return GoldenFolder(path, len(found), hash(tuple(found))) if found or closed else None
    return None


def _files_below(folder: Path, unreadable: Callable[[OSError], None]) -> Iterator[tuple[str, Stamp]]:
    """Yield path and stamp of each file; hidden ones and links to folders inside a label's are left out."""
    for top in (folder, *(one for one in _entries(folder) if one.is_symlink() and one.is_dir())):
        for parent, folders, files in os.walk(top, onerror=unreadable):
            folders[:] = sorted(name for name in folders if not name.startswith("."))
            for name in sorted(files):
                if not name.startswith("."):
                    yield from _looks(Path(parent, name))


def _entries(folder: Path) -> list[Path]:
    try:
        return sorted(one for one in folder.iterdir() if not one.name.startswith("."))
    except OSError:
        return []


def _looks(path: Path) -> Iterator[tuple[str, Stamp]]:
    try:
        stamp = stamp_of(path)
    except OSError:
        return  # it went between the listing and the look, or is a link that leads nowhere
    yield str(path), stamp
