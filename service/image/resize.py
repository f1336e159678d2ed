"""Owns resizing with Pillow, as `keras.utils.load_img` does it: antialiased but for nearest, rounded to 8 bits."""

from collections.abc import Callable

from PIL import Image

from service.model.recipe import Fit, Resize

_FILTERS: dict[Resize, Image.Resampling] = {
    "nearest": Image.Resampling.NEAREST,
    "bilinear": Image.Resampling.BILINEAR,
    "bicubic": Image.Resampling.BICUBIC,
    "lanczos": Image.Resampling.LANCZOS,
    "box": Image.Resampling.BOX,
    "hamming": Image.Resampling.HAMMING,
}


def resize(image: Image.Image, size: tuple[int | None, int | None], *, method: Resize, fit: Fit) -> Image.Image:
    """Return `image` at `size` (height, width); None keeps the image's own side.

    `stretch` ignores the aspect ratio; `crop` cuts centrally to the target's first (Keras' `keep_aspect_ratio`);
    `pad` fits the whole image in and centres it on zeros.
    """
    target = (size[1] or image.width, size[0] or image.height)
    if image.size == target:
        return image
    return _FITS[fit](image, target, _FILTERS[method])


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


_FITS: dict[Fit, Callable[[Image.Image, tuple[int, int], Image.Resampling], Image.Image]] = {
    "stretch": _stretch,
    "crop": _crop,
    "pad": _pad,
}
