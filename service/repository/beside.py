"""Owns where the files lie that a user puts beside a model without naming them anywhere, and how they are read."""

import os
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

from service.errors import SidecarError
from service.repository.saved import stem_of
from service.repository.sources import Source

MAX_SIDECAR_BYTES = 4 * 2**20
_SEPARATORS = (".", "_", "-")


def files_beside(source: Source, names: Sequence[str]) -> Iterator[list[Path]]:
    """Yield the files of these names beside a source, folder by folder, the nearest first.

    Nearest is a file named after the saved one (`flowers.labels.txt` beside `flowers.keras`), then those in the folders
    that are the model's own.
    """
    yield _listed(source.path.parent, _named_after(source, names))
    for folder in reversed(source.folders):
        yield _listed(folder, names)


def read_text(path: Path) -> str:
    """Return the text of a file that a user put beside a model; raises SidecarError where it cannot be read."""
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise SidecarError(f"{path.name} is larger than {MAX_SIDECAR_BYTES} bytes.")
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise SidecarError(f"{path.name} is not UTF-8 text.") from error
    except OSError as error:
        raise SidecarError(f"{path.name} cannot be read: {error.strerror}.") from error


def _named_after(source: Source, names: Sequence[str]) -> list[str]:
    stem = source.path.name if source.saved.is_program else stem_of(source.path)
    return [f"{stem}{separator}{name}" for separator, name in product(_SEPARATORS, names)]


def _listed(folder: Path, names: Sequence[str]) -> list[Path]:
    # One listing: asking for each name would be some forty questions at each look, slow on a network drive.
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
    except OSError:
        return []  # a model has more places than folders: `flowers/` need not be there beside `flowers.keras`
    return [path for path in (folder / name for name in names if name in there) if path.is_file()]
