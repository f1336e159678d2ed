"""Owns colour: an image of any Pillow mode -> the channels a model has, as `keras.utils.load_img` converts them.

Where Keras clips or keeps more than 8 bits, the high byte is taken instead, as TensorFlow's PNG decoder does.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
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
# The same on arrays: from 5 on rows become columns first, and then the order of rows and columns is kept or reversed.
_TRANSPOSED = 5
_STEPS: Mapping[int, tuple[int, int]] = {
    2: (1, -1), 3: (-1, -1), 4: (-1, 1), 5: (1, 1), 6: (1, -1), 7: (-1, -1), 8: (-1, 1),
}  # fmt: skip


def orientation_of(image: Image.Image) -> int | None:
    """Return the EXIF orientation of an image that is not stored upright, 2 to 8; None where it is or none is said."""
    try:
        orientation = image.getexif().get(Base.Orientation)
    except Exception:  # noqa: BLE001  (damaged metadata ends in anything; the pixels are sound)
        return None
    return orientation if isinstance(orientation, int) and orientation in _TURNS else None


def upright(image: Image.Image, orientation: int | None) -> Image.Image:
    """Return the image turned as its EXIF `orientation` says."""
    return image if orientation is None else image.transpose(_TURNS[orientation])


def upright_pixels(pixels: NDArray[np.uint8], orientation: int | None) -> NDArray[np.uint8]:
    """Return pixels (height, width, channels) turned as their EXIF `orientation` says."""
    if orientation is None:
        return pixels
    turned = pixels.swapaxes(0, 1) if orientation >= _TRANSPOSED else pixels
    down, across = _STEPS[orientation]
    return np.ascontiguousarray(turned[::down, ::across])


def mode_of(color: Color) -> str:
    """Return the mode, as Pillow names it, of an image that `to_colour` leaves as it is."""
    return _MODES[color]


def to_colour(image: Image.Image, color: Color) -> Image.Image:
    """Return an 8-bit image of mode L, RGB or RGBA; `bgr` comes as RGB and is turned round with the array.

    Alpha is dropped, not composited: hidden colours show, in Keras as here. Raises UndecodableImageError for pixels
    without a defined range (32-bit integers over 65535, floating point).
    """
    mode = _MODES[color]
    eight_bits = to_eight_bits(image)
    return eight_bits if eight_bits.mode == mode else _converted(eight_bits, mode)


def pixels_of(image: Image.Image, color: Color) -> NDArray[np.uint8]:
    """Return the pixels (height, width, channels) of what `to_colour` returns."""
    pixels = np.asarray(to_colour(image, color))
    return pixels if pixels.ndim == 3 else pixels[..., np.newaxis]


def mixed(pixels: NDArray[np.uint8], shares: NDArray[np.int32]) -> NDArray[np.int32]:
    """Return the sum (height, width) of three channels by their shares; a tenth of the time of a matrix product."""
    total = pixels[..., 0] * shares[0]
    total += pixels[..., 1] * shares[1]
    total += pixels[..., 2] * shares[2]
    return np.asarray(total, np.int32)


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode != "RGBA" and "transparency" in image.info:
        # The pixels are the same; without this Pillow warns the whole process that transparency is lost.
        image = image.copy()
        del image.info["transparency"]
    if image.mode == "LAB":
        image = image.convert("RGB")
    return image.convert(mode)


def to_eight_bits(image: Image.Image) -> Image.Image:
    """Return an image of 16-bit samples as one of 8, by the high byte; raises as `to_colour` does."""
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
