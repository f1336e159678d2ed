"""Compares what Convoy makes of a picture with what the function makes of it that the recipe is named after.

A row of the table in docs/preprocessing.md is a `Row` here, and so is a test: the page states no bound that is not
asserted, and `python docs/preprocessing.py` measures on more pictures and sizes than `make test` has time for.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.model.recipe import Color, Recipe
from service.model.tensors import ImageLayout
from tests.parity.oracles import CHANNELS, Size
from tests.parity.pictures import Picture

Array = NDArray[Any]

EXACT = 0.0
ROUNDINGS = 2e-3
"""What float32 sums in another order may differ by, of 255: four times what was measured."""
ONE_LEVEL = 1.0
"""The last of 8 bits."""

COLORS: tuple[Color, ...] = ("rgb", "grayscale", "rgba")


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
    """What a row is tried on: `kinds` to decode, `photos` to resize to each of `sizes`, `large` ones to the last."""

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


def paired(oracle: Array | None, picture: Picture, what: str, **recipe: Any) -> Iterator[Pair]:
    """Yield a pair, unless the oracle refuses the picture."""
    if oracle is not None:
        yield Pair(f"{picture} {what}", ours(picture, **recipe), oracle)
