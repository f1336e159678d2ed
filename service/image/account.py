"""Owns the account of a picture's walk: every conversion that a recipe applied to it, in words and in order."""

from collections.abc import Iterator

from service.image.pipeline import DecodedPicture
from service.model.recipe import MeanStd, NamedScale, Recipe, Rescale
from service.model.recipes import NAMED_RECIPES, Library, library_of

_BY: dict[Library, str] = {
    "pillow": "with Pillow",
    "tensorflow": "as TensorFlow does",
    "opencv": "as OpenCV does",
}
_SAME_MODES = {"rgb": ("RGB",), "bgr": ("RGB",), "grayscale": ("L",), "rgba": ("RGBA",)}
_COLORS = {"rgb": "RGB", "bgr": "RGB", "grayscale": "grayscale", "rgba": "RGBA"}
_SCALES: dict[NamedScale, str] = {
    "0..255": "not scaled: 0..255",
    "0..1": "scaled to 0..1: x / 255",
    "-1..1": "scaled to -1..1: x / 127.5 - 1",
    "caffe": "channels turned to blue, green, red; means 103.939, 116.779, 123.68 taken off (caffe)",
    "torch": "scaled: (x / 255 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225] (torch)",
}


def conversions(decoded: DecodedPicture, *, recipe: Recipe, size: tuple[int, int], dtype: str) -> tuple[str, ...]:
    """Return every conversion from the file to the input of `size` (height, width) and `dtype`, one sentence each."""
    steps = (
        *_decoding(decoded, recipe),
        *_fitting(_size_of(decoded), size, recipe),
        *_scaling(recipe, dtype),
    )
    return tuple(steps)


def _size_of(decoded: DecodedPicture) -> tuple[int, int]:
    height, width = decoded.size
    is_turned = decoded.orientation is not None and decoded.orientation > 4
    return (width, height) if is_turned else (height, width)


def _decoding(decoded: DecodedPicture, recipe: Recipe) -> Iterator[str]:
    yield f"decoded {decoded.format} {_pixels(decoded.size)} {decoded.mode} {_BY[library_of(recipe.recipe)]}"
    if decoded.orientation is not None:
        yield f"turned upright from EXIF orientation {decoded.orientation}"
    if decoded.mode not in _SAME_MODES[recipe.color]:
        yield f"converted from {decoded.mode} to {_COLORS[recipe.color]}"


def _fitting(before: tuple[int, int], size: tuple[int, int], recipe: Recipe) -> Iterator[str]:
    if recipe.shortest_edge is not None:
        yield f"resized {recipe.resize} to {recipe.shortest_edge} pixels on the shorter side"
        yield f"centre of {_pixels(size)} cut out"
    elif before != size:
        yield f"{_FIT[recipe.fit]}resized {_method(recipe)} from {_pixels(before)} to {_pixels(size)}"


_FIT = {"stretch": "", "crop": "cut to the centre and ", "pad": "padded with black and "}


def _method(recipe: Recipe) -> str:
    exactly = "at fractions of a pixel, " if recipe.fit == "crop" and NAMED_RECIPES[recipe.recipe].crops_exactly else ""
    return f"{exactly}{recipe.resize}{' antialiased' if recipe.antialias else ''}"


def _scaling(recipe: Recipe, dtype: str) -> Iterator[str]:
    if recipe.invert:
        yield "inverted: 255 - x"
    if recipe.color == "bgr":
        yield "channels turned to blue, green, red"
    yield f"kept as {dtype}: 0..255" if "int" in dtype else _scale(recipe)
    if recipe.samplewise_center or recipe.samplewise_std_normalization:
        yield "the picture's own mean taken off"
    if recipe.samplewise_std_normalization:
        yield "divided by the picture's own standard deviation"


def _scale(recipe: Recipe) -> str:
    scale = recipe.scale
    if isinstance(scale, MeanStd):
        return f"scaled: (x / 255 - {list(scale.mean)}) / {list(scale.std)}"
    if isinstance(scale, Rescale):
        return f"scaled: x * {scale.factor:g}" + (f" + {scale.offset:g}" if scale.offset else "")
    if scale == "caffe" and recipe.color == "bgr":
        return "means 103.939, 116.779, 123.68 taken off (caffe)"
    return _SCALES[scale]


def _pixels(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
