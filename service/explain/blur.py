"""Owns blurring a plane: what a hidden part of a picture is painted over with, so that no edge is painted in."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_ROUNDS = 3
_PART = 6
"""The blur reaches over this part of the longer side: nothing that could tell a class is left."""


def blurred(planes: NDArray[Any]) -> NDArray[np.float64]:
    """Return planes (height, width, channels) with each number the mean of those around it, taken three times.

    Three boxes come near a Gaussian; at the border the outermost numbers are repeated.
    """
    reach = max(1, max(planes.shape[:2]) // (2 * _PART))
    found = planes.astype(np.float64)
    for _ in range(_ROUNDS):
        for axis in (0, 1):
            found = _box(found, axis, reach)
    return found


def _box(planes: NDArray[np.float64], axis: int, reach: int) -> NDArray[np.float64]:
    if planes.shape[axis] == 1:
        return planes
    around = [(reach + 1, reach) if one == axis else (0, 0) for one in range(planes.ndim)]
    sums = np.cumsum(np.pad(planes, around, mode="edge"), axis=axis)
    width = 2 * reach + 1
    upper = np.take(sums, range(width, sums.shape[axis]), axis)
    lower = np.take(sums, range(sums.shape[axis] - width), axis)
    return (upper - lower) / width
