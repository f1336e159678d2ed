"""Owns what a region is of: an input of the model, its sizes, and the rectangle of it that is seen."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.errors import MisfitError
from service.model.description import InputFacts
from service.model.layers import Layer
from service.model.regions.moving import refolded
from service.model.regions.seen import Mask, Seen, Sizes, is_nothing, span
from service.model.tensors import image_layout

Size = tuple[int, int]
"""Height and width in pixels."""


@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of one input: rows `top` to before `bottom`, columns `left` to before `right`; empty where nothing.

    An input that is a vector of numbers has one row.
    """

    input: str
    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the rectangle, without the input's name."""
        return {"top": self.top, "left": self.left, "bottom": self.bottom, "right": self.right}


class Pictures:
    """The inputs of a model with these layers; `sizes` has height and width of those whose sides are free.

    Raises MisfitError where a size is missing.
    """

    def __init__(self, layers: Sequence[Layer], inputs: Sequence[InputFacts], sizes: Mapping[str, Size]) -> None:
        self._inputs = inputs
        self._layers = input_layers(layers, inputs)
        self.sizes = {self._layers[one.spec.name]: _filled(one, sizes.get(one.spec.name)) for one in inputs}
        """The sizes of each input without the batch axis, by the name of its layer."""

    def regions(self, seen: Mapping[str, Seen]) -> tuple[Region, ...]:
        """Return the rectangle of each input of which something is seen; an empty one where nothing is."""
        found = [_region(one, seen[self._layers[one.spec.name]]) for one in self._inputs if self._is_in(one, seen)]
        return tuple(found) or (Region(self._inputs[0].spec.name),)

    def _is_in(self, facts: InputFacts, seen: Mapping[str, Seen]) -> bool:
        layer = self._layers[facts.spec.name]
        return layer in seen and not is_nothing(seen[layer])


def input_layers(layers: Sequence[Layer], inputs: Sequence[InputFacts]) -> dict[str, str]:
    """Map each input to its layer: of the same name, as Keras has it, else in the model's order."""
    found = [one.name for one in layers if one.type == "InputLayer" and not one.inbound]
    wanted = [one.spec.name for one in inputs]
    if set(wanted) <= set(found) or len(found) != len(wanted):
        return {name: name for name in wanted}
    return dict(zip(wanted, found, strict=True))


def _filled(facts: InputFacts, size: Size | None) -> Sizes:
    """Return the sizes of an input's item, its free sides as given."""
    item = list(facts.spec.item_shape)
    for axis, side in zip(_sides(facts), size or (None, None), strict=True):
        if axis is not None and item[axis] is None:
            item[axis] = side
    known = tuple(axis for axis in item if axis is not None)
    if len(known) < len(item):
        raise MisfitError(
            f"Where a unit looks depends on the size of the picture, and input {facts.spec.name} takes any: send "
            "?size=HEIGHTxWIDTH, such as ?size=64x64."
        )
    return known


def _sides(facts: InputFacts) -> tuple[int | None, int]:
    """Return which axes of an input's item are its rows and its columns; a vector is one row."""
    rank = len(facts.spec.item_shape)
    first = 1 if rank == 3 and facts.order == "channels_first" else 0
    return (None, 0) if rank < 2 else (first, first + 1)


def _region(facts: InputFacts, seen: Seen) -> Region:
    rows, columns = _masks(facts, seen)
    (top, bottom), (left, right) = span(rows), span(columns)
    return Region(facts.spec.name, top=top, left=left, bottom=bottom, right=right)


def _masks(facts: InputFacts, seen: Seen) -> tuple[Mask, Mask]:
    """Return what is seen of the rows and of the columns; a flat picture is laid out first."""
    layout = image_layout(facts.spec.shape, order=facts.order)
    if layout is not None and layout.is_flat:
        side = math.isqrt(len(seen[0]) // layout.channels)
        rows, columns, _ = refolded(seen, (side, side, layout.channels))
        return rows, columns
    row, column = _sides(facts)
    return (np.ones(1, np.bool_) if row is None else seen[row]), seen[column]
