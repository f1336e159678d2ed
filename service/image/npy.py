"""Owns reading `.npy` bodies: no pickles, no copy, nothing believed that the bytes do not bear out.

Format: numpy.lib.format, versions 1.0 to 3.0.
"""

import ast
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MalformedBodyError

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
MAX_AXES = 8
_KEYS = {"descr", "fortran_order", "shape"}


def is_npy(data: bytes) -> bool:
    """Return whether `data` begins like an `.npy` file."""
    return data.startswith(MAGIC)


def read_npy(data: bytes) -> NDArray[Any]:
    """Return the array of an `.npy` file as a read-only view of `data`; raises MalformedBodyError.

    Only booleans, integers and floating-point numbers; the declared shape must match the bytes exactly.
    """
    header, start = _header(data)
    shape, dtype = _shape(header["shape"]), _dtype(header["descr"])
    expected = math.prod(shape) * dtype.itemsize
    if len(data) - start != expected:
        raise MalformedBodyError(
            f"The .npy declares {list(shape)} of {dtype.name} ({expected:,} bytes), and holds {len(data) - start:,}."
        )
    flat = np.frombuffer(data, dtype, offset=start)
    return flat.reshape(shape[::-1]).T if header["fortran_order"] is True else flat.reshape(shape)


def _header(data: bytes) -> tuple[dict[str, Any], int]:
    width = 2 if data[6:7] == b"\x01" else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    text = data[start : start + length]
    if data[6:7] not in (b"\x01", b"\x02", b"\x03") or length > MAX_HEADER or len(text) < length:
        raise MalformedBodyError("The .npy header is damaged or cut short.")
    try:
        header = ast.literal_eval(text.decode("utf-8").strip())
    except (ValueError, SyntaxError, RecursionError, MemoryError) as error:
        raise MalformedBodyError("The .npy header cannot be read.") from error
    if not isinstance(header, dict) or set(header) != _KEYS:
        raise MalformedBodyError("The .npy header does not have exactly descr, fortran_order and shape.")
    return header, start + length


def _shape(shape: Any) -> tuple[int, ...]:
    is_shape = isinstance(shape, tuple) and len(shape) <= MAX_AXES
    if not is_shape or not all(type(axis) is int and 0 <= axis < 2**40 for axis in shape):
        raise MalformedBodyError(f"The .npy header's shape is not a tuple of up to {MAX_AXES} sizes.")
    return tuple(shape)


def _dtype(descr: Any) -> np.dtype[Any]:
    try:
        dtype = np.dtype(descr) if isinstance(descr, str) else None
    except (TypeError, ValueError) as error:
        raise MalformedBodyError("The .npy header's descr is no dtype.") from error
    if dtype is None or dtype.kind not in "biuf":
        raise MalformedBodyError("The .npy must hold booleans, integers or floating-point numbers.")
    return dtype
