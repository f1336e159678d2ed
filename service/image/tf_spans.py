"""Owns the resizing of `tf.image.resize` that sums a kernel over a span of pixels: Lanczos, Gauss, Mitchell, antialias.

Source: tensorflow/core/kernels/image/scale_and_translate_op.cc and sampling_kernels.h of TensorFlow 2.21.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.recipe import Resize

_Distances = NDArray[np.float32]
_NEAR_ZERO = 1e-3
_LEAST_SUM = np.float32(1000) * np.finfo(np.float32).tiny


@dataclass(frozen=True, slots=True)
class _Kernel:
    """A weight by distance in pixels (at least 0), and the distance from which on it is 0."""

    radius: float
    weigh: Callable[[_Distances], _Distances]


def resize_by_spans(
    pixels: NDArray[Any], size: tuple[int, int], *, method: Resize, antialias: bool
) -> NDArray[np.float32]:
    """Return `pixels` (height, width, channels) at `size` (height, width) in float32.

    `antialias` widens the kernel by as much as the picture shrinks.
    """
    values = pixels
    kernel = _KERNELS[method]
    for axis in (1, 0):
        starts, weights = _spans(values.shape[axis], size[axis], kernel, antialias=antialias)
        values = _gathered(values, starts, weights, axis)
    return values


def _spans(
    before: int, after: int, kernel: _Kernel, *, antialias: bool
) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the first pixel of each span, (after,), and the weights from there on, (after, longest span)."""
    shrinking = np.float32(1) / (np.float32(after) / np.float32(before))
    widening = max(shrinking, np.float32(1)) if antialias else np.float32(1)
    reach = np.float32(kernel.radius) * widening
    sample = (np.arange(after, dtype=np.float32) + np.float32(0.5)) * shrinking
    starts = np.clip(np.ceil(sample - reach - np.float32(0.5)), 0, before - 1).astype(np.intp)
    ends = np.clip(np.floor(sample + reach - np.float32(0.5)), 0, before - 1).astype(np.intp) + 1
    places = starts[:, np.newaxis] + np.arange(int((ends - starts).max()))
    distances = np.abs((places.astype(np.float32) + np.float32(0.5) - sample[:, np.newaxis]) * (1 / widening))
    weights = np.where(places < ends[:, np.newaxis], kernel.weigh(distances), np.float32(0)).astype(np.float32)
    total = weights.sum(axis=1, keepdims=True, dtype=np.float32)
    inverse = np.float32(1) / np.where(np.abs(total) >= _LEAST_SUM, total, np.float32(1))
    return starts, np.asarray(weights * inverse, np.float32)


def _gathered(
    values: NDArray[Any], starts: NDArray[np.intp], weights: NDArray[np.float32], axis: int
) -> NDArray[np.float32]:
    """Return the weighted sums along `axis`, one pixel of all spans at a time: no more memory than the result."""
    last = values.shape[axis] - 1
    shape = [1, 1, 1]
    shape[axis] = len(starts)
    total = np.float32(0)
    for step in range(weights.shape[1]):
        taken = np.take(values, np.minimum(starts + step, last), axis=axis)
        total = total + taken * weights[:, step].reshape(shape)
    return np.asarray(total)


def _triangle(x: _Distances) -> _Distances:
    return np.maximum(1 - x, 0)


def _keys(x: _Distances) -> _Distances:
    inner = ((1.5 * x - 2.5) * x) * x + 1
    outer = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.select([x >= 2, x >= 1], [np.zeros_like(x), outer], inner)


def _mitchell(x: _Distances) -> _Distances:
    inner = (((7 / 6) * x - 2) * x) * x + 8 / 9
    outer = (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.select([x > 2, x > 1], [np.zeros_like(x), outer], inner)


def _lanczos(x: _Distances, *, radius: float) -> _Distances:
    safe = np.where(x <= _NEAR_ZERO, np.float32(1), x)
    wave = radius * np.sin(np.pi * safe) * np.sin(np.pi * safe / radius) / (np.pi**2 * safe * safe)
    return np.select([x > radius, x <= _NEAR_ZERO], [np.zeros_like(x), np.ones_like(x)], wave)


def _gaussian(x: _Distances, *, radius: float) -> _Distances:
    sigma = radius / 3
    return np.where(x >= radius, 0, np.exp(-x * x / (2 * sigma * sigma)))


_KERNELS: Mapping[Resize, _Kernel] = {
    "bilinear": _Kernel(1, _triangle),
    "bicubic": _Kernel(2, _keys),
    "lanczos3": _Kernel(3, partial(_lanczos, radius=3.0)),
    "lanczos5": _Kernel(5, partial(_lanczos, radius=5.0)),
    "gaussian": _Kernel(1.5, partial(_gaussian, radius=1.5)),
    "mitchellcubic": _Kernel(2, _mitchell),
}
