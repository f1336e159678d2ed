"""Owns the label files that lie beside a model without being named anywhere: where they may lie, and which one wins.

A nearer file wins over a farther one. Files that lie equally near must agree: none of them is better than the other.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from pathlib import Path

from service.errors import SidecarError
from service.repository.label_forms import ID2LABEL, labels_of_json, labels_of_lines
from service.repository.saved import stem_of
from service.repository.sources import Source

MAX_SIDECAR_BYTES = 4 * 2**20
HUGGING_FACE_CONFIG = "config.json"
LABEL_FILES = (
    "labels.txt",
    "class_names.txt",
    "classes.txt",
    "labels.json",
    "class_names.json",
    "classes.json",
    "class_indices.json",
    "imagenet_class_index.json",
    HUGGING_FACE_CONFIG,
)
_SEPARATORS = (".", "_", "-")


@dataclass(frozen=True, slots=True)
class LabelFile:
    """The name of a label file and the labels in it, one per class in class order."""

    name: str
    labels: tuple[str, ...]


def find_labels(source: Source) -> LabelFile | None:
    """Return the labels that lie beside a source: of the nearest files that there are, or None.

    Nearest is a file named after the saved one (`flowers.labels.txt` beside `flowers.keras`), then the model's own
    folders. Raises SidecarError where a file cannot be used, or where two that lie equally near disagree.
    """
    places = [
        (source.path.parent, _named_after(source)),
        *((folder, LABEL_FILES) for folder in reversed(source.folders)),
    ]
    for folder, names in places:
        found = [read_labels(path) for path in _label_files(folder, names)]
        if found:
            return _agreed(found)
    return None


def read_labels(path: Path) -> LabelFile:
    """Read one label file in whatever form it is; raises SidecarError with what is wrong in it."""
    text = read_text(path)
    try:
        labels = labels_of_json(text) if path.suffix.lower() == ".json" else labels_of_lines(text)
    except SidecarError as error:
        raise SidecarError(f"{path.name} {error.message}") from error
    if not labels:
        raise SidecarError(f"{path.name} holds no labels; give one per class, or remove it.")
    return LabelFile(path.name, tuple(labels))


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


def _named_after(source: Source) -> list[str]:
    stem = source.path.name if source.saved.is_program else stem_of(source.path)
    return [f"{stem}{separator}{name}" for separator, name in product(_SEPARATORS, LABEL_FILES)]


def _label_files(folder: Path, names: Iterable[str]) -> list[Path]:
    # One listing: asking for each name would be some forty questions at each look, slow on a network drive.
    try:
        with os.scandir(folder) as entries:
            there = {entry.name for entry in entries}
    except OSError:
        return []  # a model has more places than folders: `flowers/` need not be there beside `flowers.keras`
    paths = [folder / name for name in names if name in there]
    return [path for path in paths if path.is_file() and not _is_of_another_tool(path)]


def _is_of_another_tool(path: Path) -> bool:
    """Return whether this is a `config.json`, a name that many tools use, without the labels of Hugging Face's."""
    if not path.name.endswith(HUGGING_FACE_CONFIG):
        return False
    try:
        with path.open("rb") as file:
            return f'"{ID2LABEL}"'.encode() not in file.read(MAX_SIDECAR_BYTES)
    except OSError:
        return True


def _agreed(found: list[LabelFile]) -> LabelFile:
    """Return the first of several files that say the same; raises SidecarError where they do not."""
    first = found[0]
    for other in found[1:]:
        if other.labels != first.labels:
            raise SidecarError(
                f"{first.name} and {other.name} disagree: {_difference(first.labels, other.labels)}. "
                f'Remove one of them, or name the right one in model.toml: labels = "{first.name}".'
            )
    return first


def _difference(some: tuple[str, ...], others: tuple[str, ...]) -> str:
    if len(some) != len(others):
        return f"one gives {len(some)} labels, the other {len(others)}"
    index, one, other = next(
        (index, *pair) for index, pair in enumerate(zip(some, others, strict=True)) if len(set(pair)) > 1
    )
    return f"one calls class {index} {one!r}, the other {other!r}"
