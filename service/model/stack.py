"""Owns how layers hang together, and where a stack turns its maps into a vector: Flatten, global pooling, another."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from service.errors import UnknownLayerError
from service.model.layers import Layer
from service.model.tensors import Shape, is_map

NO_LAYERS = "The saved file does not hold its layers."
NO_MAPS = "The model works on vectors: there are no maps to turn into one."
NO_PLACES = "The model's maps have one place each: they are vectors already, and nothing turns them into one."
NO_VECTOR = "The model's output is a map: nothing turns maps into a vector."
_VECTOR_AXES = 2
_SHOWN = 100
"""Letters of an unknown name that are told; no layer's is longer in earnest."""


class Stack:
    """The layers of a model with what feeds each, nested models' layers under their path."""

    def __init__(self, layers: Sequence[Layer]) -> None:
        self.layers = tuple(layers)
        self._named = {one.name: one for one in layers}
        self._feeding = {name for one in layers for name in one.inbound}

    def feeds_of(self, layer: Layer) -> list[Layer]:
        """Return the layers that feed `layer`."""
        return [self._named[name] for name in layer.inbound if name in self._named]

    def before(self, layer: Layer) -> list[Layer]:
        """Return every layer on the ways from the inputs to `layer`, each once, the nearest first."""
        found: dict[str, Layer] = {}
        waiting = self.feeds_of(layer)
        while waiting:
            one = waiting.pop(0)
            if one.name not in found:
                found[one.name] = one
                waiting += self.feeds_of(one)
        return list(found.values())

    def last(self) -> list[Layer]:
        """Return the layers that feed no other, in their order."""
        return [one for one in self.layers if one.name not in self._feeding]


@dataclass(frozen=True, slots=True)
class ToVector:
    """A `layer` whose input is a map of `item` shape (no batch axis) and whose output is one vector."""

    layer: Layer
    item: Shape

    @property
    def length(self) -> int | None:
        """Return the number of values of the vector, None where a free axis leaves it open."""
        lengths = [axis for axis in shapes_in(self.layer.output_shape)[0][1:] if axis != 1]
        return lengths[0] if lengths else 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; `order`, first axis slowest, is a Flatten's alone."""
        shown = {"by": self.layer.type, "layer": self.layer.name, "from": list(self.item), "to": self.length}
        return shown | ({"order": self.layer.order} if self.layer.order else {})

    def __str__(self) -> str:
        length = "of free length" if self.length is None else f"of {self.length:,}"
        order = f", in the order {self.layer.order}" if self.layer.order else ""
        maps = "x".join("?" if axis is None else str(axis) for axis in self.item)
        return f"{self.layer.name} ({self.layer.type}) turns maps of {maps} into a vector {length}{order}."


def maps_to_vector(layers: Sequence[Layer]) -> tuple[ToVector, ...]:
    """Return each layer that turns maps into a vector for good, in the order of `layers`; several on branches.

    It is looked for from the end: the pooling of a squeeze-and-excite block, which goes back to maps, does not count.
    """
    stack = Stack(layers)
    found: dict[str, ToVector] = {}
    waiting = [one for one in stack.last() if not any(map(is_map, shapes_in(one.output_shape)))]
    passed: set[str] = set()
    while waiting:
        layer = waiting.pop()
        maps = [shape for shape in shapes_in(layer.input_shape) if is_map(shape)]
        if maps:
            found[layer.name] = ToVector(layer, maps[0][1:])
        elif layer.name not in passed:
            waiting += stack.feeds_of(layer)
        passed.add(layer.name)
    return tuple(found[one.name] for one in layers if one.name in found)


def maps_to_vector_text(layers: Sequence[Layer]) -> str:
    """Say how maps become a vector, or why none does."""
    steps = maps_to_vector(layers)
    if steps:
        return " ".join(map(str, steps))
    if not layers:
        return NO_LAYERS
    shapes = [shape for one in layers for shape in shapes_in(one.output_shape)]
    if any(map(is_map, shapes)):
        return NO_VECTOR
    return NO_PLACES if any(len(shape) > _VECTOR_AXES for shape in shapes) else NO_MAPS


def layer_named(layers: Sequence[Layer] | None, name: str) -> Layer:
    """Return the layer of that name; raises UnknownLayerError, which names the nearest, or says that none is known."""
    if layers is None:
        raise UnknownLayerError(NO_LAYERS)
    found = next((one for one in layers if one.name == name), None)
    if found is None:
        raise UnknownLayerError(_no_layer(name[:_SHOWN], [one.name for one in layers]))
    return found


def _no_layer(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    meant = f" Did you mean {near[0]!r}?" if near else ""
    return f"The model has no layer {name!r}.{meant} GET …/layers lists them; a nested one has its model's name first."


def shapes_in(shape: Shape | tuple[Shape, ...] | None) -> tuple[Shape, ...]:
    """Return the shapes on one side of a layer as a tuple of them: one, several or none."""
    if shape and isinstance(shape[0], tuple):
        return shape
    return () if shape is None else (cast("Shape", shape),)
