"""Owns the walk through a model's layers: forwards for the sizes of what each gives, backwards for what is seen."""

from collections.abc import Mapping, Sequence

from service.errors import MisfitError
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.regions.seen import Seen, Sizes, index_of, is_nothing, joined, one_place, whole
from service.model.regions.step import Step, Taken
from service.model.regions.table import everything, step_of
from service.model.stack import shapes_in
from service.model.tensors import Shape

Call = tuple[str, int]
"""A layer and which of its calls."""

_LONGEST = 2**26  # places of one axis: each has a byte of a mask


class Walk:
    """Goes through `layers` of a model whose inputs have these sizes, by the name of their layers.

    What was told of sizes is kept; several threads may ask.
    """

    def __init__(self, layers: Sequence[Layer], inputs: Mapping[str, Sizes]) -> None:
        self._layers = {one.name: one for one in layers}
        self._inputs = inputs
        self._steps: dict[Call, Step | None] = {}
        self._sizes: dict[LayerTap, Sizes | None] = {}

    def sizes(self, tap: LayerTap) -> Sizes | None:
        """Return the sizes of what a layer gives, without the batch axis; None where they cannot be told.

        Raises MisfitError where the picture is too small for the model.
        """
        for call in self._before(tap):
            if call not in self._steps:
                self._size(call)
        return self._sizes.get(tap)

    def seen(self, tap: LayerTap, index: int) -> dict[str, Seen]:
        """Return what can influence one number that a layer gives, of each input that reaches it.

        `index` counts the first axis slowest. What reaches the number through padding alone is left out.
        """
        sizes = self.sizes(tap)
        found: dict[LayerTap, Seen | None] = {tap: one_place(sizes, index) if sizes else None}
        for call in reversed(self._before(tap)):
            for part in self._parts(call, found):
                for fed, seen in zip(self._taken(call), self._back(part, found[part]), strict=True):
                    _add(found, fed, seen)
        reached = {name: LayerTap(name) for name in self._inputs}
        return {name: self._input_seen(name, found[one]) for name, one in reached.items() if one in found}

    def origin(self, tap: LayerTap, index: int) -> tuple[LayerTap, int]:
        """Follow one number of a vector back to the map that it was moved from, as through a Flatten; else itself."""
        sizes = self.sizes(tap)
        step = self._steps.get((tap.layer, tap.call))
        if sizes is None or len(sizes) > 1 or step is None or not step.is_move:
            return tap, index
        fed = zip(self._taken((tap.layer, tap.call)), step.back(one_place(sizes, index), tap.part), strict=True)
        came = [(one, index_of(seen)) for one, seen in fed if not is_nothing(seen)]
        (source, place), *others = came or [(tap, None)]
        return (tap, index) if place is None or others else self.origin(source, place)

    def _input_seen(self, name: str, seen: Seen | None) -> Seen:
        return whole(self._inputs[name]) if seen is None else seen

    def _parts(self, call: Call, found: Mapping[LayerTap, Seen | None]) -> list[LayerTap]:
        return [one for one in found if (one.layer, one.call) == call]

    def _taken(self, call: Call) -> tuple[LayerTap, ...]:
        name, number = call
        calls = self._layers[name].taken
        return tuple(one for one in calls[number] if one.layer in self._layers) if number < len(calls) else ()

    def _before(self, tap: LayerTap) -> list[Call]:
        """Return the calls that lead to an output, each after those that it takes from; its own is the last."""
        order: dict[Call, None] = {}
        waiting = [((tap.layer, tap.call), False)]
        while waiting:
            call, is_entered = waiting.pop()
            if is_entered:
                order[call] = None
            elif call not in order:
                waiting.append((call, True))
                waiting += [((one.layer, one.call), False) for one in self._taken(call)]
        return list(order)

    def _back(self, tap: LayerTap, seen: Seen | None) -> list[Seen | None]:
        step = self._steps[tap.layer, tap.call]
        if step is None:
            return everything([self._sizes.get(one) for one in self._taken((tap.layer, tap.call))])
        return list(step.back(whole(step.parts[tap.part]) if seen is None else seen, tap.part))

    def _size(self, call: Call) -> None:
        name, number = call
        layer, taken = self._layers[name], self._taken(call)
        declared = shapes_in(layer.output_shape)
        if name in self._inputs:
            self._sizes[LayerTap(name)] = self._inputs[name]
            self._steps[call] = None
            return
        sizes = [self._sizes.get(one) for one in taken]
        known = [one for one in sizes if one is not None]
        items = tuple(tuple(shape[1:]) for shape in declared)
        step = step_of(Taken(layer, known, items)) if len(known) == len(sizes) else None
        if step is not None and len(layer.taken) == 1 and not _agree(step.parts, items):
            step = None  # Keras knows better: this is another layer than its name says
        for part in range(max(len(declared), len(step.parts) if step else 0)):
            given = step.parts[part] if step else _fixed(items[part])
            _check(name, given)
            self._sizes[LayerTap(name, number, part)] = given
        self._steps[call] = step  # last: a call that has a step has its sizes, also for another thread


def _add(found: dict[LayerTap, Seen | None], tap: LayerTap, seen: Seen | None) -> None:
    """Let more be seen of an output: None is all of it, what is nothing adds nothing."""
    if seen is None:
        found[tap] = None
    elif not is_nothing(seen):
        before = found.get(tap)
        found[tap] = None if tap in found and before is None else joined(seen, before)


def _agree(parts: Sequence[Sizes], items: Sequence[Shape]) -> bool:
    pairs = zip(parts, items, strict=False)
    return len(parts) == len(items) and all(_fixed(item) in (None, sizes) for sizes, item in pairs)


def _fixed(item: Shape) -> Sizes | None:
    sizes = tuple(axis for axis in item if axis is not None)
    return sizes if len(sizes) == len(item) else None


def _check(layer: str, sizes: Sizes | None) -> None:
    if sizes and max(sizes) > _LONGEST:
        raise MisfitError(f"A picture of this size is too large: {layer} gives too many numbers. Give a smaller size.")
    if sizes is not None and any(size < 1 for size in sizes):
        raise MisfitError(f"A picture of this size is too small: nothing is left of it at {layer}. Give a larger size.")
