"""Owns where a unit looks: its place in the map that it is of, and the rectangle of each input that it depends on.

A rectangle is in pixels of the model's input, as the recipe gives it: what Convoy cut or resized before is not in it.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from service.errors import MisfitError, UnknownLayerError, UnknownUnitError
from service.model.card import ModelCard
from service.model.description import InputFacts
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.regions.picture import Pictures, Region, Size
from service.model.regions.seen import Sizes
from service.model.regions.walk import Walk
from service.model.stack import NO_LAYERS, layer_named, shapes_in

_MAP = ("row", "column", "channel")
_KEPT = 8
"""Models and sizes of pictures whose way back is kept."""


@dataclass(frozen=True, slots=True)
class Unit:
    """One number that a layer gives.

    `row`, `column` and `channel` count in the map that the layer `map` gives: the layer itself, or for a Flatten the
    one whose map it flattened. They are None where that has no such axis; a number of a vector is its `channel`.
    `regions` has one for each input that can influence the unit, in the model's order; an empty one where none can.
    """

    layer: str
    index: int
    map: str
    row: int | None
    column: int | None
    channel: int | None
    regions: tuple[Region, ...]


def unit_at(
    layers: Sequence[Layer], inputs: Sequence[InputFacts], tap: LayerTap, index: int, *, sizes: Mapping[str, Size]
) -> Unit:
    """Return where one number that a layer gives looks; `index` counts the first axis of its output slowest.

    `sizes` has height and width of inputs whose sides are free. Raises UnknownLayerError and UnknownUnitError where
    there is no such thing, MisfitError where a size is missing or too small.
    """
    layer = _layer(layers, tap)
    pictures, walk = _looked_through(tuple(layers), tuple(inputs), tuple(sizes.items()))
    given = walk.sizes(tap)
    if given is None:
        raise MisfitError(f"How many numbers {tap.layer} gives for a picture of this size cannot be told.")
    _check_index(layer, given, index)
    source, place = walk.origin(tap, index)
    names = _axes(_layer(layers, source), walk.sizes(source) or ())
    places = dict(zip(names, map(int, np.unravel_index(place, walk.sizes(source) or ())), strict=False))
    return Unit(
        layer=tap.layer,
        index=index,
        map=source.layer,
        row=places.get("row"),
        column=places.get("column"),
        channel=places.get("channel"),
        regions=pictures.regions(walk.seen(tap, index)),
    )


@lru_cache(maxsize=_KEPT)
def _looked_through(
    layers: tuple[Layer, ...], inputs: tuple[InputFacts, ...], sizes: tuple[tuple[str, Size], ...]
) -> tuple[Pictures, Walk]:
    """Return the walk through a model for pictures of one size: a page asks for one unit after another."""
    pictures = Pictures(layers, inputs, dict(sizes))
    return pictures, Walk(layers, pictures.sizes)


def unit_of(card: ModelCard, tap: LayerTap, index: int, *, size: Size | None = None) -> Unit:
    """Return where one number of a served model looks; see `unit_at`.

    `size` is that of the picture where the model takes any; without it the one that the recipe resizes to, if any.
    """
    if card.facts.layers is None:
        raise UnknownLayerError(NO_LAYERS)
    recipes = {one.spec.name: one.recipe.size for one in card.inputs if one.recipe}
    sizes = {name: (height, width) for name, (height, width) in recipes.items() if height and width}
    free = [one.spec.name for one in card.inputs if None in one.spec.item_shape]
    if size is not None and not free and size not in sizes.values():
        taken = " or ".join(f"{height}x{width}" for height, width in dict.fromkeys(sizes.values()))
        raise MisfitError(
            f"The model takes no pictures of {size[0]}x{size[1]}, but {taken or 'numbers alone'}; leave size out."
        )
    given = {} if size is None else dict.fromkeys(free, size)
    return unit_at(card.facts.layers, card.facts.inputs, tap, index, sizes={**sizes, **given})


def _layer(layers: Sequence[Layer], tap: LayerTap) -> Layer:
    """Return the layer of an output; raise where there is no such layer, call or part."""
    found = layer_named(layers, tap.layer)
    calls, parts = len(found.taken), max(len(shapes_in(found.output_shape)), 1)
    if tap.call >= calls or tap.part >= parts:
        raise UnknownUnitError(
            f"{tap.layer} is called {calls} times in this model and gives {parts} tensors each time; call and part "
            f"count them from 0, so send call 0 to {calls - 1} and part 0 to {parts - 1}."
        )
    return found


def _check_index(layer: Layer, sizes: Sizes, index: int) -> None:
    count = math.prod(sizes)
    if index < count:
        return
    shape = "x".join(map(str, sizes))
    order = layer.order or ", ".join(_axes(layer, sizes))
    counted = f", which counts {order}, the first axis slowest" if "," in order else ""
    raise UnknownUnitError(
        f"{layer.name} has no unit {index}. It gives {shape} numbers for a picture: send an index from 0 to "
        f"{count - 1}{counted}."
    )


def _axes(layer: Layer, sizes: Sizes) -> tuple[str, ...]:
    """Return the names of the axes of what a layer gives; none where they are not known."""
    if layer.axes is not None and len(layer.axes) == len(sizes):
        return layer.axes
    return {1: _MAP[2:], 3: _MAP}.get(len(sizes), ())
