"""Owns looking through a folder for picture files: what counts as one, what is passed over."""

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from service.errors import FolderError

SUFFIXES = frozenset({".jpg", ".jpeg", ".jpe", ".png", ".bmp", ".gif", ".webp", ".tif", ".tiff"})


@dataclass(frozen=True, slots=True)
class Listed:
    """What lies directly in a folder: its sub-folders by name, and how many pictures."""

    folders: tuple[Path, ...]
    pictures: int


def check_folder(root: Path) -> None:
    """Raise FolderError where `root` is no folder."""
    if not root.exists():
        raise FolderError(f"{root} does not exist; name a folder of pictures.")
    if not root.is_dir():
        raise FolderError(f"{root} is a file; name a folder of pictures.")


def listed_folder(root: Path) -> Listed:
    """Return what lies directly in `root`, hidden entries and links back to it or above left out.

    Sub-folders come in the order of `sorted(os.listdir(root))`: by code point, as Keras numbers classes. Raises
    FolderError where it is no folder that can be read.
    """
    check_folder(root)
    try:
        entries = sorted((one for one in root.iterdir() if not one.name.startswith(".")), key=lambda one: one.name)
    except OSError as error:
        raise FolderError(f"{root} cannot be read: {error.strerror}.") from error
    above = {root.resolve(), *root.resolve().parents}
    folders = tuple(one for one in entries if one.is_dir() and one.resolve() not in above)
    return Listed(folders, sum(is_picture(one) for one in entries))


def class_folders(root: Path) -> tuple[Path, ...]:
    """Return the sub-folders of `root` in Keras' order; raises as `listed_folder` does."""
    return listed_folder(root).folders


def is_picture(path: Path) -> bool:
    """Return whether a path is a file whose name ends as a picture's does."""
    return path.suffix.lower() in SUFFIXES and path.is_file()


def pictures_below(folder: Path) -> list[Path]:
    """Return every picture file in a folder and its sub-folders, sorted; hidden ones and links to folders left out.

    Raises FolderError where one of them cannot be read: pictures left out unseen would shift every measure.
    """
    found: list[Path] = []
    for parent, folders, files in os.walk(folder, onerror=_raise):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        here = Path(parent)
        found += [here / name for name in files if not name.startswith(".") and is_picture(here / name)]
    return sorted(found)


def passed_over(folder: Path) -> Counter[str]:
    """Return how many files below a folder are no pictures by their names, by suffix; hidden ones do not count."""
    found: Counter[str] = Counter()
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        shown = (Path(parent, name) for name in files if not name.startswith("."))
        found.update(one.suffix.lower() for one in shown if not is_picture(one))
    return found


def _raise(error: OSError) -> None:
    raise FolderError(f"{error.filename} cannot be read: {error.strerror}.") from error
