"""Compares what Convoy makes of a picture with what the function makes of it that the recipe is named after.

A row of the table in docs/preprocessing.md is a `Row` here, and so is a test: the page states no bound that is not
asserted, and `python docs/preprocessing.py` measures on more pictures and sizes than `make test` has time for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.model.recipe import Color, Fit, MeanStd, Recipe, Rescale, Resize
from service.model.recipes import NAMED_RECIPES, RESIZES_OF
from service.model.tensors import ImageLayout
from tests.parity import oracles
from tests.parity.oracles import CHANNELS, Size
from tests.parity.pictures import Picture

Array = NDArray[Any]

EXACT = 0.0
ROUNDINGS = 2e-3
"""What float32 sums in another order may differ by, of 255: about five times what was measured."""
ONE_LEVEL = 1.0
"""The last of 8 bits."""

_COLORS: tuple[Color, ...] = ("rgb", "grayscale", "rgba")
_FITS: tuple[Fit, ...] = ("stretch", "crop", "pad")
_IMAGENET = MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two tensors of one picture, by Convoy and by the oracle; `name` says which."""

    name: str
    found: Array
    expected: Array


@dataclass(frozen=True, slots=True)
class Measured:
    """How far pairs are apart: how many there were, the largest difference and where, the share of unequal numbers."""

    pairs: int
    largest: float
    worst: str
    share: float


@dataclass(frozen=True, slots=True)
class Scope:
    """What a row is tried on: `kinds` to decode, and `photos` to resize to each of `sizes`; `large` to the last alone."""

    kinds: tuple[Picture, ...]
    photos: tuple[Picture, ...]
    sizes: tuple[Size, ...]
    large: tuple[Picture, ...] = ()

    def photos_for(self, size: Size) -> tuple[Picture, ...]:
        """Return the pictures to bring to `size`."""
        return (*self.photos, *self.large) if size == self.sizes[-1] else self.photos

    def cases(self) -> Iterator[tuple[Picture, Size]]:
        """Yield each picture with each size that it is to be brought to."""
        return ((picture, size) for size in self.sizes for picture in self.photos_for(size))


@dataclass(frozen=True, slots=True)
class Row:
    """One comparison: a recipe, what of it, the largest difference allowed, and how to make the pairs."""

    recipe: str
    what: str
    bound: float
    pairs: Callable[[Scope], Iterable[Pair]]

    def __str__(self) -> str:
        return f"{self.recipe} {self.what}"


def measured(pairs: Iterable[Pair]) -> Measured:
    """Return how far pairs are apart; raises AssertionError for tensors of different shapes."""
    count, numbers, unequal, largest, worst = 0, 0, 0, 0.0, ""
    for pair in pairs:
        assert pair.found.shape == pair.expected.shape, (pair.name, pair.found.shape, pair.expected.shape)
        apart = np.abs(pair.found.astype(np.float64) - pair.expected)
        count, numbers, unequal = count + 1, numbers + apart.size, unequal + int(np.count_nonzero(apart))
        if apart.max(initial=0) > largest:
            largest, worst = float(apart.max()), pair.name
    return Measured(count, largest, worst, unequal / max(1, numbers))


def ours(picture: Picture, *, recipe: str, color: Color = "rgb", size: Size | None = None, **values: Any) -> Array:
    """Return what a model of this size would be given for a picture, in float32 and 0..255 unless `values` scale."""
    height, width = size or (None, None)
    made = Recipe(color=color, size=(height, width), recipe=recipe, **{"scale": "0..255", **values})
    layout = ImageLayout(height, width, CHANNELS[color])
    return picture_to_input(
        picture.data, recipe=made, layout=layout, dtype="float32", limits=ImageLimits(max_side=40_000)
    ).array


def _paired(oracle: Array | None, picture: Picture, what: str, **recipe: Any) -> Iterator[Pair]:
    """Yield a pair, unless the oracle refuses the picture."""
    if oracle is not None:
        yield Pair(f"{picture} {what}", ours(picture, **recipe), oracle)


# ---------------------------------------------------------------------------------------------------- decoding

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WebP", "TIFF")
_DEEP_TO_GRAY = "PNG of 16-bit colours in grayscale"
DEEP_COLOURS = ("PNG RGB 16 bits", "PNG RGBA 16 bits")
# Keras' `load_img` clips or keeps more than 8 bits, which no model was meant to see.
DEEP_GRAYS = ("PNG L 16 bits", "TIFF 16 bits")


def _decoded_by_pillow(kind: str) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), _COLORS):
            if picture.kind not in DEEP_GRAYS:
                expected = oracles.load_img(picture, color=color, size=None)
                yield Pair(f"{picture} {color}", ours(picture, recipe="keras.load_img", color=color), expected)

    return pairs


def _decoded_by_tensorflow(kind: str, *, deep_grays: bool = False) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), _COLORS):
            if (picture.kind in DEEP_COLOURS and color == "grayscale") == deep_grays:
                expected = oracles.decoded_by_tensorflow(picture.data, color)
                yield from _paired(expected, picture, color, recipe="keras.image_dataset", color=color)

    return pairs


def _decoded_by_opencv(kind: str, *, deep_grays: bool = False) -> Callable[[Scope], Iterator[Pair]]:
    colors: tuple[Color, ...] = ("bgr", "grayscale")

    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), colors):
            if (picture.kind in DEEP_COLOURS and color == "grayscale") == deep_grays:
                expected = oracles.decoded_by_opencv(picture.data, color)
                yield from _paired(expected, picture, color, recipe="opencv", color=color, exif=True)

    return pairs


