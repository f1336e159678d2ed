"""An `.npy` body is read as it is, or refused before anything is allocated."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import MalformedBodyError
from service.image.npy import is_npy, read_npy
from tests.pictures import npy


def written(header: str, data: bytes = b"", version: int = 1) -> bytes:
    length = struct.pack("<H" if version == 1 else "<I", len(header))
    return b"\x93NUMPY" + bytes([version, 0]) + length + header.encode("utf-8") + data


def described(descr: str = "'<f4'", shape: str = "(1,)", order: str = "False") -> str:
    return f"{{'descr': {descr}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


ARRAYS = [
    np.arange(6, dtype=dtype).reshape(2, 3) for dtype in ("<f4", ">f4", "<f8", "<f2", "u1", "i1", "<i8", ">u2")
] + [np.array([True, False]), np.float32(3.5).reshape(()), np.zeros((0, 28, 28)), np.arange(24.0).reshape(2, 3, 4).T]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{list(array.shape)}")
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_what_numpy_writes_is_read(array: NDArray[Any], version: tuple[int, int]) -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=version, allow_pickle=False)

    found = read_npy(buffer.getvalue())

    assert is_npy(buffer.getvalue())
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert np.array_equal(found, array)


def test_the_bytes_are_viewed_and_not_copied() -> None:
    data = npy(np.zeros((1000, 28, 28), np.float32))

    found = read_npy(data)

    assert not found.flags.owndata
    assert np.shares_memory(found, np.frombuffer(data, np.uint8))


@pytest.mark.parametrize(
    "header",
    [
        "{'descr':'<f4','fortran_order':False,'shape':(1,)}",
        "{'shape': (1,), 'fortran_order': False, 'descr': '<f4'}\n",
        "{ 'fortran_order' : False , 'shape' : ( 1, ) , 'descr' : '<f4' , }   \n",
    ],
)
def test_what_other_programs_write_is_read(header: str) -> None:
    assert read_npy(written(header, struct.pack("<f", 1.5))).tolist() == [1.5]


@pytest.mark.parametrize("data", [b"", b"\x93NUMP", b"PK\x03\x04", b"\x89PNG"])
def test_other_bytes_are_no_npy(data: bytes) -> None:
    assert not is_npy(data)


@pytest.mark.parametrize(
    "data",
    [
        b"\x93NUMPY",
        b"\x93NUMPY\x01\x00\xff\xff{",
        written(described(), b"1234", version=4),
        written(described(), b"123"),
        written(described(), b"12345"),
        written(described(shape="(1000000, 1000000)")),
        written(described(shape="(-1,)"), b"1234"),
        written(described(shape="(1.0,)"), b"1234"),
        written(described(shape="(True,)"), b"1234"),
        written(described(shape="[1]"), b"1234"),
        written(described(shape=f"({'9' * 5000},)")),
        written(described(shape="(0, 999999999999, 999999999999)")),
        written(described(shape="(1, 1, 1, 1, 1, 1, 1, 1, 1)"), b"1234"),
        written(described(shape="__import__('os')"), b"1234"),
        written(described(descr="'|O'"), b"1234"),
        written(described(descr="'<c8'"), b"12345678"),
        written(described(descr="'<U1'"), b"1234"),
        written(described(descr="'<M8[s]'"), b"12345678"),
        written(described(descr="'f4,(f4'"), b"1234"),
        written(described(descr="[('a', '<f4')]"), b"1234"),
        written(described(descr="'a'"), b"1"),
        written(described(order="1"), b"1234"),
        written("{}"),
        written("{[]: 1}"),
        written("[" * 5000 + "]" * 5000),
        written("-" * 9000 + "1"),
        written("'\\d'"),
        written(described()[:-4] + ", 'more': 1}", b"1234"),
        written("{'descr': '<f4', 'descr': '<f4', 'shape': (1,), }", b"1234"),
        written(" " * 20_000 + described(), b"1234"),
        written("\0" + described(), b"1234"),
    ],
)
def test_what_is_not_exactly_an_npy_of_numbers_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBodyError, match=r"\.npy"):
        read_npy(data)


@given(st.binary(max_size=200))
def test_random_bytes_are_refused(tail: bytes) -> None:
    with pytest.raises(MalformedBodyError):
        read_npy(b"\x93NUMPY" + tail)


@given(st.integers(0, 131), st.integers(0, 255))
def test_a_changed_byte_is_read_or_refused(place: int, value: int) -> None:
    data = bytearray(npy(np.array([1.5], np.float32)))
    data[place] = value

    try:
        found = read_npy(bytes(data))
    except MalformedBodyError:
        return

    assert found.nbytes == 4
