"""Owns reading `.npy` bodies: no pickles, no copy, nothing believed that the bytes do not bear out.

Format: numpy.lib.format, versions 1.0 to 3.0.
"""

import math
import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MalformedBodyError

MAGIC = b"\x93NUMPY"
MAX_HEADER = 10_000
MAX_AXES = 8

# NOTE: NumPy evaluates the header as Python; what it and others write is always this much of it, in some order.
_HEADER = re.compile(
    r"\{\s*(?:(?:'descr'\s*:\s*'(?P<descr>[^']*)'"
    r"|'fortran_order'\s*:\s*(?P<fortran>True|False)"
    r"|'shape'\s*:\s*\((?P<shape>[\d\s,]*)\))\s*(?:,\s*|(?=\}))){3}\}\s*"
)
_DESCR = re.compile(r"[<>=|]?(?:\?|b1|[iu][1248]|f[248])")
_AXES = re.compile(r"\s*(?:\d{1,12}\s*,\s*)*(?:\d{1,12}\s*)?")


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
    try:
        return flat.reshape(shape[::-1]).T if header["fortran"] == "True" else flat.reshape(shape)
    except ValueError as error:  # nothing in it, and yet more than NumPy can count
        raise MalformedBodyError(f"The .npy declares {list(shape)}, which is no array.") from error


def _header(data: bytes) -> tuple[dict[str, str], int]:
    width = 2 if data[6:7] == b"\x01" else 4
    start = 8 + width
    length = int.from_bytes(data[8:start], "little")
    text = data[start : start + length]
    if data[6:7] not in (b"\x01", b"\x02", b"\x03") or length > MAX_HEADER or len(text) < length:
        raise MalformedBodyError("The .npy header is damaged or cut short.")
    header = _HEADER.fullmatch(text.decode("latin-1"))
    if header is None or None in header.groups():
        raise MalformedBodyError(
            "The .npy header does not have exactly descr, fortran_order and shape, as numpy.save writes them for an "
            "array of booleans, integers or floating-point numbers."
        )
    return header.groupdict(), start + length


def _shape(text: str) -> tuple[int, ...]:
    axes = tuple(int(axis) for axis in text.replace(",", " ").split()) if _AXES.fullmatch(text) else None
    if axes is None or len(axes) > MAX_AXES:
        raise MalformedBodyError(f"The .npy header's shape is not a tuple of up to {MAX_AXES} sizes.")
    return axes


def _dtype(descr: str) -> np.dtype[Any]:
    if not _DESCR.fullmatch(descr):
        raise MalformedBodyError("The .npy must hold booleans, integers or floating-point numbers.")
    return np.dtype(descr)
