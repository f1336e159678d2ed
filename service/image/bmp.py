"""Owns reading a BMP as TensorFlow does: palette indices taken for grays, and the fourth byte for alpha.

Source: DecodeBmpV2 in tensorflow/core/kernels/image/decode_image_op.cc of TensorFlow 2.21.
"""

import struct

import numpy as np
from numpy.typing import NDArray

from service.image.colour import pixels_of
from service.image.decode import OpenedImage
from service.model.recipe import Color

_OLD_HEADER = 12
_PLAIN, _MASKED = 0, 3
_RGBA_OF_BGRA = (2, 1, 0, 3)


def bmp_pixels(opened: OpenedImage, color: Color) -> NDArray[np.uint8]:
    """Return the pixels (height, width, channels); in grays and for what TensorFlow refuses, those of Pillow."""
    image = opened.load()
    header, _, height, _, bits, compression = struct.unpack_from("<LlLHHL", opened.data, 14)
    is_read = header > _OLD_HEADER and bits in (8, 32) and compression in (_PLAIN, _MASKED)
    if color == "grayscale" or not is_read:
        return pixels_of(image, color)
    rows = _rows(opened.data, image.size, bits // 8)
    upright = rows if height >= 1 << 31 else rows[::-1]
    return _colours(upright, 4 if color == "rgba" else 3)


def _rows(data: bytes, size: tuple[int, int], channels: int) -> NDArray[np.uint8]:
    width, height = size
    stride = (channels * width + 3) // 4 * 4
    (start,) = struct.unpack_from("<L", data, 10)
    lines = np.frombuffer(data, np.uint8, stride * height, start).reshape(height, stride)
    return lines[:, : channels * width].reshape(height, width, channels)


def _colours(rows: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    if rows.shape[-1] == 1:
        opaque = np.full_like(rows, 255)
        return np.concatenate([rows, rows, rows, opaque][:channels], axis=-1)
    return np.ascontiguousarray(rows[..., _RGBA_OF_BGRA[:channels]])
