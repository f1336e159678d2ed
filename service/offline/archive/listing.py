"""Owns the listing: the paths that a job is about, written once, so that a part of it is the same at every look."""

import hashlib
import os
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.files import replace_file

LARGEST_PART = 512
"""Pictures in one part: what is lost of a process's work when it is killed."""
_STEP = 32
_PARTS_AT_LEAST = 16
_END = b"\0"
_NAME = "_listing"
_OFFSETS = "_listing.offsets"


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing holds: how many files, so many of them to a part, and its SHA-256."""

    files: int
    per_part: int
    sha256: str

    @property
    def parts(self) -> int:
        """Return the number of parts."""
        return -(-self.files // self.per_part)

    def size_of(self, part: int) -> int:
        """Return how many files a part holds."""
        return min(self.per_part, self.files - part * self.per_part)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"files": self.files, "per_part": self.per_part, "sha256": self.sha256}


def write_listing(folder: Path, paths: Iterable[bytes]) -> Listed:
    """Write paths as they come; return what they are. Every 32nd one can be found without reading those before it."""
    offsets, digest = array("Q"), hashlib.sha256()
    with (folder / _NAME).open("wb") as file:
        position = count = 0
        for path in paths:
            if count % _STEP == 0:
                offsets.append(position)
            line = path + _END
            file.write(line)
            digest.update(line)
            position += len(line)
            count += 1
        file.flush()
        os.fsync(file.fileno())
    replace_file(folder / _OFFSETS, offsets.tobytes())
    return Listed(count, per_part(count), digest.hexdigest())


def per_part(files: int) -> int:
    """Return how many of so many files make a part: few files still make parts enough for every process."""
    return min(LARGEST_PART, max(_STEP, files // _PARTS_AT_LEAST // _STEP * _STEP))


def is_whole(folder: Path, listed: Listed) -> bool:
    """Return whether the listing is there as it was written."""
    try:
        with (folder / _NAME).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        offsets = (folder / _OFFSETS).stat().st_size // array("Q").itemsize
    except OSError:
        return False
    return digest == listed.sha256 and offsets == -(-listed.files // _STEP)


class Listing:
    """Reads the paths of one part after another."""

    def __init__(self, folder: Path, listed: Listed) -> None:
        self._listed = listed
        self._path = folder / _NAME
        self._offsets = array("Q")
        self._offsets.frombytes((folder / _OFFSETS).read_bytes())

    def part(self, number: int) -> list[bytes]:
        """Return the paths of a part, relative to the job's root."""
        first = number * self._listed.per_part // _STEP
        last = first + self._listed.per_part // _STEP
        with self._path.open("rb") as file:
            file.seek(self._offsets[first])
            size = self._offsets[last] - self._offsets[first] if last < len(self._offsets) else -1
            return file.read(size).split(_END)[:-1]

    def __iter__(self) -> Iterator[bytes]:
        """Yield every path."""
        for number in range(self._listed.parts):
            yield from self.part(number)
