"""Owns the protocol's datatypes: their names, NumPy's dtypes, and how their bytes lie in a binary body."""

import struct
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from service.errors import MalformedBodyError

BYTES = "BYTES"
BF16 = "BF16"
_DTYPES: Mapping[str, str] = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "FP32": "float32",
    "FP64": "float64",
}
_NAMES = {dtype: name for name, dtype in _DTYPES.items()}
ACCEPTED = (*_DTYPES, BF16, BYTES)
ONLY_BINARY = ("FP16", BF16)
_LENGTH = struct.Struct("<I")


def datatype_of(dtype: str) -> str:
    """Return the protocol's name of a NumPy dtype: FP32 for float32; BYTES for what it has no name for."""
    return _NAMES.get(dtype, BYTES)


def dtype_of(datatype: str) -> str:
    """Return the NumPy dtype of a numeric datatype other than BF16."""
    return _DTYPES[datatype]


def from_bytes(data: memoryview, datatype: str, count: int) -> NDArray[np.generic]:
    """Return `count` numbers of a numeric datatype from little-endian bytes; BF16 becomes float32.

    Raises MalformedBodyError where there are more or fewer bytes than that.
    """
    width = 2 if datatype == BF16 else np.dtype(dtype_of(datatype)).itemsize
    if len(data) != count * width:
        raise MalformedBodyError(f"{count * width} bytes of {datatype} were expected and {len(data)} came.")
    if datatype == BF16:
        return (np.frombuffer(data, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(data, np.dtype(dtype_of(datatype)).newbyteorder("<"))


def elements(data: memoryview, count: int) -> list[bytes]:
    """Return the `count` elements of a BYTES tensor: each its length, 32 bits little-endian, and its bytes.

    Raises MalformedBodyError where the lengths do not add up.
    """
    found: list[bytes] = []
    position = 0
    while position < len(data) and len(found) < count:
        end = position + _LENGTH.size
        if end > len(data):
            break
        (length,) = _LENGTH.unpack_from(data, position)
        position = end + length
        found.append(bytes(data[end:position]))
    if position != len(data) or len(found) != count:
        raise MalformedBodyError(f"The BYTES tensor does not hold {count} elements with their lengths before them.")
    return found


def to_bytes(array: NDArray[np.generic]) -> bytes:
    """Return numbers as little-endian bytes in row-major order."""
    return np.ascontiguousarray(array, array.dtype.newbyteorder("<")).tobytes()


def elements_to_bytes(values: list[str]) -> bytes:
    """Return texts as the bytes of a BYTES tensor."""
    encoded = [value.encode() for value in values]
    return b"".join(_LENGTH.pack(len(one)) + one for one in encoded)
