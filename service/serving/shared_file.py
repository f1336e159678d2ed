"""Owns how the workers of one server share a file of JSON: replaced by rename, so that a reader sees one or the other.

Files are told apart by their stamp, so that a look costs one question to the file system.
"""

import json
from pathlib import Path
from typing import Any

from service.files import replace_file
from service.repository.stamp import Stamp, stamp_if_there


class SharedFile:
    """One file of JSON in the runtime folder."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def stamp(self) -> Stamp | None:
        """Return what changes whenever the file is replaced; None where there is none."""
        return stamp_if_there(self._path)

    def read(self) -> Any:
        """Return what is in the file; None where there is none, or none that can be read."""
        try:
            return json.loads(self._path.read_text("utf-8"))
        except (OSError, ValueError, RecursionError):
            return None

    def write(self, data: Any) -> Stamp:
        """Replace the file; return its stamp. Raises OSError where it cannot be written; the one before stays then."""
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have tidied it away
        return Stamp.of(replace_file(self._path, json.dumps(data).encode()))

    def remove(self) -> None:
        """Remove the file, if there is one."""
        self._path.unlink(missing_ok=True)
