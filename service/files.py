"""Owns replacing a file at once: whoever reads meanwhile sees the old one or the new one, never a part."""

import os
import tempfile
from pathlib import Path

PRIVATE = 0o600
"""Readable by the user alone who runs the program."""
PUBLIC = 0o644
"""Readable by all."""


def replace_file(path: Path, data: bytes, *, mode: int = PRIVATE) -> os.stat_result:
    """Put `data` at `path` by rename, with these permissions; return the new file's status, of before the rename.

    Raises OSError where it cannot be written: the file before stays, and nothing is left behind.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=draft_prefix(path))
    fresh = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        fresh.chmod(mode)
        status = fresh.stat()  # before anybody else can write to it
        fresh.replace(path)
    except BaseException:
        fresh.unlink(missing_ok=True)
        raise
    return status


def draft_prefix(path: Path) -> str:
    """Return what the names begin with that a file has while it is written; a process that is killed leaves one."""
    return f".{path.name}-"
