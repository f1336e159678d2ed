"""Owns fitting arrays into a size: stretched, cut to the centre, or padded, as Keras does it on TensorFlow."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.recipe import Fit

Pixels = NDArray[Any]
"""(height, width, channels); uint8 or float32."""

Resizing = Callable[[Pixels, tuple[int, int]], Pixels]


def fit(pixels: Pixels, size: tuple[int, int], *, how: Fit, resize: Resizing) -> Pixels:
    """Return `pixels` at `size` (height, width), resized by `resize`.

    `crop` is `keras.utils.image_utils.smart_resize` (Keras 3.15), `pad` is `tf.image.resize_with_pad`; both compute in
    float32. A picture so long that nothing of it would be left keeps one pixel.
    """
    return _FITS[how](pixels, size, resize)


def _stretch(pixels: Pixels, size: tuple[int, int], resize: Resizing) -> Pixels:
    return resize(pixels, size)


def _crop(pixels: Pixels, size: tuple[int, int], resize: Resizing) -> Pixels:
    height, width = pixels.shape[:2]
    cut_height = _cut(height, np.float32(width * size[0]) / np.float32(size[1]))
    cut_width = _cut(width, np.float32(height * size[1]) / np.float32(size[0]))
    top, left = (height - cut_height) // 2, (width - cut_width) // 2
    return resize(pixels[top : top + cut_height, left : left + cut_width], size)


def _cut(side: int, wanted: np.float32) -> int:
    return max(1, min(side, int(wanted)))


def _pad(pixels: Pixels, size: tuple[int, int], resize: Resizing) -> Pixels:
    sides = np.array(pixels.shape[:2], np.float32)
    target = np.array(size, np.float32)
    exact = sides / np.max(sides / target)
    inner = np.maximum(np.floor(exact), 1).astype(int)
    top, left = np.maximum(np.floor((target - exact) / 2), 0).astype(int)
    small = resize(pixels, (int(inner[0]), int(inner[1])))
    canvas = np.zeros((*size, pixels.shape[-1]), small.dtype)
    canvas[top : top + inner[0], left : left + inner[1]] = small
    return canvas


_FITS: dict[Fit, Callable[[Pixels, tuple[int, int], Resizing], Pixels]] = {
    "stretch": _stretch,
    "crop": _crop,
    "pad": _pad,
}
