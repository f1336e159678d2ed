"""Owns printing answers as TensorFlow Serving does, spaces and line ends included.

Floats keep a point and their shortest form; what is not finite is NaN, Infinity or -Infinity.

NOTE: TensorFlow Serving prints a float32 with six digits, or nine where six do not lead back to it. The shortest form
reads back as the same float32.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

_INDENT = b"    "
_SPREAD = 20_000
"""Numbers up to which each has a line of its own in column format; taking more of them apart costs time and memory."""


def predictions(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the answer in row format: outputs (N, *item) by name as N values, or N objects where there are several."""
    if len(outputs) == 1:
        return _listed(b"predictions", _values(next(iter(outputs.values())))[1:-1])
    rows = zip(*(map(_values, output) for output in outputs.values()), strict=True)
    objects = [_object(list(outputs), row, level=2) for row in rows]
    return _listed(b"predictions", b"\n" + _INDENT * 2 + (b",\n" + _INDENT * 2).join(objects))


def outputs_by_name(outputs: Mapping[str, NDArray[Any]]) -> bytes:
    """Return the answer in column format: one tensor, or an object of them where there are several."""
    level = 1 if len(outputs) == 1 else 2
    tensors = [_spread(output, level) for output in outputs.values()]
    value = tensors[0] if len(tensors) == 1 else _object(list(outputs), tensors, level=1)
    return _object(["outputs"], [value], level=0)


def classifications(labels: Sequence[str], values: NDArray[np.float32]) -> bytes:
    """Return the answer of `:classify`: for each of N rows, pairs of label and value in class order."""
    quoted = [_text(label) for label in labels]
    return _listed(b"results", b", ".join(_pairs(quoted, row) for row in values))


def regressions(values: NDArray[np.float32]) -> bytes:
    """Return the answer of `:regress`: one value for each of N examples, shape (N,)."""
    return _object(["results"], [_values(values)], level=0)


def _pairs(labels: Sequence[bytes], row: NDArray[np.float32]) -> bytes:
    pairs = zip(labels, _tokens(row), strict=True)
    return b"[" + b", ".join(b"[%b, %b]" % pair for pair in pairs) + b"]"


def _listed(key: bytes, items: bytes) -> bytes:
    return b'{\n    "%b": [%b\n    ]\n}' % (key, items)


def _object(keys: Sequence[str], values: Sequence[bytes], *, level: int) -> bytes:
    pad = b"\n" + _INDENT * (level + 1)
    members = (pad + _text(key) + b": " + value for key, value in zip(keys, values, strict=True))
    return b"{" + b",".join(members) + b"\n" + _INDENT * level + b"}"


def _values(array: NDArray[Any]) -> bytes:
    """Return a number, or nested ones on one line."""
    return _compact(array).replace(b",", b", ") if array.ndim else _tokens(array)[0]


def _spread(array: NDArray[Any], level: int) -> bytes:
    """Return nested numbers, each on a line of its own, `level` steps in; on one line where they are many."""
    if array.size > _SPREAD:
        return _values(array)
    parts = _tokens(array)
    for axis in reversed(range(array.ndim)):
        size = array.shape[axis]
        pad = b"\n" + _INDENT * (level + axis + 1)
        end = b"\n" + _INDENT * (level + axis) + b"]"
        rows = (parts[start : start + size] for start in range(0, len(parts), size))
        parts = [b"[" + pad + (b"," + pad).join(row) + end for row in rows]
    return parts[0]


def _tokens(array: NDArray[Any]) -> list[bytes]:
    return _compact(array.reshape(-1))[1:-1].split(b",")


def _compact(array: NDArray[Any]) -> bytes:
    packed = orjson.dumps(np.ascontiguousarray(array), option=orjson.OPT_SERIALIZE_NUMPY)
    if array.dtype.kind != "f" or np.isfinite(array).all():
        return packed
    return _with_tokens(packed, array[~np.isfinite(array)])


def _with_tokens(packed: bytes, values: NDArray[Any]) -> bytes:
    """Return JSON whose nulls, one for each of `values`, are written as RapidJSON's tokens."""
    pieces = packed.split(b"null")
    tokens = [_TOKENS[str(value)] for value in values]
    return b"".join(piece + token for piece, token in zip(pieces, [*tokens, b""], strict=True))


_TOKENS = {"nan": b"NaN", "inf": b"Infinity", "-inf": b"-Infinity"}


def _text(value: str) -> bytes:
    return orjson.dumps(value.encode("utf-8", "backslashreplace").decode())
