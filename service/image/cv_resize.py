"""Owns `cv2.resize` of 8-bit pictures in NumPy: OpenCV's fixed-point arithmetic, without its 150 MB.

Source: modules/imgproc/src/resize.cpp of OpenCV 4 and 5. Nearest, bilinear and area are exact; of bicubic and Lanczos
the last bit can differ (docs/preprocessing.md has the table).
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.recipe import Resize

Pixels = NDArray[np.uint8]
"""(height, width, channels), 8 bits."""

_Find = Callable[[int, int], tuple[NDArray[np.intp], NDArray[np.float32]]]
_Weigh = Callable[[NDArray[np.float32]], NDArray[np.float32]]
_COEFFICIENT = np.float32(2048)
_CUBIC = np.float32(-0.75)
_LANCZOS_TAPS = 8


def resize(pixels: Pixels, size: tuple[int, int], *, method: Resize) -> Pixels:
    """Return `pixels` (height, width, channels; uint8) at `size` (height, width), as `cv2.resize` does."""
    return pixels if pixels.shape[:2] == size else _METHODS[method](pixels, size)


def _bytes(values: NDArray[Any]) -> Pixels:
    return np.asarray(np.clip(values, 0, 255), np.uint8)


def _scale(before: int, after: int) -> float:
    # NOTE: as OpenCV has it; `before / after` is another number where it decides between two pixels (28 to 120).
    return 1 / (after / before)


def _nearest(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    rows, columns = (
        np.minimum(np.floor(np.arange(after) * _scale(before, after)).astype(np.intp), before - 1)
        for before, after in zip(pixels.shape[:2], size, strict=True)
    )
    return np.asarray(pixels[rows[:, np.newaxis], columns])


def _places(
    before: int, after: int, dtype: type[np.floating[Any]] = np.float32
) -> tuple[NDArray[np.intp], NDArray[Any]]:
    """Return the pixel at or before each centre, and how far beyond it the centre lies, from 0 to 1."""
    place = ((np.arange(after) + 0.5) * _scale(before, after) - 0.5).astype(dtype)
    whole = np.floor(place)
    return whole.astype(np.intp), place - whole


def _area_places(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return what `_places` does for INTER_AREA where a side grows: pixels mix only where one ends within another."""
    place = np.floor(np.arange(after) * _scale(before, after)).astype(np.intp)
    share = (np.arange(1, after + 1) - (place + 1) * (after / before)).astype(np.float32)
    return place, np.where(share <= 0, np.float32(0), share - np.floor(share))


def _fixed(weights: NDArray[np.float32]) -> NDArray[np.int32]:
    return np.asarray(np.rint(weights * _COEFFICIENT), np.int32)


def _bilinear(pixels: Pixels, size: tuple[int, int], find: _Find = _places) -> Pixels:
    before = len(pixels)
    row, share = find(before, size[0])
    # NOTE: only across is a centre beyond the edge moved onto it; downwards both rows are the edge's, and each product
    # is cut off on its own.
    above, below = (_along_rows(pixels[np.clip(row + step, 0, before - 1)], size[1], find) >> 4 for step in (0, 1))
    upper, lower = (_fixed(weight)[:, np.newaxis, np.newaxis] for weight in (1 - share, share))
    return _bytes(((upper * above >> 16) + (lower * below >> 16) + 2) >> 2)


def _along_rows(pixels: Pixels, after: int, find: _Find) -> NDArray[np.int32]:
    last = pixels.shape[1] - 1
    column, share = find(last + 1, after)
    share = np.where((column < 0) | (column >= last), np.float32(0), share)
    left = np.clip(column, 0, last)
    first, second = (_fixed(weight)[:, np.newaxis] for weight in (1 - share, share))
    return np.asarray(pixels[:, left] * first + pixels[:, np.minimum(left + 1, last)] * second)


