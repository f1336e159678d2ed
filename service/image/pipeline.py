"""Owns the walk of a picture: decode, turn, colour, resize, scale, lay out; each by the library of its recipe."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import MisfitError, RequestError, UndecodableImageError
from service.image import cv_resize, tf_resize
from service.image.colour import mode_of, orientation_of, to_colour, upright, upright_pixels
from service.image.cv_decode import decode_as_opencv
from service.image.decode import ImageLimits, OpenedImage, open_image, refusing
from service.image.fit import Resizing, fit
from service.image.plain_png import plain_png
from service.image.resize import resize
from service.image.scale import scale
from service.image.tf_decode import decode_as_tensorflow
from service.model.recipe import Color, Recipe
from service.model.recipes import Library, library_of
from service.model.tensors import ImageLayout

Size = tuple[int | None, int | None]


@dataclass(frozen=True, slots=True)
class DecodedPicture:
    """A picture in the colours of a recipe, upright where that asks for it; `pixels` (height, width, channels).

    `format`, `mode` (as Pillow names it) and `size` (height, width) are those of the file; `orientation` is the EXIF
    orientation that it was turned from.
    """

    pixels: Image.Image | NDArray[np.uint8]
    format: str
    mode: str
    size: tuple[int, int]
    orientation: int | None = None


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
    """Turn an encoded image into one input by `recipe`: `decode_picture`, `fit_pixels` and `finish` in one."""
    decoded = decode_picture(data, recipe=recipe, limits=limits)
    array = finish(fit_pixels(decoded, recipe=recipe, layout=layout), recipe=recipe, layout=layout, dtype=dtype)
    return PreparedImage(array, decoded.format, decoded.size)


def decode_picture(data: bytes, *, recipe: Recipe, limits: ImageLimits) -> DecodedPicture:
    """Decode the first frame of an encoded image with the library, the colours and the orientation of `recipe`.

    Nothing else of the recipe counts here. Raises UndecodableImageError or TooLargeError.
    """
    library = library_of(recipe.recipe)
    plain = plain_png(data, limits=limits) if library == "pillow" else None
    if plain is not None:
        return _plain(*plain, recipe.color)
    opened = open_image(data, limits=limits)
    with refusing(opened.format, limits):
        pixels, orientation = _DECODERS[library](opened, recipe)
    return DecodedPicture(pixels, opened.format, opened.mode, opened.header.size[::-1], orientation)


def _plain(pixels: NDArray[np.uint8], mode: str, color: Color) -> DecodedPicture:
    """Return a plain PNG, its pixels (height, width, channels), in the colours of a recipe."""
    size = pixels.shape[:2]
    if mode == mode_of(color):
        return DecodedPicture(pixels, "PNG", mode, size)
    return DecodedPicture(_in_color(_to_image(pixels), "PNG", color), "PNG", mode, size)


def _to_image(pixels: NDArray[np.uint8]) -> Image.Image:
    return Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)


def fit_pixels(decoded: DecodedPicture, *, recipe: Recipe, layout: ImageLayout) -> NDArray[Any]:
    """Return the pixels (height, width, channels) at the size of the input; uint8, or float32 in 0..255.

    A side that `layout` fixes is kept to; where that is free the recipe's counts, and else the picture's own. Raises
    MisfitError where the recipe's colours are not as many as the input's channels.
    """
    size = (layout.height or recipe.size[0], layout.width or recipe.size[1])
    pixels = _fitted(decoded.pixels, recipe, size)
    if pixels.shape[-1] != layout.channels:
        raise MisfitError(
            f"The recipe's color {recipe.color} has {pixels.shape[-1]} channels and the model's input "
            f"{layout.channels}; set another color in its model.toml."
        )
    return pixels


def finish(pixels: NDArray[Any], *, recipe: Recipe, layout: ImageLayout, dtype: str) -> NDArray[Any]:
    """Return fitted pixels scaled and laid out as the input has them, without a batch axis; see `scale`."""
    return _laid_out(scale(pixels, recipe, dtype=dtype), layout)


def _fitted(pixels: Image.Image | NDArray[np.uint8], recipe: Recipe, size: Size) -> NDArray[Any]:
    if isinstance(pixels, Image.Image):
        array = np.asarray(resize(pixels, size, recipe))
        return array if array.ndim == 3 else array[..., np.newaxis]
    target = (size[0] or pixels.shape[0], size[1] or pixels.shape[1])
    if library_of(recipe.recipe) == "pillow":
        fits = pixels.shape[:2] == target and recipe.shortest_edge is None
        return pixels if fits else _fitted(_to_image(pixels), recipe, size)
    return fit(pixels, target, how=recipe.fit, resize=_RESIZERS[library_of(recipe.recipe)](recipe))


def _with_pillow(opened: OpenedImage, recipe: Recipe) -> tuple[Image.Image, int | None]:
    image: Image.Image = opened.load()
    orientation = orientation_of(image) if recipe.exif else None
    return _in_color(upright(image, orientation), opened.format, recipe.color), orientation


def _in_color(image: Image.Image, format_name: str, color: Color) -> Image.Image:
    try:
        return to_colour(image, color)
    except RequestError:
        raise
    except Exception as error:
        raise UndecodableImageError(
            f"The {format_name} image has colours ({image.mode}) that cannot be converted to {color}."
        ) from error


def _exactly(
    decode: Callable[[OpenedImage, Color], NDArray[np.uint8]], opened: OpenedImage, recipe: Recipe
) -> tuple[NDArray[np.uint8], int | None]:
    pixels = decode(opened, recipe.color)
    orientation = orientation_of(opened.header) if recipe.exif else None
    return upright_pixels(pixels, orientation), orientation


_Decode = Callable[[OpenedImage, Recipe], tuple[Image.Image | NDArray[np.uint8], int | None]]
_DECODERS: Mapping[Library, _Decode] = {
    "pillow": _with_pillow,
    "tensorflow": partial(_exactly, decode_as_tensorflow),
    "opencv": partial(_exactly, decode_as_opencv),
}


def _tensorflow_resize(recipe: Recipe) -> Resizing:
    return partial(tf_resize.resize, method=recipe.resize, antialias=recipe.antialias)


def _opencv_resize(recipe: Recipe) -> Resizing:
    return partial(cv_resize.resize, method=recipe.resize)


_RESIZERS: Mapping[Library, Callable[[Recipe], Resizing]] = {
    "tensorflow": _tensorflow_resize,
    "opencv": _opencv_resize,
}


def _laid_out(array: NDArray[Any], layout: ImageLayout) -> NDArray[Any]:
    if layout.is_flat:
        return np.ascontiguousarray(array).reshape(-1)
    if not layout.has_channel_axis:
        return np.ascontiguousarray(array[..., 0])
    if layout.order == "channels_first":
        array = array.transpose(2, 0, 1)
    return np.ascontiguousarray(array)
