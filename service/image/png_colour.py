"""Owns the colours of libpng, by which TensorFlow and OpenCV read PNG: its grays, and the alpha that TensorFlow adds.

Source: pngrtran.c and png.c of libpng 1.6, tensorflow/core/lib/png/png_io.cc of TensorFlow 2.21.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.image.colour import mixed, pixels_of, to_eight_bits
from service.image.decode import OpenedImage
from service.model.recipe import Color

Pixels = NDArray[np.uint8]
"""(height, width, channels), 8 bits."""

# png_set_rgb_to_gray(0.299, 0.587): 15-bit fixed point. It is cut off, and rounded where a gamma is declared.
_RED, _GREEN = 29900 * 32768 // 100000, 58700 * 32768 // 100000
_SHARES = np.array([_RED, _GREEN, 32768 - _RED - _GREEN], np.int32)
_SHARE_BITS = 15
_HALF = 1 << _SHARE_BITS - 1
# libpng counts gammas in 1/100000. One within 5 % of 1 is none, one out of range is passed over.
_UNIT = 100_000
_LEAST_CHANGE = 5_000
_RANGE = (16, 625_000_000)
_SRGB = 45_455
_DEPTH_AT = 24
_OPAQUE = 255
_WITH_ALPHA = ("LA", "PA", "RGBA")
_GRAYS = ("1", "L", "I;16", "I;16B", "I")


def png_pixels(opened: OpenedImage, color: Color) -> Pixels:
    """Return the pixels of a PNG with the grays of libpng; raises what a decoder can end in.

    NOTE: of 16-bit colours libpng takes the gray before the high byte, which can come out larger by 1.
    """
    image = to_eight_bits(opened.load())
    if color != "grayscale" or image.mode in ("1", "L", "LA"):
        return pixels_of(image, color)
    return gray(pixels_of(image, "rgb"), gamma=_gamma_of(opened.header))


def png_pixels_of_tensorflow(opened: OpenedImage, color: Color) -> Pixels:
    """Return what `png_pixels` does, but for the alpha, which TensorFlow adds where a PNG has none.

    NOTE: it counts in the file's depth: the "opaque" of a PNG of 4 bits is 15 of 255.
    """
    pixels = png_pixels(opened, color)
    image, depth = opened.header, opened.data[_DEPTH_AT]
    if color != "rgba" or image.mode in _WITH_ALPHA:
        return pixels
    if "transparency" not in image.info:
        return _with_alpha(pixels, min(_OPAQUE, (1 << depth) - 1))
    return _with_alpha(pixels, _alpha_of_grays(image, depth)) if image.mode in _GRAYS else pixels


def _with_alpha(pixels: Pixels, alpha: int | Pixels) -> Pixels:
    changed = pixels.copy()
    changed[..., 3] = alpha
    return changed


def _alpha_of_grays(image: Image.Image, depth: int) -> Pixels:
    # NOTE: Pillow makes 2 and 4 bits 8, but leaves the one gray that is clear as it stands in the file.
    clear = image.info["transparency"]
    if depth in (2, 4):
        clear = clear * _OPAQUE // ((1 << depth) - 1)
    seen = np.asarray(image.convert("L") if image.mode == "1" else image)
    return np.where(seen == clear, 0, _OPAQUE).astype(np.uint8)


def gray(pixels: Pixels, *, gamma: int | None = None) -> Pixels:
    """Return RGB pixels as libpng's gray, (height, width, 1); `gamma`, in 1/100000, is that which the file declares."""
    if gamma is None:
        return (mixed(pixels, _SHARES) >> _SHARE_BITS).astype(np.uint8)[..., np.newaxis]
    linear = _table(_inverse(gamma))[pixels]
    grays = _table(_inverse(_inverse(gamma)))[mixed(linear, _SHARES) + _HALF >> _SHARE_BITS]
    # NOTE: what is gray already goes by no table, and would come out of them as another gray.
    is_gray = (pixels == pixels[..., :1]).all(axis=-1)
    return np.where(is_gray, pixels[..., 0], grays)[..., np.newaxis]


def _gamma_of(image: Image.Image) -> int | None:
    """Return the gamma that a PNG declares, in 1/100000; None where it is none, or as good as none."""
    said = _SRGB if "srgb" in image.info else round(image.info.get("gamma", 1) * _UNIT)
    is_told = _RANGE[0] <= said <= _RANGE[1] and abs(said - _UNIT) > _LEAST_CHANGE
    return said if is_told else None


def _inverse(gamma: int) -> int:
    return int(_UNIT * _UNIT / gamma + 0.5)


@lru_cache(maxsize=8)
def _table(gamma: int) -> Pixels:
    """Return for each of the 256 values what it is after correction by `gamma`."""
    values = np.arange(256)
    if abs(gamma - _UNIT) <= _LEAST_CHANGE:
        return values.astype(np.uint8)
    return np.floor(255 * (values / 255) ** (gamma / _UNIT) + 0.5).astype(np.uint8)
