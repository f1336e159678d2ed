"""Owns the stamp of a file: what changes when the file does, for the price of one question to the file system."""

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: size in bytes, modification time in ns, inode; of several, one for all."""

    size: int
    mtime_ns: int
    inode: int

    @classmethod
    def of(cls, status: os.stat_result) -> "Stamp":
        """Return the stamp of the file that has this status."""
        return cls(status.st_size, status.st_mtime_ns, status.st_ino)


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of a file; raises OSError where it is gone or may not be looked at."""
    return Stamp.of(path.stat())


def stamp_if_there(path: Path) -> Stamp | None:
    """Return the stamp of a file, or None where there is none; raises OSError where it may not be looked at."""
    try:
        return stamp_of(path)
    except FileNotFoundError:
        return None
