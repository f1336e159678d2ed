"""Owns what is looked for inside a loaded model: its places for Grad-CAM, and the heads that are looked behind."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from service.builder.insight_recorder import MAPS_RANK, Place
from service.builder.inspect import input_names, output_layers, walk
from service.builder.inspect.graph import Call, Calls, calls_of
from service.builder.program import Facts, Layered
from service.builder.tap import has_head
from service.model.insight import CamTap, weighted_outputs
from service.model.stack import maps_to_vector
from service.model.tensors import ChannelOrder

_FORMATS = ("channels_first", "channels_last")


@dataclass(frozen=True, slots=True)
class CamPlace:
    """A place for Grad-CAM, with the call of a layer that it is, and how its maps are laid out."""

    tap: CamTap
    place: Place
    order: ChannelOrder


@dataclass(frozen=True, slots=True)
class Head:
    """An output whose numbers before the head are weighted: its name, its place among the outputs, its units.

    `layer` applies its softmax or sigmoid; None where that cannot be looked behind: the output itself is taken then.
    """

    name: str
    number: int
    units: int
    layer: Any | None


@dataclass(frozen=True, slots=True)
class Plan:
    """What is looked for inside a loaded model; without `cams` nothing is differentiated."""

    layered: Layered
    layers: tuple[str, ...]
    heads: tuple[Head, ...] = ()
    cams: tuple[CamPlace, ...] = ()


def plan_of(layered: Layered, facts: Facts) -> Plan:
    """Say what is looked for inside a model whose layers are known."""
    assert facts.layers is not None
    return Plan(
        layered,
        tuple(layer.name for layer in facts.layers),
        tuple(_heads(layered.model, facts)),
        tuple(_cams(layered.model, facts)),
    )


def _heads(model: Any, facts: Facts) -> Iterator[Head]:
    specs = [one.spec for one in facts.outputs]
    weighted = weighted_outputs(specs)
    layers = output_layers(model)
    for number, (spec, layer) in enumerate(zip(specs, layers, strict=True)):
        if spec.name in weighted:
            is_alone = has_head(layer) and sum(one is layer for one in layers) == 1
            yield Head(spec.name, number, weighted[spec.name], layer if is_alone else None)


def _cams(model: Any, facts: Facts) -> Iterator[CamPlace]:
    """Yield each call of a layer that turns maps into a vector for good."""
    assert facts.layers is not None
    to_vector = {step.layer.name for step in maps_to_vector(facts.layers)}
    paths = {id(operation): path for path, operation, _ in walk(model)}
    calls = calls_of(model)
    names = dict(zip(calls.inputs, input_names(model), strict=True))
    made: Counter[int] = Counter()
    for call in calls.all[len(calls.inputs) :]:
        number = made[id(call.operation)]
        made[id(call.operation)] += 1
        source = next((feed for feed in call.feeds if _gives_maps(feed)), None)
        if paths[id(call.operation)] in to_vector and source is not None:
            reached = tuple(names[one] for one in calls.inputs if one in _behind(call))
            tap = CamTap(paths[id(call.operation)], paths[id(source.operation)], reached)
            yield CamPlace(tap, Place(call.operation, number), _order_of(source, calls, facts))


def _gives_maps(call: Call) -> bool:
    """Return whether a call gives maps that a layer has learnt to make: of bare pixels a gradient says little."""
    return len(call.shape) == MAPS_RANK and any(_has_kernel(one.operation) for one in (call, *_behind(call)))


def _has_kernel(operation: Any) -> bool:
    return any(len(weight.shape) > 1 for weight in getattr(operation, "weights", ()))


def _behind(call: Call) -> set[Call]:
    """Return every call on the ways from the inputs to `call`."""
    found: set[Call] = set()
    waiting = [call]
    while waiting:
        for feed in waiting.pop().feeds:
            if feed not in found:
                found.add(feed)
                waiting.append(feed)
    return found


def _order_of(call: Call, calls: Calls, facts: Facts) -> ChannelOrder:
    """Return how the maps of `call` are laid out: as the nearest layer says that has sides, or as the inputs are."""
    while call.feeds:
        order = getattr(call.operation, "data_format", None)
        if order in _FORMATS and call.kind != "Flatten":
            return order  # type: ignore[no-any-return]
        call = call.feeds[0]
    return facts.inputs[calls.inputs.index(call)].order if call in calls.inputs else "channels_last"
