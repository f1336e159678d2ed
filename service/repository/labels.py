"""Owns the label files that lie beside a model without being named anywhere: where they may lie, and which one wins.

A nearer file wins over a farther one. Files that lie equally near must agree: none of them is better than the other.
"""

from dataclasses import dataclass
from pathlib import Path

from service.errors import SidecarError
from service.repository.beside import MAX_SIDECAR_BYTES, files_beside, read_text
from service.repository.label_forms import ID2LABEL, labels_of_json, labels_of_lines
from service.repository.sources import Source

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
    for paths in files_beside(source, LABEL_FILES):
        found = [read_labels(path) for path in paths if not _is_of_another_tool(path)]
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
