"""Owns the walk of a picture: decode, turn, colour, resize, scale, lay out."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import MisfitError, RequestError, UndecodableImageError
from service.image.colour import to_colour, upright
from service.image.decode import ImageLimits, decode
from service.image.resize import resize
from service.image.scale import scale
from service.model.recipe import Recipe
from service.model.tensors import ImageLayout


@dataclass(frozen=True, slots=True)
class PreparedImage:
    """What a model is given for a picture: `array` of one item's shape (no batch axis), C-contiguous.

    `format` and `size` (height, width) are those of the file.
    """

    array: NDArray[Any]
    format: str
    size: tuple[int, int]


def picture_to_input(
    data: bytes, *, recipe: Recipe, layout: ImageLayout, dtype: str, limits: ImageLimits
) -> PreparedImage:
    """Turn an encoded image into one input by `recipe`.

    A side that `layout` fixes is kept to; where that is free the recipe's counts, and else the image's own. Raises
    UndecodableImageError or TooLargeError, and MisfitError where the recipe cannot lead to this input.
    """
    decoded = decode(data, limits=limits)
    try:
        pixels = _pixels(decoded.image, recipe, layout)
    except RequestError:
        raise
    except Exception as error:
        raise UndecodableImageError(
            f"The {decoded.format} image has colours ({decoded.image.mode}) that cannot be converted to {recipe.color}."
        ) from error
    array = _laid_out(scale(pixels, recipe, dtype=dtype), layout)
    return PreparedImage(array, decoded.format, decoded.size)


def _pixels(image: Image.Image, recipe: Recipe, layout: ImageLayout) -> NDArray[np.uint8]:
    if recipe.exif:
        image = upright(image)
    size = (layout.height or recipe.size[0], layout.width or recipe.size[1])
    image = resize(to_colour(image, recipe.color), size, method=recipe.resize, fit=recipe.fit)
    pixels = np.asarray(image)
    pixels = pixels if pixels.ndim == 3 else pixels[..., np.newaxis]
    if pixels.shape[-1] != layout.channels:
        raise MisfitError(
            f"The recipe's color {recipe.color} has {pixels.shape[-1]} channels and the model's input "
            f"{layout.channels}; set another color in its model.toml."
        )
    return pixels


def _laid_out(array: NDArray[Any], layout: ImageLayout) -> NDArray[Any]:
    if layout.is_flat:
        return np.ascontiguousarray(array).reshape(-1)
    if not layout.has_channel_axis:
        return np.ascontiguousarray(array[..., 0])
    if layout.order == "channels_first":
        array = array.transpose(2, 0, 1)
    return np.ascontiguousarray(array)
