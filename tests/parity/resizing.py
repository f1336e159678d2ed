"""Compares resizing: every method and fit of each of the three libraries, in odd sizes."""

from collections.abc import Callable, Iterator
from itertools import product

from service.model.recipe import FITS, Color, Fit, Resize
from service.model.recipes import RESIZES_OF
from tests.parity import oracles
from tests.parity.oracles import Size
from tests.parity.pictures import Picture
from tests.parity.rows import COLORS, EXACT, ONE_LEVEL, ROUNDINGS, Pair, Row, Scope, ours, paired


def _resized_by_load_img(method: Resize) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        fits: tuple[Fit, ...] = ("stretch", "crop")
        for index, ((picture, size), how) in enumerate(product(scope.cases(), fits)):
            color = COLORS[index % len(COLORS)]
            expected = oracles.load_img(
                picture, color=color, size=size, interpolation=method, keep_aspect_ratio=how == "crop"
            )
            found = ours(picture, recipe="keras.load_img", color=color, size=size, resize=method, fit=how)
            yield Pair(f"{picture} {color} {how} {size}", found, expected)

    return pairs


def _resized_by_image_dataset(method: Resize, how: Fit) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for index, size in enumerate(scope.sizes):
            color = COLORS[index % 2]
            pictures = [one for one in scope.photos_for(size) if _is_read(one, color, size if how == "pad" else None)]
            expected = oracles.image_dataset(pictures, color=color, size=size, resize=method, fit=how)
            for picture, tensor in zip(pictures, expected, strict=True):
                found = ours(picture, recipe="keras.image_dataset", color=color, size=size, resize=method, fit=how)
                yield Pair(f"{picture} {color} {size}", found, tensor)

    return pairs


def _is_read(picture: Picture, color: Color, padded_to: Size | None) -> bool:
    pixels = oracles.decoded_by_tensorflow(picture.data, color)
    return pixels is not None and (padded_to is None or oracles.can_be_padded(pixels.shape, padded_to))


def _resized_by_tf_image(method: Resize, *, antialias: bool, how: Fit) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, size in scope.cases():
            pixels = oracles.decoded_by_tensorflow(picture.data, "rgb")
            if pixels is not None:
                expected = oracles.tf_image(
                    pixels, size=size, resize=method, antialias=antialias, is_padded=how == "pad"
                )
                values = {"size": size, "resize": method, "fit": how, "antialias": antialias}
                yield from paired(expected, picture, f"{size}", recipe="tf.image", **values)

    return pairs


def _resized_by_opencv(method: Resize) -> Callable[[Scope], Iterator[Pair]]:
    colors: tuple[Color, ...] = ("bgr", "grayscale")

    def pairs(scope: Scope) -> Iterator[Pair]:
        for index, (picture, size) in enumerate(scope.cases()):
            color = colors[index % len(colors)]
            pixels = oracles.decoded_by_opencv(picture.data, color)
            if pixels is not None:
                expected = oracles.opencv(pixels, size=size, resize=method)
                found = ours(picture, recipe="opencv", color=color, size=size, resize=method, exif=True)
                yield Pair(f"{picture} {color} {size}", found, expected)

    return pairs


def _bound_of_tensorflow(method: Resize, *, antialias: bool = False) -> float:
    is_exact = method == "nearest" or (method in ("bilinear", "bicubic") and not antialias)
    return EXACT if is_exact else ROUNDINGS


RESIZING = (
    *(Row("keras.load_img", method, EXACT, _resized_by_load_img(method)) for method in RESIZES_OF["pillow"]),
    *(
        Row(
            "keras.image_dataset",
            f"{method} {how}",
            _bound_of_tensorflow(method),
            _resized_by_image_dataset(method, how),
        )
        for method in RESIZES_OF["tensorflow"]
        for how in FITS
        if how != "crop" or method not in ("gaussian", "mitchellcubic")  # which `smart_resize` refuses
    ),
    *(
        Row(
            "tf.image",
            f"{method}{' antialias' if antialias else ''} {how}",
            _bound_of_tensorflow(method, antialias=antialias),
            _resized_by_tf_image(method, antialias=antialias, how=how),
        )
        for method in RESIZES_OF["tensorflow"]
        for antialias in (False, True)
        for how in FITS
        if how != "crop"
    ),
    *(
        Row("opencv", method, ONE_LEVEL if method in ("bicubic", "lanczos") else EXACT, _resized_by_opencv(method))
        for method in RESIZES_OF["opencv"]
    ),
)  # fmt: skip


def resized(recipe: str, method: str) -> Row:
    """Return the row of a recipe and a method, stretched."""
    return next(one for one in RESIZING if one.recipe == recipe and one.what in (method, f"{method} stretch"))
