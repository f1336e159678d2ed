"""Owns what arithmetic with constants makes of a pixel x: a line, `factor * x + shift`, that tells what x was."""

from dataclasses import dataclass
from typing import Any

import numpy as np

_RAW_FACTOR = 0.02  # 1/255 and 1/127.5 and everything as small speaks of raw pixel values
_RAW_CENTRE = 2  # what is taken off 0..1 pictures is below 1, off -1..1 pictures around 0


@dataclass(frozen=True, slots=True)
class Line:
    """What has become of a pixel x: `factor * x + shift`; of several channels the farthest from no change."""

    factor: float = 1.0
    shift: float = 0.0

    @property
    def is_of_raw(self) -> bool:
        """Return whether only pixels of 0..255 would be treated so."""
        return abs(self.factor) < _RAW_FACTOR or -self.shift / self.factor > _RAW_CENTRE

    def then(self, factor: float, shift: float) -> "Line":
        """Return the line after another step of the same kind."""
        return Line(self.factor * factor, self.shift * factor + shift)


def arithmetic_step(kind: str, constant: Any, *, is_first: bool) -> tuple[float, float] | None:
    """Return (factor, shift) of an operation on a tensor and a constant, which may come first; None for any other.

    `kind` is what Keras 3 calls the operation, such as `Multiply`.
    """
    if kind in ("Add", "BiasAdd"):
        return farthest_step(1.0, constant)
    if kind == "Subtract":
        return farthest_step(-1.0, constant) if is_first else farthest_step(1.0, -constant)
    if kind == "Multiply":
        return farthest_step(constant, 0.0)
    if kind in ("Divide", "TrueDivide") and not is_first:
        with np.errstate(divide="ignore"):
            return farthest_step(1 / constant, 0.0)
    return None


def farthest_step(factors: Any, shifts: Any) -> tuple[float, float] | None:
    """Return the largest factor and shift of several channels; None where they make no line."""
    factor, shift = _farthest(factors), _farthest(shifts)
    return (factor, shift) if factor and np.isfinite([factor, shift]).all() else None


def _farthest(values: Any) -> float:
    flat = np.ravel(np.asarray(values, np.float64))
    return float(flat[np.abs(flat).argmax()]) if flat.size else 0.0
