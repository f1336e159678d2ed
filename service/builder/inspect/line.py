"""Owns what arithmetic with constants makes of a pixel x: a line, `factor * x + shift`, that tells what x was."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.model.recipe import NamedScale

_RAW_FACTOR = 0.02  # 1/255 and 1/127.5 and everything as small speaks of raw pixel values
_RAW_CENTRE = 2  # what is taken off 0..1 pictures is below 1, off -1..1 pictures around 0
_UNIT_CENTRES = (0.2, 0.8)  # the mean of natural pictures in 0..1 lies well within
_LARGEST_UNIT_FACTOR = 20  # 1 / the smallest deviation of pictures in 0..1
_RANGES = ((0.0, 1.0), (-1.0, 1.0), (0.0, 255.0))
_TOLD_BY_ENDS: dict[tuple[float, float], NamedScale] = {(0.0, 1.0): "0..1", (-1.0, 1.0): "-1..1"}
_SAME = 0.02


@dataclass(frozen=True, slots=True)
class Line:
    """What has become of a pixel x: `factor * x + shift`; of several channels the farthest from no change."""

    factor: float = 1.0
    shift: float = 0.0

    @property
    def is_of_raw(self) -> bool:
        """Return whether only pixels of 0..255 would be treated so."""
        return abs(self.factor) < _RAW_FACTOR or -self.shift / self.factor > _RAW_CENTRE

    @property
    def taken(self) -> NamedScale | None:
        """Return the range of pixels that this whole line is made for; None where it does not tell, as no change."""
        if self.is_of_raw:
            return "0..255"
        if np.allclose((self.factor, self.shift), (1.0, 0.0)) or self.factor <= 0:
            return None
        by_ends = (_TOLD_BY_ENDS[ends] for ends in _TOLD_BY_ENDS if any(map(self._makes_of(ends), _RANGES)))
        return next(by_ends, "0..1" if self._is_centred_in_unit() else None)

    def _makes_of(self, ends: tuple[float, float]) -> Callable[[tuple[float, float]], bool]:
        made = [self.factor * end + self.shift for end in ends]
        return lambda wanted: bool(np.allclose(made, wanted, atol=_SAME * (wanted[1] - wanted[0])))

    def _is_centred_in_unit(self) -> bool:
        """Return whether it takes the mean off pictures in 0..1, and perhaps divides by their deviation."""
        low, high = _UNIT_CENTRES
        return 1 <= self.factor <= _LARGEST_UNIT_FACTOR and low <= -self.shift / self.factor <= high

    def then(self, factor: float, shift: float) -> "Line":
        """Return the line after another step of the same kind."""
        return Line(self.factor * factor, self.shift * factor + shift)


def taken_by(ways: Iterable[NamedScale | None]) -> NamedScale | None:
    """Return what an input takes by what each way from it is made for: raw pixels where one is, else what all told.

    None where no way tells, or where they differ.
    """
    told = {scale for scale in ways if scale is not None}
    if "0..255" in told:
        return "0..255"
    return told.pop() if len(told) == 1 else None


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
