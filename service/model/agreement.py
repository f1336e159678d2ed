"""Owns when two sets of numbers from the same model count as equal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

RELATIVE = 1e-3
"""Allowed difference as a share of each value."""
OF_LARGEST = 1e-4
"""Allowed difference as a share of the largest value of the same example: sums of large terms cancel."""
ABSOLUTE = 1e-5
"""Allowed difference where everything is near zero."""


@dataclass(frozen=True, slots=True)
class Difference:
    """The largest absolute difference, and the largest one in units of what is allowed (1 and below passes)."""

    absolute: float
    of_allowed: float

    @property
    def is_allowed(self) -> bool:
        """Return whether the numbers count as equal."""
        return self.of_allowed <= 1

    def with_slack(self, times: float) -> "Difference":
        """Return the difference where so many times the usual one is allowed."""
        return Difference(self.absolute, self.of_allowed / times)

    def worse(self, other: "Difference") -> "Difference":
        """Return the larger of both, figure by figure."""
        return Difference(max(self.absolute, other.absolute), max(self.of_allowed, other.of_allowed))


NOT_ALLOWED = Difference(float("inf"), float("inf"))


def largest_difference(found: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> Difference:
    """Compare arrays by name, batch axis first; other names, shapes or places of NaN are infinitely far apart."""
    if set(found) != set(expected):
        return NOT_ALLOWED
    worst = Difference(0.0, 0.0)
    for name, array in expected.items():
        worst = worst.worse(_difference(found[name], array))
    return worst


def _difference(found: NDArray[Any], expected: NDArray[Any]) -> Difference:
    if found.shape != expected.shape:
        return NOT_ALLOWED
    left, right = found.astype(np.float64), expected.astype(np.float64)
    finite = np.isfinite(right)
    if not np.array_equal(np.where(finite, 0, right), np.where(np.isfinite(left), 0, left), equal_nan=True):
        return NOT_ALLOWED
    distance = np.where(finite, np.abs(np.where(finite, left - np.where(finite, right, 0), 0)), 0)
    if distance.size == 0:
        return Difference(0.0, 0.0)
    magnitude = np.abs(np.where(finite, right, 0))
    largest = magnitude.reshape(len(magnitude), -1).max(axis=1).reshape(-1, *(1,) * (magnitude.ndim - 1))
    allowed = ABSOLUTE + RELATIVE * magnitude + OF_LARGEST * largest
    return Difference(float(distance.max()), float((distance / allowed).max()))
