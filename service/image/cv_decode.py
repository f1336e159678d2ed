"""Owns decoding as `cv2.imread` does it, without OpenCV: in RGB, for the recipe's `bgr` turns the channels round."""

import numpy as np
from numpy.typing import NDArray

from service.image.colour import mixed, pixels_of
from service.image.decode import OpenedImage
from service.image.gif import background_of, shown_by
from service.image.jpeg import CMYK_MODE, decode_jpeg
from service.image.png_colour import png_pixels
from service.model.recipe import Color

Pixels = NDArray[np.uint8]
"""(height, width, channels), 8 bits."""

# Rec. 601 in fixed point, rounded: 14 bits in OpenCV's readers of BMP, TIFF and CMYK (imgcodecs/src/utils.cpp), 15 bits
# where it reads colours and then calls cvtColor (imgproc/src/color_rgb.simd.hpp).
_IN_READER = (np.array([4899, 9617, 1868], np.int32), 14)
_AFTERWARDS = (np.array([9798, 19235, 3735], np.int32), 15)


def decode_as_opencv(opened: OpenedImage, color: Color) -> Pixels:
    """Return the pixels (height, width, channels) that `cv2.imread` decodes; raises what a decoder can end in.

    The colours are Pillow's, but for CMYK and for what a GIF does not show; the grays are each format's own. OpenCV
    reads no alpha unless asked for the file as it is: `rgba` is Pillow's.
    """
    if opened.format == "PNG":
        return png_pixels(opened, color)
    if opened.format == "JPEG" and opened.mode != CMYK_MODE and color == "grayscale":
        return decode_jpeg(opened, "GRAY", fast_dct=False)
    if color == "rgba":
        return pixels_of(opened.load(), color)
    return _in_color(_rgb(opened), opened, color)


def _rgb(opened: OpenedImage) -> Pixels:
    if opened.format == "JPEG" and opened.mode == CMYK_MODE:
        return _rgb_of_cmyk(decode_jpeg(opened, "CMYK", fast_dct=False))
    image = opened.load()
    pixels = pixels_of(image, "rgb")
    if opened.format != "GIF" or image.mode not in ("P", "L"):
        return pixels
    return np.where(shown_by(image)[..., np.newaxis], pixels, np.array(background_of(opened.data), np.uint8))


def _rgb_of_cmyk(inks: Pixels) -> Pixels:
    # Each product is under 2**16: 16 bits without a sign hold it.
    black = inks[..., 3:].astype(np.uint16)
    missing = (255 - inks[..., :3]).astype(np.uint16)
    missing *= black
    missing >>= 8
    return (black - missing).astype(np.uint8)


def _in_color(pixels: Pixels, opened: OpenedImage, color: Color) -> Pixels:
    if color != "grayscale":
        return pixels
    shares, bits = _AFTERWARDS if opened.format in ("GIF", "WEBP") else _IN_READER
    return (mixed(pixels, shares) + (1 << bits - 1) >> bits).astype(np.uint8)[..., np.newaxis]
