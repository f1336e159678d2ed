"""Owns how the workers of one server share a file of JSON: replaced by rename, so that a reader sees one or the other.

Files are told apart by their stamp, so that a look costs one question to the file system.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Any

Stamp = tuple[int, int, int] | None


class SharedFile:
    """One file of JSON in the runtime folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> Stamp:
        """Return what changes whenever the file is replaced; None where there is none."""
        return _stamp_of(self._path)

    def read(self) -> Any:
        """Return what is in the file; None where there is none, or none that can be read."""
        try:
            return json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None

    def write(self, data: Any) -> Stamp:
        """Replace the file; return its stamp. Raises OSError where it cannot be written; the one before stays then."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have tidied it away
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=f".{self._path.stem}-")
        fresh = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                json.dump(data, file)
            stamp = _stamp_of(fresh)  # before anybody else can write to it
            fresh.replace(self._path)
        except OSError:
            fresh.unlink(missing_ok=True)
            raise
        return stamp

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._path.unlink(missing_ok=True)


def _stamp_of(path: Path) -> Stamp:
    try:
        status = path.stat()
    except FileNotFoundError:
        return None
    return (status.st_ino, status.st_mtime_ns, status.st_size)
