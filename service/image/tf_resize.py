"""Owns `tf.image.resize` in NumPy, method by method and in float32, as TensorFlow 2.21's kernels compute it.

Nearest and bilinear are bit-exact; the others differ by roundings of float32 (docs/preprocessing.md has the table).
Sources: tensorflow/core/kernels/image/ resize_{nearest_neighbor,bilinear,bicubic,area}_op.cc, image_resizer_state.h.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.image.tf_spans import resize_by_spans
from service.model.recipe import Resize

Pixels = NDArray[Any]
"""(height, width, channels); uint8, or float32 in 0..255."""

_TABLE = 1024
_KEYS = -0.5
_LEAST_SUM = np.float32(1000) * np.finfo(np.float32).tiny


def resize(pixels: Pixels, size: tuple[int, int], *, method: Resize, antialias: bool) -> Pixels:
    """Return `pixels` (height, width, channels) at `size` (height, width): uint8 if `method` is nearest, else float32.

    NOTE: Gauss and Mitchell blur a picture of that size already, in TensorFlow as here.
    """
    if pixels.shape[:2] == size and method in ("nearest", "bilinear", "bicubic", "area"):
        return pixels if method == "nearest" else pixels.astype(np.float32)
    widens = antialias and method in ("bilinear", "bicubic")
    if widens or method not in _METHODS:
        return resize_by_spans(pixels, size, method=method, antialias=antialias)
    return _METHODS[method](pixels, size)


def _centres(out: int, scale: np.float32) -> NDArray[np.float32]:
    return (np.arange(out, dtype=np.float32) + np.float32(0.5)) * scale


def _scale(before: int, after: int) -> np.float32:
    return np.float32(before) / np.float32(after)


def _nearest(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    rows, columns = (
        np.minimum(np.floor(_centres(after, _scale(before, after))).astype(np.intp), before - 1)
        for before, after in zip(pixels.shape[:2], size, strict=True)
    )
    return np.asarray(pixels[rows[:, np.newaxis], columns])


def _bilinear(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    (top, bottom, down), (left, right, along) = (
        _neighbours(before, after) for before, after in zip(pixels.shape[:2], size, strict=True)
    )
    along = along[:, np.newaxis]
    upper, lower = pixels[top], pixels[bottom]
    above = _between(upper[:, left], upper[:, right], along)
    below = _between(lower[:, left], lower[:, right], along)
    below -= above
    below *= down[:, np.newaxis, np.newaxis]
    above += below
    return above


def _neighbours(before: int, after: int) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.float32]]:
    place = _centres(after, _scale(before, after)) - np.float32(0.5)
    whole = np.floor(place)
    low = np.maximum(whole, 0).astype(np.intp)
    high = np.minimum(np.ceil(place), before - 1).astype(np.intp)
    return low, high, place - whole


def _between(first: Pixels, second: Pixels, share: NDArray[np.float32]) -> NDArray[np.float32]:
    start = first.astype(np.float32)
    step = second.astype(np.float32)
    step -= start
    step *= share
    start += step
    return start


def _bicubic(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    values = pixels
    for axis in (0, 1):
        shape = [1, 1, 1]
        shape[axis] = size[axis]
        taps = _cubic(values.shape[axis], size[axis])
        values = np.asarray(sum(np.take(values, index, axis=axis) * weight.reshape(shape) for index, weight in taps))
    return values


def _cubic(before: int, after: int) -> list[tuple[NDArray[np.intp], NDArray[np.float32]]]:
    """Return for each of the four neighbours its index and its weight, 0 outside the image and 1 in sum."""
    place = _centres(after, _scale(before, after)) - np.float32(0.5)
    whole = np.floor(place)
    offset = np.rint((place - whole) * np.float32(_TABLE)).astype(np.intp)
    near, far = _cubic_table()
    taps = ((-1, far[offset]), (0, near[offset]), (1, near[_TABLE - offset]), (2, far[_TABLE - offset]))
    indices = [whole.astype(np.intp) + step for step, _ in taps]
    inside = [np.clip(index, 0, before - 1) for index in indices]
    weights = [
        np.where(index == kept, weight, np.float32(0))
        for index, kept, (_, weight) in zip(indices, inside, taps, strict=True)
    ]
    total = weights[0] + weights[1] + weights[2] + weights[3]
    inverse = np.float32(1) / np.where(np.abs(total) >= _LEAST_SUM, total, np.float32(1))
    return [(index, np.asarray(weight * inverse, np.float32)) for index, weight in zip(inside, weights, strict=True)]


@lru_cache(maxsize=1)
def _cubic_table() -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the weights at 0..1 and at 1..2 pixels of Keys' cubic, in steps of 1/1024."""
    near = (np.arange(_TABLE + 1) / _TABLE).astype(np.float32).astype(np.float64)
    far = (near + 1).astype(np.float32).astype(np.float64)
    inner = ((_KEYS + 2) * near - (_KEYS + 3)) * near * near + 1
    outer = ((_KEYS * far - 5 * _KEYS) * far + 8 * _KEYS) * far - 4 * _KEYS
    return inner.astype(np.float32), outer.astype(np.float32)


def _area(pixels: Pixels, size: tuple[int, int]) -> Pixels:
    values = pixels
    for axis, after in ((1, size[1]), (0, size[0])):
        values = _averaged(np.moveaxis(values, axis, 0), after)
        values = np.moveaxis(values, 0, axis)
    return np.ascontiguousarray(values)


def _averaged(lines: NDArray[Any], after: int) -> NDArray[np.float32]:
    """Return the mean of the lines (on the first axis) that each of `after` covers, parts of lines by their share."""
    before = len(lines)
    scale = _scale(before, after)
    start = np.arange(after, dtype=np.float32) * scale
    end = np.arange(1, after + 1, dtype=np.float32) * scale
    first = np.floor(start).astype(np.intp)
    total = np.zeros((after, *lines.shape[1:]), np.float32)
    for step in range(int((np.ceil(end) - first).max())):
        place = first + step
        share = _shares(place.astype(np.float32), start, end, scale)
        total += lines[np.minimum(place, before - 1)] * share.reshape(-1, *[1] * (lines.ndim - 1))
    return total * (np.float32(1) / scale)


def _shares(
    place: NDArray[np.float32], start: NDArray[np.float32], end: NDArray[np.float32], scale: np.float32
) -> NDArray[np.float32]:
    """Return how much of the line at `place` lies between `start` and `end`, by TensorFlow's cases."""
    cut_short = place + 1 > end
    inner = np.where(cut_short, end - place, np.float32(1))
    at_start = np.where(cut_short, scale, place + 1 - start)
    return np.where(place >= end, np.float32(0), np.where(place < start, at_start, inner))


_METHODS: dict[Resize, Callable[[Pixels, tuple[int, int]], Pixels]] = {
    "nearest": _nearest,
    "bilinear": _bilinear,
    "bicubic": _bicubic,
    "area": _area,
}
