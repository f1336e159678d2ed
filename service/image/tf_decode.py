"""Owns decoding as `tf.io.decode_image(expand_animations=False)` does it, without TensorFlow; TensorFlow 2.21.

JPEG comes from libjpeg-turbo with the fast DCT, TensorFlow's default. The lossless formats come from Pillow, their
colours from the arithmetic of libpng and of TensorFlow's own readers. What TensorFlow refuses (TIFF, CMYK in grayscale,
an alpha channel where the file has none) is converted as Pillow does: no model was trained on it.
"""

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from service.image.bmp import bmp_pixels
from service.image.colour import pixels_of
from service.image.decode import OpenedImage
from service.image.gif import largest_frame, shown_by
from service.image.jpeg import CMYK_MODE, decode_jpeg
from service.image.png_colour import gray, png_pixels_of_tensorflow
from service.model.recipe import Color

Pixels = NDArray[np.uint8]
"""(height, width, channels), 8 bits."""

_OPAQUE = 255


def decode_as_tensorflow(opened: OpenedImage, color: Color) -> Pixels:
    """Return the pixels that TensorFlow decodes, `bgr` as RGB; raises what a decoder can end in."""
    return _DECODERS.get(opened.format, _as_pillow)(opened, color)


def _as_pillow(opened: OpenedImage, color: Color) -> Pixels:
    return pixels_of(opened.load(), color)


def _jpeg(opened: OpenedImage, color: Color) -> Pixels:
    if opened.mode == CMYK_MODE:
        return _in_color(_rgb_of_cmyk(opened), color)
    if color == "grayscale":
        return decode_jpeg(opened, "GRAY", fast_dct=True)
    return _in_color(decode_jpeg(opened, "RGB", fast_dct=True), color)


def _rgb_of_cmyk(opened: OpenedImage) -> Pixels:
    """Return RGB as tensorflow/core/lib/jpeg/jpeg_mem.cc makes it: Adobe's marker says that the inks are inverted."""
    inks = decode_jpeg(opened, "CMYK", fast_dct=True)
    wide = (inks if "adobe" in opened.header.info else _OPAQUE - inks).astype(np.uint16)
    return (wide[..., :3] * wide[..., 3:] // _OPAQUE).astype(np.uint8)


def _gif(opened: OpenedImage, color: Color) -> Pixels:
    """Return the first frame, with black where it is transparent or does not reach, as large as any frame is.

    Source: tensorflow/core/lib/gif/gif_io.cc.
    """
    image = opened.load()
    if image.mode not in ("P", "L"):
        return pixels_of(image, color)
    height, width = largest_frame(opened.data)
    pixels = pixels_of(image, "rgb") * shown_by(image)[..., np.newaxis]
    return _in_color(pixels[:height, :width], color)


def _in_color(pixels: Pixels, color: Color) -> Pixels:
    """Return RGB pixels in `color`."""
    if color == "rgba":
        return np.concatenate([pixels, np.full((*pixels.shape[:2], 1), _OPAQUE, np.uint8)], axis=-1)
    return gray(pixels) if color == "grayscale" else pixels


_DECODERS: Mapping[str, Callable[[OpenedImage, Color], Pixels]] = {
    "JPEG": _jpeg,
    "PNG": png_pixels_of_tensorflow,
    "BMP": bmp_pixels,
    "GIF": _gif,
}