def _bicubic(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    # NOTE: Intel's IPP, which OpenCV's wheels for x86 call here, computes in floats. OpenCV's own integers, on other
    # machines, differ by 1 in some 4 % of values.
    values: NDArray[Any] = pixels
    for axis in (1, 0):
        before, after = values.shape[axis], size[axis]
        place, share = _places(before, after, np.float64)
        values = _summed(values, axis, place, _cubic_weights(share.astype(np.float32)), first=-1)
    return _bytes(np.rint(values))


def _cubic_weights(share: NDArray[np.float32]) -> NDArray[np.float32]:
    a, one = _CUBIC, np.float32(1)
    start = ((a * (share + one) - 5 * a) * (share + one) + 8 * a) * (share + one) - 4 * a
    near = ((a + 2) * share - (a + 3)) * share * share + one
    rest = one - share
    far = ((a + 2) * rest - (a + 3)) * rest * rest + one
    return np.stack([start, near, far, one - start - near - far])


def _lanczos(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    values: NDArray[Any] = pixels
    for axis in (1, 0):
        values = _tapped(values, axis, size[axis], _lanczos_weights, first=-3)
    return _bytes((values + (1 << 21)) >> 22)


def _lanczos_weights(share: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the weights of Lanczos' kernel of radius 4 at the eight pixels around, 1 in sum."""
    distance = share.astype(np.float64) + 3 - np.arange(_LANCZOS_TAPS)[:, np.newaxis]
    weights = np.sinc(distance) * np.sinc(distance / 4)
    return np.asarray(weights / weights.sum(axis=0), np.float32)


def _tapped(values: NDArray[Any], axis: int, after: int, weigh: _Weigh, *, first: int) -> NDArray[np.int64]:
    """Return the weighted sums of the pixels from `first` on around each centre along `axis`, 2048-fold."""
    place, share = _places(values.shape[axis], after)
    return _summed(values, axis, place, _fixed(weigh(share)).astype(np.int64), first=first)


def _summed(
    values: NDArray[Any], axis: int, place: NDArray[np.intp], weights: NDArray[Any], *, first: int
) -> NDArray[Any]:
    """Return the sums along `axis` of the pixels from `place` + `first` on, by `weights` (taps, places)."""
    shape = [1, 1, 1]
    shape[axis] = len(place)
    last = values.shape[axis] - 1
    return np.asarray(
        sum(
            np.take(values, np.clip(place + step, 0, last), axis=axis) * weight.reshape(shape)
            for step, weight in enumerate(weights, start=first)
        )
    )


def _area(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    if pixels.shape[0] < size[0] or pixels.shape[1] < size[1]:
        return _bilinear(pixels, size, _area_places)
    values: NDArray[Any] = pixels
    for axis in (1, 0):
        values = np.moveaxis(_averaged(np.moveaxis(values, axis, 0), size[axis]), 0, axis)
    # NOTE: halves are rounded up where both sides are halved, and to even otherwise.
    is_halved = pixels.shape[:2] == (2 * size[0], 2 * size[1])
    return _bytes(np.floor(values + 0.5) if is_halved else np.rint(values))


def _averaged(lines: NDArray[Any], after: int) -> NDArray[np.float32]:
    before = len(lines)
    scale = _scale(before, after)
    start = np.arange(after) * scale
    end = np.minimum(start + scale, before)
    first = np.floor(start).astype(np.intp)
    total = np.zeros((after, *lines.shape[1:]), np.float32)
    for step in range(int((np.ceil(end) - first).max())):
        place = first + step
        share = np.clip(np.minimum(end, place + 1) - np.maximum(start, place), 0, None) / (end - start)
        total += lines[np.minimum(place, before - 1)] * share.astype(np.float32).reshape(-1, 1, 1)
    return total


_METHODS: Mapping[Resize, Callable[[Pixels, tuple[int, int]], Pixels]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "lanczos": _lanczos,
    "area": _area,
}
