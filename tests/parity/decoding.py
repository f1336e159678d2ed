"""Compares decoding: every kind of file, in its own size and in every colour, with each of the three libraries."""

from collections.abc import Callable, Iterator
from itertools import product

from service.model.recipe import Color
from tests.parity import oracles
from tests.parity.pictures import Picture
from tests.parity.rows import COLORS, EXACT, ONE_LEVEL, Pair, Row, Scope, ours, paired

FORMATS = ("JPEG", "PNG", "BMP", "GIF", "WebP", "TIFF")
_DEEP_TO_GRAY = "PNG of 16-bit colours in grayscale"
DEEP_COLOURS = ("PNG RGB 16 bits", "PNG RGBA 16 bits")
# Keras' `load_img` clips or keeps more than 8 bits, which no model was meant to see.
DEEP_GRAYS = ("PNG L 16 bits", "TIFF 16 bits")


def _decoded_by_pillow(kind: str) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), COLORS):
            if picture.kind not in DEEP_GRAYS:
                expected = oracles.load_img(picture, color=color, size=None)
                yield Pair(f"{picture} {color}", ours(picture, recipe="keras.load_img", color=color), expected)

    return pairs


def _decoded_by_tensorflow(kind: str, *, deep_grays: bool = False) -> Callable[[Scope], Iterator[Pair]]:
    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), COLORS):
            if (picture.kind in DEEP_COLOURS and color == "grayscale") == deep_grays:
                expected = oracles.decoded_by_tensorflow(picture.data, color)
                yield from paired(expected, picture, color, recipe="keras.image_dataset", color=color)

    return pairs


def _decoded_by_opencv(kind: str, *, deep_grays: bool = False) -> Callable[[Scope], Iterator[Pair]]:
    colors: tuple[Color, ...] = ("bgr", "grayscale")

    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, color in product(_of(scope, kind), colors):
            if (picture.kind in DEEP_COLOURS and color == "grayscale") == deep_grays:
                expected = oracles.decoded_by_opencv(picture.data, color)
                yield from paired(expected, picture, color, recipe="opencv", color=color, exif=True)

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
