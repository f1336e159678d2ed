"""Owns resizing with Pillow, as `keras.utils.load_img` does it: antialiased but for nearest, rounded to 8 bits."""

from collections.abc import Callable
from math import ceil

from PIL import Image

from service.errors import TooLargeError
from service.model.recipe import Recipe, Resize
from service.model.recipes import NAMED_RECIPES

_LONGEST_RATIO = 64
"""Longer side of a picture that is resized by its shorter one: a line of 20,000 pixels would become gigabytes."""
_FILTERS: dict[Resize, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def resize(image: Image.Image, size: tuple[int | None, int | None], recipe: Recipe) -> Image.Image:
    """Return `image` at `size` (height, width); None keeps the image's own side.

    `stretch` ignores the aspect ratio; `crop` cuts centrally to the target's first (Keras' `keep_aspect_ratio`, or at
    fractions of a pixel as `ImageOps.fit` does); `pad` fits the whole image in and centres it on zeros.
    """
    method = _FILTERS[recipe.resize]
    if recipe.shortest_edge is not None:
        image = _to_shortest_edge(image, recipe.shortest_edge, method)
    target = (size[1] or image.width, size[0] or image.height)
    if image.size == target:
        return image
    if recipe.shortest_edge is not None:
        return _centre(image, target)
    return _FITS[_way(recipe)](image, target, method)


def _way(recipe: Recipe) -> str:
    exactly = recipe.fit == "crop" and NAMED_RECIPES[recipe.recipe].crops_exactly
    return "crop exactly" if exactly else recipe.fit


def _stretch(image: Image.Image, target: tuple[int, int], method: Image.Resampling) -> Image.Image:
    return image.resize(target, method)


def _crop(image: Image.Image, target: tuple[int, int], method: Image.Resampling) -> Image.Image:
    # The arithmetic of keras.utils.load_img(keep_aspect_ratio=True), Keras 3.15, image_utils.py. Of a very long picture
    # it can leave a box of no height: Pillow then stretches the line in the middle, in Keras as here.
    width, height = image.size
    crop_height = min(height, (width * target[1]) // target[0])
    crop_width = min(width, (height * target[0]) // target[1])
    top, left = (height - crop_height) // 2, (width - crop_width) // 2
    return image.resize(target, method, box=(left, top, left + crop_width, top + crop_height))


def _crop_exactly(image: Image.Image, target: tuple[int, int], method: Image.Resampling) -> Image.Image:
    # The arithmetic of PIL.ImageOps.fit, Pillow 13, with its defaults: no bleed, centred.
    width, height = image.size
    is_wide = width / height >= target[0] / target[1]
    crop_width = target[0] * height / target[1] if is_wide else width
    crop_height = height if is_wide else width * target[1] / target[0]
    left, top = (width - crop_width) * 0.5, (height - crop_height) * 0.5
    return image.resize(target, method, box=(left, top, left + crop_width, top + crop_height))


def _pad(image: Image.Image, target: tuple[int, int], method: Image.Resampling) -> Image.Image:
    # The arithmetic of tf.image.resize_with_pad (Keras' pad_to_aspect_ratio), in integers, and never 0 pixels wide.
    width, height = image.size
    scale, unit = min((target[0], width), (target[1], height), key=lambda side: side[0] / side[1])
    inner = (max(1, width * scale // unit), max(1, height * scale // unit))
    left, top = (
        max(0, (side * unit - own * scale) // (2 * unit)) for side, own in zip(target, image.size, strict=True)
    )
    canvas = Image.new(image.mode, target)
    canvas.paste(image.resize(inner, method), (left, top))
    return canvas


def _to_shortest_edge(image: Image.Image, edge: int, method: Image.Resampling) -> Image.Image:
    # transformers.image_transforms.get_resize_output_image_size, default_to_square=False.
    width, height = image.size
    longest = int(edge * max(image.size) / min(image.size))
    if longest > edge * _LONGEST_RATIO:
        raise TooLargeError(
            f"The image is {width}x{height}; this model resizes the shorter side to {edge} pixels, so the longer one "
            f"may be {_LONGEST_RATIO} times as long at most."
        )
    return image.resize((edge, longest) if width <= height else (longest, edge), method)


def _centre(image: Image.Image, target: tuple[int, int]) -> Image.Image:
    # transformers.image_transforms.center_crop: what is too small gets zeros around it, the odd one at the start.
    left, top = (
        (have - want) // 2 if have >= want else -ceil((want - have) / 2)
        for have, want in zip(image.size, target, strict=True)
    )
    return image.crop((left, top, left + target[0], top + target[1]))


_FITS: dict[str, Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]] = {
    "stretch": _stretch,
    "crop": _crop,
    "crop exactly": _crop_exactly,
    "pad": _pad,
}
