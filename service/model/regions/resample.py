"""Owns which places of an axis a resized one looks at, by TensorFlow's formulas: half-pixel centres, in float32.

Sources: the kernels ResizeBilinear, ResizeBicubic, ResizeArea, ResizeNearestNeighbor and ScaleAndTranslate.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.regions.axis import Axis, Places, Taps, same

_RADIUS = {
    "bilinear": 1.0,
    "bicubic": 2.0,
    "lanczos3": 3.0,
    "lanczos5": 5.0,
    "gaussian": 1.5,
    "mitchellcubic": 2.0,
}
_CUBIC_STEPS = 1024  # ResizeBicubic looks its weights up for a fraction rounded to this


def resampled(taken: int, given: int, *, by: str, antialias: bool = False) -> Axis | None:
    """Return the axis resized from `taken` to `given` places; None for an interpolation that is not known."""
    if by not in _RADIUS and by not in ("nearest", "area"):
        return None
    if taken == given and by not in ("gaussian", "mitchellcubic"):
        return same(taken)
    scale = np.float32(taken) / np.float32(given)
    plain = {"nearest": _nearest, "bilinear": _bilinear, "bicubic": _bicubic, "area": _area}
    if by in plain and not (antialias and by in _RADIUS):
        return Axis(taken, given, plain[by](taken, scale))
    return Axis(taken, given, _filtered(scale, _RADIUS[by], antialias=antialias))


def _centres(places: Places, scale: np.float32) -> NDArray[np.float32]:
    return (places.astype(np.float32) + np.float32(0.5)) * scale


def _whole(numbers: NDArray[np.floating[Any]]) -> Places:
    return numbers.astype(np.int64)


def _nearest(taken: int, scale: np.float32) -> Taps:
    return lambda places: _whole(np.minimum(np.floor(_centres(places, scale)), taken - 1))


def _bilinear(taken: int, scale: np.float32) -> Taps:
    def taps(places: Places) -> Places:
        centres = _centres(places, scale) - np.float32(0.5)
        pair = np.stack([np.floor(centres), np.ceil(centres)])
        return _whole(np.clip(pair, 0, taken - 1))

    return taps


def _bicubic(_: int, scale: np.float32) -> Taps:
    def taps(places: Places) -> Places:
        centres = _centres(places, scale) - np.float32(0.5)
        lower = np.floor(centres)
        share = np.rint((centres - lower) * _CUBIC_STEPS)
        four = _whole(lower + np.arange(-1, 3)[:, np.newaxis])
        four[[0, 2, 3]] = np.where(share == 0, -1, four[[0, 2, 3]])
        four[[0, 1, 3]] = np.where(share == _CUBIC_STEPS, -1, four[[0, 1, 3]])
        return four

    return taps


def _area(taken: int, scale: np.float32) -> Taps:
    def taps(places: Places) -> Places:
        starts = places.astype(np.float32) * scale
        ends = (places + 1).astype(np.float32) * scale
        reach = np.arange(int(np.ceil(scale)) + 2)
        found = np.floor(starts)[:, np.newaxis] + reach
        return np.where(found < np.ceil(ends)[:, np.newaxis], np.minimum(found, taken - 1), -1).astype(np.int64)

    return taps


def _filtered(scale: np.float32, radius: float, *, antialias: bool) -> Taps:
    wide = np.float32(radius) * (max(scale, np.float32(1)) if antialias else np.float32(1))

    def taps(places: Places) -> Places:
        centres = _centres(places, scale)
        reach = np.arange(-int(np.ceil(wide)) - 1, int(np.ceil(wide)) + 2)
        found = np.floor(centres)[:, np.newaxis] + reach
        is_near = np.abs(found + np.float32(0.5) - centres[:, np.newaxis]) < wide
        return np.where(is_near, found, -1).astype(np.int64)

    return taps
