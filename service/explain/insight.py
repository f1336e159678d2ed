"""Owns running second graphs, which give the output of every layer: loaded on demand, few at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays
from service.errors import MisfitError, TooLargeError
from service.explain.second_graphs import HELD_OUTPUTS, SecondGraph, SecondGraphs
from service.model.card import ModelCard
from service.model.insight import CamTap, LayerTap, gradients_name, maps_name, tap_name, weight_input, weighted_outputs
from service.model.stack import layer_named
from service.serving.admission import check_deadline
from service.serving.free_size import Items, numbers_in
from service.serving.live_model import LiveModel

LARGEST = 2**30
"""Bytes that the outputs of all layers may take: they are held at once."""
_INPUT = "InputLayer"


@dataclass(frozen=True, slots=True)
class CamMaps:
    """The maps at one place for Grad-CAM and the gradients of the score there, both (N, height, width, channels)."""

    tap: CamTap
    maps: NDArray[Any]
    gradients: NDArray[Any]


class Insights:
    """What the layers of live models give; `graphs` are those that this worker has loaded."""

    def __init__(self, graphs: SecondGraphs | None = None) -> None:
        self._graphs = graphs or SecondGraphs()

    def close(self) -> None:
        """Let all graphs go."""
        self._graphs.close()

    def activations(
        self, model: LiveModel, inputs: Arrays, taps: Sequence[LayerTap], *, deadline: float
    ) -> list[NDArray[Any]]:
        """Return what each of `taps` gives for a batch, (N, …), as Keras gives it; an InputLayer gives its input.

        `deadline` is a `time.monotonic()` value. Raises MisfitError where the bundle has no such graph or the layer no
        such output, UnknownLayerError, TooLargeError, DeadlineExceededError.
        """
        sources = [_source_of(model, tap) for tap in taps]
        wanted = list(dict.fromkeys(tap_name(one) for one in sources if isinstance(one, LayerTap)))
        found = _run(self._graphs, model, _unweighted(model, inputs), wanted, deadline) if wanted else {}
        return [found[tap_name(one)] if isinstance(one, LayerTap) else inputs[one] for one in sources]

    def gradients(
        self, model: LiveModel, inputs: Arrays, weights: Mapping[str, NDArray[Any]], *, deadline: float
    ) -> list[CamMaps]:
        """Return maps and gradients of a score for a batch, at each place for Grad-CAM.

        The score is the sum over outputs of `weights` (N, units), by output name, times the numbers before the head
        (logits), or times the output where a head cannot be looked behind. A binary head has one unit, whose -1 stands
        for the first class. An output that is not named weighs nothing. Raises as `activations` does, MisfitError also
        where there is no gradient.
        """
        insight = model.card.facts.insight
        reason = insight.missing or insight.no_gradient
        if reason:
            raise MisfitError(reason)
        given = {weight_input(name): np.asarray(one, np.float32) for name, one in weights.items()}
        names = [name for number in range(len(insight.cams)) for name in (maps_name(number), gradients_name(number))]
        found = _run(self._graphs, model, _unweighted(model, inputs) | given, names, deadline)
        return [
            CamMaps(tap, found[maps_name(number)], found[gradients_name(number)])
            for number, tap in enumerate(insight.cams)
        ]


def _source_of(model: LiveModel, tap: LayerTap) -> LayerTap | str:
    """Return the tap that gives what is asked for, or the name of the model's input that does."""
    layers = {layer.name: layer for layer in model.card.facts.layers or ()}
    layer = layers.get(tap.layer)
    while layer is not None and layer.type == _INPUT and tap.call == tap.part == 0:
        if not layer.inbound:
            return layer.name
        tap = LayerTap(layer.inbound[0])  # the input of a nested model
        layer = layers.get(tap.layer)
    _check_tap(model, tap)
    return tap


def _check_tap(model: LiveModel, tap: LayerTap) -> None:
    insight = model.card.facts.insight
    if insight.missing:
        raise MisfitError(insight.missing)
    layer_named(model.card.facts.layers, tap.layer)
    if tap not in insight.taps:
        known = ", ".join(f"call={one.call} part={one.part}" for one in insight.taps_of(tap.layer)) or "none"
        raise MisfitError(
            f"The layer {tap.layer!r} has no output of call={tap.call} and part={tap.part} to show; it has {known}."
        )


def _unweighted(model: LiveModel, inputs: Arrays) -> dict[str, NDArray[Any]]:
    """Return the inputs with weights of 0 for every output, where the graph takes such."""
    facts = model.card.facts
    count = len(next(iter(inputs.values())))
    weighted = weighted_outputs([one.spec for one in facts.outputs]) if facts.insight.cams else {}
    zeros = {weight_input(name): np.zeros((count, units), np.float32) for name, units in weighted.items()}
    return {**inputs, **zeros}


def _run(
    graphs: SecondGraphs, model: LiveModel, arrays: Arrays, wanted: Sequence[str], deadline: float
) -> dict[str, NDArray[Any]]:
    """Run the second graph on each example of a batch in turn; return the outputs that are wanted."""
    inputs = {one.spec.name: arrays[one.spec.name].shape[1:] for one in model.card.facts.inputs}
    needed = check_room(model.card, inputs)
    graph = graphs.of(model, deadline=deadline)
    try:
        rows = list(_rows(graph, arrays, wanted, deadline))
    finally:
        if needed > HELD_OUTPUTS:
            graphs.drop(graph)
    return {name: np.concatenate([row[name] for row in rows]) for name in wanted}


def _rows(
    graph: SecondGraph, arrays: Arrays, wanted: Sequence[str], deadline: float
) -> Iterator[dict[str, NDArray[Any]]]:
    for number in range(len(next(iter(arrays.values())))):
        check_deadline(deadline)
        one = {name: array[number : number + 1] for name, array in arrays.items()}
        yield graph.run(one, wanted, deadline=deadline)


def check_room(card: ModelCard, items: Items) -> float:
    """Return the bytes that the outputs of all layers take for an example of these shapes; raises TooLargeError."""
    needed = numbers_in(items) * card.facts.insight.bytes_per_number
    if needed > LARGEST:
        raise TooLargeError(
            f"The outputs of all layers would take {needed / 2**20:,.0f} MiB for this picture, and "
            f"{LARGEST // 2**20:,} MiB are allowed; send a smaller one."
        )
    return needed
