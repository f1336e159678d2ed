"""Owns making arrays of JSON values, each of an input's dtype: floats take whole numbers, integers take no 1.0."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.numbers import MAX_AXES, flattened
from service.api.tfserving.wording import shown, type_error
from service.errors import MisfitError

_WHOLE = {
    "int64": (-(2**63), 2**63 - 1),
    "uint32": (0, 2**32 - 1),
    "uint64": (0, 2**64 - 1),
}
_INT32 = (-(2**31), 2**31 - 1)
"""What TensorFlow Serving lets through for int32 and everything shorter; the model's own dtype is checked later."""


@dataclass(frozen=True, slots=True)
class _Kind:
    """What a JSON value must be for an input of `dtype`, and the dtype that holds all of that exactly."""

    dtype: str
    types: frozenset[type]
    carrier: str
    limits: tuple[int, int] | None = None

    def is_met_by(self, value: Any) -> bool:
        low, high = self.limits or (value, value)
        return type(value) in self.types and (self.limits is None or low <= value <= high)

    def is_met_by_all(self, values: list[Any]) -> bool:
        if not set(map(type, values)) <= self.types:
            return False
        return self.limits is None or not values or (self.is_met_by(min(values)) and self.is_met_by(max(values)))


def _kind(dtype: str) -> _Kind:
    if dtype == "bool":
        return _Kind(dtype, frozenset({bool}), "bool")
    if dtype.startswith(("int", "uint")):
        return _Kind(dtype, frozenset({int}), "uint64" if dtype == "uint64" else "int64", _WHOLE.get(dtype, _INT32))
    return _Kind(dtype, frozenset({int, float}), "float64")


def dense_array(value: Any, dtype: str) -> NDArray[Any]:
    """Return a JSON value, a number or nested lists, as an array that an input of `dtype` can take.

    Raises MisfitError in TensorFlow Serving's words for the first value that is of another type or at another level.
    """
    kind = _kind(dtype)
    array = _at_once(value, kind)
    if array is None:
        _check(value, _dense_shape(value), 0, kind)
        raise MisfitError("The numbers are larger than the model's can be.")
    return array


def _at_once(value: Any, kind: _Kind) -> NDArray[Any] | None:
    """Return the array at the speed of C, or None where something is wrong with it."""
    try:
        shape, flat, types = flattened(value) if isinstance(value, list) else ([], [value], {type(value)})
        array = np.array(flat, kind.carrier).reshape(shape) if types <= kind.types else None
    except (MisfitError, OverflowError):
        return None
    return None if array is None or _is_beyond(array, kind.limits) else array


def _is_beyond(array: NDArray[Any], limits: tuple[int, int] | None) -> bool:
    if limits is None or not array.size:
        return False
    return int(array.min()) < limits[0] or int(array.max()) > limits[1]


def _dense_shape(value: Any) -> list[int]:
    """Return the shape that the first value of each list tells of."""
    shape: list[int] = []
    while isinstance(value, list):
        shape.append(len(value))
        if len(shape) > MAX_AXES:
            raise MisfitError(f"Encountered list at unexpected level: {MAX_AXES} expected < {MAX_AXES}")
        if not value:
            break
        value = value[0]
    return shape


def _check(value: Any, shape: Sequence[int], level: int, kind: _Kind) -> None:
    """Raise MisfitError for the first value that is not where, or not of the type, it should be."""
    if not isinstance(value, list):
        _check_value(value, len(shape), level, kind)
        return
    if level >= len(shape):
        raise MisfitError(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise MisfitError(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    if level == len(shape) - 1 and kind.is_met_by_all(value):
        return
    for one in value:
        _check(one, shape, level + 1, kind)


def _check_value(value: Any, rank: int, level: int, kind: _Kind) -> None:
    if level != rank:
        raise MisfitError(
            f"JSON Value: {shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
            f"Expected at level: {rank}"
        )
    if not kind.is_met_by(value):
        raise type_error(value, kind.dtype)
