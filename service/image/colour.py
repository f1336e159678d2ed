"""Owns colour: an image of any Pillow mode -> the channels a model has, as `keras.utils.load_img` converts them.

Where Keras clips or keeps more than 8 bits, the high byte is taken instead, as TensorFlow's PNG decoder does.
"""

from collections.abc import Mapping

import numpy as np
from PIL import Image
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import BITSPERSAMPLE, TiffImageFile

from service.errors import UndecodableImageError
from service.model.recipe import Color

_MODES: Mapping[Color, str] = {"rgb": "RGB", "bgr": "RGB", "grayscale": "L", "rgba": "RGBA"}
_SIXTEEN_BITS = 65535
_TURNS: Mapping[int, Image.Transpose] = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright(image: Image.Image) -> Image.Image:
    """Return the image turned as its EXIF orientation says; as it is where that is absent or unreadable."""
    try:
        orientation = image.getexif().get(Base.Orientation)
    except Exception:  # noqa: BLE001  (damaged metadata ends in anything; the pixels are sound)
        return image
    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return image if turn is None else image.transpose(turn)


def to_colour(image: Image.Image, color: Color) -> Image.Image:
    """Return an 8-bit image of mode L, RGB or RGBA; `bgr` comes as RGB and is turned round with the array.

    Alpha is dropped, not composited: hidden colours show, in Keras as here. Raises UndecodableImageError for pixels
    without a defined range (32-bit integers over 65535, floating point).
    """
    mode = _MODES[color]
    eight_bits = _to_eight_bits(image)
    return eight_bits if eight_bits.mode == mode else _converted(eight_bits, mode)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode != "RGBA" and "transparency" in image.info:
        # The pixels are the same; without this Pillow warns the whole process that transparency is lost.
        image = image.copy()
        del image.info["transparency"]
    if image.mode == "LAB":
        image = image.convert("RGB")
    return image.convert(mode)


def _to_eight_bits(image: Image.Image) -> Image.Image:
    if image.mode == "F":
        raise UndecodableImageError("The image has floating-point pixels, whose range is not defined; send numbers.")
    if not image.mode.startswith("I"):
        return image
    values = np.asarray(image)
    if values.min(initial=0) < 0 or values.max(initial=0) > _SIXTEEN_BITS:
        raise UndecodableImageError("The image has 32-bit pixels, whose range is not defined; send numbers.")
    return Image.fromarray((values >> (_bits(image) - 8)).astype(np.uint8))


def _bits(image: Image.Image) -> int:
    """Return how many bits a sample has: 16, but for the 12-bit TIFFs whose samples Pillow keeps as they are."""
    bits = image.tag_v2.get(BITSPERSAMPLE) if isinstance(image, TiffImageFile) else None
    return 12 if bits == (12,) else 16
