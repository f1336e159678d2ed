"""Owns what an example costs a model of free size to run, in bytes of memory for each of its numbers."""

import math
from functools import lru_cache

from service.errors import MisfitError
from service.model.description import Description, InputFacts
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.regions.picture import input_layers
from service.model.regions.walk import Walk
from service.model.stack import shapes_in

_NUMBER = 4
_POINTER = 8
"""Bytes of a place that a window looks at: XNNPACK writes down where each lies, and keeps that for each layer."""
_SIDE = 512
"""Places of each free axis of the example that is reckoned with; what it takes grows as its numbers do."""
_KEPT = 32
_UNTOLD = (MisfitError, LookupError, ArithmeticError, TypeError, ValueError)
"""What following layers of another kind than they say ends in: no reason not to serve the model."""
_WINDOWS = ("Conv", "Pooling")


def bytes_per_number(facts: Description) -> float:
    """Return what a run takes beside the weights for each number of an example; 0 where all sizes are fixed.

    It is what the dearest layer takes and gives, and what is kept of windows. Where a layer's sizes cannot be told it
    is what all layers give, 0 where not even that is known.
    """
    if not any(None in one.spec.item_shape for one in facts.inputs):
        return 0.0
    try:
        found = _walked(tuple(facts.layers), tuple(facts.inputs)) if facts.layers else None
    except _UNTOLD:
        found = None
    return facts.insight.bytes_per_number if found is None else found


@lru_cache(maxsize=_KEPT)
def _walked(layers: tuple[Layer, ...], inputs: tuple[InputFacts, ...]) -> float | None:
    """Return the bytes for each number where the sizes of what every layer gives can be told."""
    names = input_layers(layers, inputs)
    items = {names[one.spec.name]: tuple(axis or _SIDE for axis in one.spec.item_shape) for one in inputs}
    walk = Walk(layers, items)
    most, kept = 0, 0
    for layer in layers:
        numbers = _numbers(walk, layer)
        if numbers is None:
            return None
        most = max(most, sum(numbers))
        kept += _POINTER * _looked_at(layer, numbers[-1])
    return (_NUMBER * most + kept) / max(1, sum(map(math.prod, items.values())))


def _numbers(walk: Walk, layer: Layer) -> list[int] | None:
    """Return how many numbers one call of a layer takes from each layer, and gives."""
    given = [LayerTap(layer.name, 0, part) for part in range(max(1, len(shapes_in(layer.output_shape))))]
    sizes = [walk.sizes(one) for one in (*layer.taken[0], *given)]
    known = [math.prod(one) for one in sizes if one is not None]
    if len(known) < len(sizes):
        return None
    return [*known[: -len(given)], sum(known[-len(given) :])]


def _looked_at(layer: Layer, given: int) -> int:
    """Return how many places the windows of a layer look at in all, channels apart."""
    window = math.prod(layer.kernel_size or layer.pool_size or (1,))
    if window == 1 or not any(kind in layer.type for kind in _WINDOWS):
        return 0
    shapes = shapes_in(layer.output_shape)
    axis = 1 if layer.data_format == "channels_first" else -1
    return window * given // (shapes[0][axis] or 1)
