"""Looks through an HDF5 file without following anything out of it and without reading a weight."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import h5py
import numpy as np

from service.builder.scan.report import ScanLimits
from service.builder.scan.window import Window
from service.builder.scan.wording import shown, sized
from service.errors import BrokenModelError, ModelError, UnsafeModelError, UnsupportedModelError

# What h5py raises on a file that is cut off or lies about itself.
_FAILURES = (OSError, RuntimeError, LookupError, ValueError, TypeError, OverflowError, AttributeError)
# Built in: deflate, shuffle, fletcher32, szip, n-bit, scale-offset, lzf. Others are plugins loaded from disk.
_FILTERS = frozenset((1, 2, 3, 4, 5, 6, 32000))
_AGAIN = "Save the model again with `model.save(...)`."


@dataclass(slots=True)
class _Tally:
    """What has been seen so far."""

    objects: int = 0
    declared: int = 0
    stored: int = 0


@contextmanager
def opened_hdf5(window: Window) -> Iterator[h5py.File]:
    """Open HDF5 for reading; whatever HDF5 trips over inside the block is a damaged file.

    Raises:
        BrokenModelError: the file is truncated or damaged.
    """
    try:
        with h5py.File(window, "r") as file:
            yield file
    except _FAILURES as error:
        raise BrokenModelError(
            "The weights (HDF5) are cut off or damaged: most likely the file was not copied to its end."
            " Copy it again and compare its size with the original's."
        ) from error


def read_text(file: h5py.File, name: str, *, limits: ScanLimits) -> str | None:
    """Return an attribute of the file that holds text, or None where there is none.

    Raises:
        UnsafeModelError: it declares more than the limit.
        BrokenModelError: it is no text.
    """
    if name not in file.attrs:
        return None
    _check_attribute(file, name, limits)
    value = file.attrs[name]
    if isinstance(value, bytes):
        return value.decode()
    if not isinstance(value, str):
        raise BrokenModelError(f"The attribute {shown(name)} of the file is no text. {_AGAIN}")
    return value


def check_hdf5(file: h5py.File, *, size: int, limits: ScanLimits) -> None:
    """Refuse links out of the file, data kept elsewhere, and shapes far beyond what is stored.

    Every group, dataset and attribute is looked at, of the optimizer too; no weight is read. `size` is that
    of the file in bytes.

    Raises:
        UnsafeModelError: with the name of the object.
        UnsupportedModelError: data in a form Keras never writes.
    """
    tally = _Tally()
    pending: list[h5py.Group] = [file["/"]]
    seen = {_identity(pending[0])}
    while pending:
        group = pending.pop()
        _check_attributes(group, tally, limits)
        for name in group:
            item = _linked(group, name)
            if _identity(item) in seen:
                raise UnsafeModelError(f"{_at(item)} occurs twice in the file, which can make a loop. {_AGAIN}")
            seen.add(_identity(item))
            if isinstance(item, h5py.Group):
                pending.append(item)
            else:
                _check_dataset(item, tally, size, limits)
                _check_attributes(item, tally, limits)
    _check_total(tally, size, limits)


def _linked(group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset:
    """Return what a plain link points at: nothing outside the file is opened."""
    where = shown(f"{group.name}/{name}".lstrip("/"))
    if name in (".", "..") or "\0" in name:
        raise UnsafeModelError(f"The weights have an object named {where}, a path to somewhere else. {_AGAIN}")
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise UnsafeModelError(
            f"The weights hold a link {where} to another place or another file, which would be read in its"
            f" stead. {_AGAIN}"
        )
    item = group[name]
    if not isinstance(item, h5py.Group | h5py.Dataset):
        raise UnsupportedModelError(f"The weights hold {where}, which is neither group nor array. {_AGAIN}")
    return item


def _check_dataset(data: h5py.Dataset, tally: _Tally, size: int, limits: ScanLimits) -> None:
    if data.external or data.is_virtual:
        raise UnsafeModelError(
            f"{_at(data)} keeps its numbers in another file, which would be read from the server's disk. {_AGAIN}"
        )
    _check_type(data)
    declared = _declared(data)
    stored = data.id.get_storage_size()
    tally.declared += declared
    tally.stored += stored
    if is_bomb(declared, stored, limits):
        raise UnsafeModelError(
            f"{_at(data)} declares {sized(declared)} and stores {sized(stored)}: reading it would fill the"
            f" memory with nothing. {_AGAIN}"
        )
    if (data.id.get_offset() or 0) + (stored if data.chunks is None else 0) > size:
        raise BrokenModelError(f"{_at(data)} lies past the end of the file: copy the file again.")


def _declared(data: h5py.Dataset) -> int:
    """Bytes needed to read it: all of it, or one chunk where that is more."""
    shape = (0,) if data.shape is None else data.shape
    return max(math.prod(shape), math.prod(data.chunks or (0,))) * int(data.dtype.itemsize)


def _check_type(data: h5py.Dataset) -> None:
    """Numbers, and the raw 1- and 2-byte types Keras stores bfloat16 and float8 as."""
    kind, fields = data.dtype.kind, data.dtype.fields
    if kind not in "fiubcSV" or (kind == "V" and (fields or data.dtype.subdtype or data.dtype.itemsize > 2)):
        raise UnsafeModelError(f"{_at(data)} has the type {shown(str(data.dtype))}; weights are numbers. {_AGAIN}")
    settings = data.id.get_create_plist()
    for index in range(settings.get_nfilters()):
        code, _, _, title = settings.get_filter(index)
        if code not in _FILTERS:
            raise UnsupportedModelError(
                f"{_at(data)} is compressed with {shown(title.decode(errors='replace') or str(code))},"
                f" which needs a plugin. {_AGAIN}"
            )


def _check_attributes(item: h5py.Group | h5py.Dataset, tally: _Tally, limits: ScanLimits) -> None:
    tally.objects += 1 + len(item.attrs)
    if tally.objects > limits.max_objects:
        raise UnsafeModelError(
            f"The weights hold more than {limits.max_objects:,} objects; the largest Keras models have some"
            f" thousands. {_AGAIN}"
        )
    for name in item.attrs:
        _check_attribute(item, name, limits)


def _check_attribute(item: h5py.Group | h5py.Dataset, name: str, limits: ScanLimits) -> None:
    attribute = item.attrs.get_id(name)
    declared = math.prod(attribute.shape or (1,)) * attribute.dtype.itemsize
    if declared > limits.max_config_bytes:
        raise UnsafeModelError(f"The attribute {shown(name)} of {_at(item)} declares {sized(declared)}. {_AGAIN}")
    if not _is_plain(attribute.dtype):
        raise UnsafeModelError(f"The attribute {shown(name)} of {_at(item)} is neither text nor number. {_AGAIN}")


def _is_plain(dtype: np.dtype[np.generic]) -> bool:
    return dtype.kind in "fiubcSU" or h5py.check_string_dtype(dtype) is not None


def _check_total(tally: _Tally, size: int, limits: ScanLimits) -> None:
    problem: ModelError | None = None
    if tally.declared > limits.max_unpacked_bytes or is_bomb(tally.declared, size, limits):
        problem = UnsafeModelError(
            f"The weights declare {sized(tally.declared)} in a file of {sized(size)}; at most"
            f" {sized(limits.max_unpacked_bytes)} and {limits.max_expansion} times the file are read."
        )
    elif tally.stored > size:
        problem = UnsafeModelError(
            f"The weights claim {sized(tally.stored)} of a file of {sized(size)}: they overlap or are cut off. {_AGAIN}"
        )
    if problem is not None:
        raise problem


def is_bomb(declared: int, stored: int, limits: ScanLimits) -> bool:
    """Tell whether something large is stored as next to nothing. Sizes in bytes."""
    return declared > limits.expansion_floor and declared > limits.max_expansion * stored


def _identity(item: h5py.Group | h5py.Dataset) -> int:
    address: int = h5py.h5o.get_info(item.id).addr
    return address


def _at(item: h5py.Group | h5py.Dataset) -> str:
    return f"The weight {shown((item.name or '/').lstrip('/') or '/')}"
