"""Owns the forms that people keep class names in: lines of text, and the JSON of Keras, Hugging Face and ImageNet.

All of them give one label per class in class order; what leaves the order open is refused. No file is opened here:
texts of errors lack their subject, the file's name, which the reader puts before them.
"""

import json
import re
from collections.abc import Mapping
from typing import Any

from service.errors import SidecarError

_NUMBERED_LINE = re.compile(r"(0|[1-9][0-9]{0,8}):?\s+(\S.*)")
_INDEX = re.compile(r"0|[1-9][0-9]{0,8}")
ID2LABEL = "id2label"
_NO_FORM = (
    'must hold a list of labels in class order, {"cat": 0, "dog": 1}, {"0": "cat", "1": "dog"}, '
    '{"0": ["n01440764", "tench"]} or {"id2label": {"0": "cat"}}.'
)


def labels_of_lines(text: str) -> list[str]:
    """Return one label per line; empty lines do not count.

    Where each line begins with its own index, as Teachable Machine writes (`0 cardboard`), the indices are taken off;
    labels that are numbers themselves stay as they are. Raises SidecarError where such indices are not 0, 1, 2, ….
    """
    # NOTE: not str.splitlines: a form feed or U+2028 within a label would shift all labels after it.
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    numbered = [found.groups() for found in map(_NUMBERED_LINE.fullmatch, lines) if found]
    labels = [label for _, label in numbered]
    if len(numbered) < len(lines) or not _are_indices([int(number) for number, _ in numbered], labels):
        return lines
    for index, (number, _) in enumerate(numbered):
        if int(number) != index:
            raise SidecarError(
                f"begins label {index + 1} with the index {number}, where {index} was expected: "
                "number the lines 0, 1, 2, … in class order, or leave the numbers out."
            )
    return labels


def _are_indices(numbers: list[int], labels: list[str]) -> bool:
    """Tell the indices of lines (`0 cat`, `1 dog`) from a part of their labels (`3 doors`; `0 eggs`, `6 eggs`).

    Counted from 1, they stay in the labels: whether 1 is the first class or the second cannot be known.
    """
    return 0 in numbers and len(set(labels)) == len(labels)


def labels_of_json(text: str) -> list[str]:
    """Return the labels of a JSON text in class order.

    Takes a list, the `class_indices` of a Keras generator, its inverse, the index of ImageNet, and a configuration of
    Hugging Face with `id2label`. Raises SidecarError where it is no JSON, in none of these forms, or where the indices
    are not 0 to n - 1, each once.
    """
    try:
        data = json.loads(text, object_pairs_hook=_without_repeated_keys)
    except (ValueError, RecursionError) as error:
        raise SidecarError("is no JSON.") from error
    return _texts(data) if isinstance(data, list) else _in_class_order(_indexed(data))


def _without_repeated_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise SidecarError(f"holds the key {key!r} twice; give each class once.")
        found[key] = value
    return found


def _texts(labels: list[Any]) -> list[str]:
    if all(map(_is_label, labels)):
        return [str(label) for label in labels]
    raise SidecarError(_NO_FORM)


def _is_label(value: Any) -> bool:
    return type(value) in (str, int, float)


def _indexed(data: Any) -> list[tuple[int, str]]:
    """Return the pairs of index and label that a JSON object holds, in its own order."""
    if isinstance(data, Mapping):
        if isinstance(data.get(ID2LABEL), Mapping):
            return _by_index(data[ID2LABEL])
        # NOTE: before the form by index: folders named 0 to 10 give {"0": 0, "1": 1, "10": 2, "2": 3, …}.
        if all(type(value) is int for value in data.values()):
            return [(index, name) for name, index in data.items()]
        return _by_index(data)
    raise SidecarError(_NO_FORM)


def _by_index(data: Mapping[str, Any]) -> list[tuple[int, str]]:
    labels = [_of_imagenet(value) for value in data.values()]
    if all(map(_INDEX.fullmatch, data)) and all(map(_is_label, labels)):
        return [(int(key), str(label)) for key, label in zip(data, labels, strict=True)]
    raise SidecarError(_NO_FORM)


def _of_imagenet(value: Any) -> Any:
    """Return `tench` of ["n01440764", "tench"], and anything else as it is."""
    is_pair = isinstance(value, list) and len(value) == 2 and all(isinstance(one, str) for one in value)
    return value[1] if is_pair else value


def _in_class_order(indexed: list[tuple[int, str]]) -> list[str]:
    labels: dict[int, str] = {}
    for index, label in indexed:
        if index in labels:
            raise SidecarError(
                f"gives {labels[index]!r} and {label!r} the same index {index}; give each class its own."
            )
        labels[index] = label
    missing = [index for index in range(len(labels)) if index not in labels]
    if missing:
        raise SidecarError(
            f"gives no label the index {missing[0]}; its {len(labels)} labels must have the indices "
            f"0 to {len(labels) - 1}, each once."
        )
    return [labels[index] for index in range(len(labels))]