def _of(scope: Scope, kind: str) -> Iterator[Picture]:
    return (one for one in scope.kinds if one.kind.startswith(kind))


DECODING = (
    *(Row("keras.load_img", f"{kind}", EXACT, _decoded_by_pillow(kind)) for kind in FORMATS),
    *(Row("keras.image_dataset", f"{kind}", EXACT, _decoded_by_tensorflow(kind)) for kind in FORMATS[:-1]),
    Row("keras.image_dataset", _DEEP_TO_GRAY, ONE_LEVEL, _decoded_by_tensorflow("PNG", deep_grays=True)),
    *(Row("opencv", f"{kind}", EXACT, _decoded_by_opencv(kind)) for kind in FORMATS),
    Row("opencv", _DEEP_TO_GRAY, ONE_LEVEL, _decoded_by_opencv("PNG", deep_grays=True)),
)  # fmt: skip


# ---------------------------------------------------------------------------------------------------- resizing


def _resized_by_load_img(method: Resize) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        fits: tuple[Fit, ...] = ("stretch", "crop")
        for index, ((picture, size), how) in enumerate(product(scope.cases(), fits)):
            color = _COLORS[index % len(_COLORS)]
            expected = oracles.load_img(
                picture, color=color, size=size, interpolation=method, keep_aspect_ratio=how == "crop"
            )
            found = ours(picture, recipe="keras.load_img", color=color, size=size, resize=method, fit=how)
            yield Pair(f"{picture} {color} {how} {size}", found, expected)

    return pairs


def _resized_by_image_dataset(method: Resize, how: Fit) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for index, size in enumerate(scope.sizes):
            color = _COLORS[index % 2]
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
                yield from _paired(expected, picture, f"{size}", recipe="tf.image", **values)

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
        for how in _FITS
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
        for how in _FITS
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


# ----------------------------------------------------------------------------------------------- whole recipes

_STANDARDIZED: tuple[dict[str, Any], ...] = (
    {"rescale": 1 / 255},
    {"samplewise_center": True},
    {"samplewise_std_normalization": True},
    {"rescale": 1 / 127.5, "samplewise_center": True, "samplewise_std_normalization": True},
)


def _by_flow_from_directory(options: dict[str, Any]) -> Callable[[Scope], Iterator[Pair]]:
    values = {name: value for name, value in options.items() if name != "rescale"}
    factor = options.get("rescale")
    scale = "0..255" if factor is None else Rescale(factor)

    def pairs(scope: Scope) -> Iterator[Pair]:
        # NOTE: the generator stacks a batch of tensors, so that all have the size of its target.
        for color, size in zip(_COLORS, scope.sizes, strict=False):
            expected = oracles.flow_from_directory(scope.photos, color=color, size=size, **options)
            for picture, tensor in zip(scope.photos, expected, strict=True):
                found = ours(
                    picture,
                    recipe="keras.flow_from_directory",
                    color=color,
                    size=size,
                    resize="nearest",
                    scale=scale,
                    **values,
                )
                yield Pair(f"{picture} {color} {size}", found, tensor)

    return pairs


def _by_application(module: str) -> Callable[[Scope], Iterator[Pair]]:
    name = f"applications.{module}"
    implied = NAMED_RECIPES[name].implied

    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, size in product(scope.photos, ((224, 224), (64, 96))):
            yield Pair(
                f"{picture} {size}",
                ours(picture, recipe=name, size=size, **implied),
                oracles.application(picture, module, size=size),
            )

    return pairs


def _by_teachable_machine(scope: Scope) -> Iterator[Pair]:
    recipe = "teachable-machine"
    for picture, size in product((*scope.kinds, *scope.photos), ((224, 224), (96, 100))):
        if picture.kind not in DEEP_GRAYS:
            found = ours(picture, recipe=recipe, size=size, **NAMED_RECIPES[recipe].implied)
            yield Pair(f"{picture} {size}", found, oracles.teachable_machine(picture, size=size))


def _by_huggingface(edge: int | None) -> Callable[[Scope], Iterator[Pair]]:
    filters: tuple[tuple[Resize, Image.Resampling], ...] = (
        ("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS), ("nearest", Image.Resampling.NEAREST),
    )  # fmt: skip

    def pairs(scope: Scope) -> Iterator[Pair]:
        for index, (picture, size) in enumerate(product(scope.photos, ((224, 224), (64, 91)))):
            resize, resample = filters[index % len(filters)]
            found = ours(picture, recipe="huggingface", size=size, resize=resize, scale=_IMAGENET, shortest_edge=edge)
            mean, std = np.array(_IMAGENET.mean), np.array(_IMAGENET.std)
            expected = oracles.huggingface(picture, edge=edge, size=size, resample=resample, mean=mean, std=std)
            yield Pair(f"{picture} {resize} {size}", found, expected)

    return pairs


WHOLE = (
    *(
        Row("keras.flow_from_directory", ", ".join(options), EXACT, _by_flow_from_directory(options))
        for options in _STANDARDIZED
    ),
    Row("teachable-machine", "its published snippet", EXACT, _by_teachable_machine),
    *(
        Row(name, "load_img, preprocess_input", EXACT, _by_application(name.removeprefix("applications.")))
        for name in NAMED_RECIPES
        if name.startswith("applications.")
    ),
    Row("huggingface", "resize to size", EXACT, _by_huggingface(None)),
    *(
        Row("huggingface", f"shortest edge {edge}, centre crop", EXACT, _by_huggingface(edge))
        for edge in (40, 224, 256)
    ),
)  # fmt: skip
