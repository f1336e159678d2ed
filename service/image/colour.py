"""Owns colour: an image of any Pillow mode -> the channels a model has, as `keras.utils.load_img` converts them.

Where Keras clips or keeps more than 8 bits, the high byte is taken instead, as TensorFlow's PNG decoder does.
"""

import numpy as np
from PIL import Image, ImageOps

from service.errors import UndecodableImageError
from service.model.recipe import Color

_MODES: dict[Color, str] = {"rgb": "RGB", "bgr": "RGB", "grayscale": "L", "rgba": "RGBA"}
_SIXTEEN_BITS = 65535


def upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF orientation says."""
    return ImageOps.exif_transpose(image)


def to_colour(image: Image.Image, color: Color) -> Image.Image:
    """Return an 8-bit image of mode L, RGB or RGBA; `bgr` comes as RGB and is turned round with the array.

    Alpha is dropped, not composited: hidden colours show, in Keras as here. Raises UndecodableImageError for pixels
    without a defined range (32-bit integers over 65535, floating point).
    """
    mode = _MODES[color]
    eight_bits = _to_eight_bits(image)
    return eight_bits if eight_bits.mode == mode else eight_bits.convert(mode)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UndecodableImageError("The image has floating-point pixels, whose range is not defined; send numbers.")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min(initial=0) < 0 or values.max(initial=0) > _SIXTEEN_BITS:
        raise UndecodableImageError("The image has 32-bit pixels, whose range is not defined; send numbers.")
    return Image.fromarray((values >> 8).astype(np.uint8))
