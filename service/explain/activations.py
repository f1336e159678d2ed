"""Owns the use case of activations: an example and a layer in, what that layer gives for it out."""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.explain.insight import Insights, check_room
from service.model.card import ModelCard, OutputCard
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.stack import Stack, layer_named, shapes_in
from service.model.tensors import ChannelOrder
from service.serving.examples import Example, Origin
from service.serving.free_size import Items
from service.serving.live_model import LiveModel
from service.serving.preview import Previewer
from service.serving.statistics import Account, Recorder, recorded

Ranges = Sequence[tuple[int, int]]
"""First and last of each range of channels, both included."""
_FLAT_ORDER = "row, column, channel"


@dataclass(frozen=True, slots=True)
class Activation:
    """What one call of a layer gives for an example.

    `values`, float32 (1, *axes, channels), are those of `channels`, of all where that is None; `shape` is that of all
    of them. `flattened` is the (height, width, channels) that a Flatten made its vector of, None for other layers;
    `output` is the output that the layer gives, None where it feeds others.
    """

    card: ModelCard
    origin: Origin
    layer: Layer
    tap: LayerTap
    values: NDArray[np.float32]
    shape: tuple[int, ...]
    channels: tuple[int, ...] | None
    order: ChannelOrder
    flattened: tuple[int, int, int] | None
    output: OutputCard | None
    warnings: tuple[str, ...]

    @property
    def extent(self) -> tuple[float, float] | None:
        """Return the least and the greatest value that is finite; None where there is none."""
        finite = self.values[np.isfinite(self.values)]
        return (float(finite.min()), float(finite.max())) if finite.size else None

    @property
    def numbers(self) -> Sequence[int]:
        """Return the number of each channel in `values`."""
        axis = 1 if self.order == "channels_first" else -1
        return range(self.values.shape[axis]) if self.channels is None else self.channels


class Activator:
    """Shows what the layers of live models give."""

    def __init__(self, *, previewer: Previewer, insights: Insights, recorder: Recorder | None = None) -> None:
        self._previewer = previewer
        self._insights = insights
        self._recorder = recorder

    def activate(
        self, model: LiveModel, example: Example, tap: LayerTap, *, channels: Ranges | None, deadline: float
    ) -> Activation:
        """Return what one call of a layer gives for an example; of a batch of numbers, for the first, with a warning.

        `channels` picks some of those that the layer gives; `deadline` is a `time.monotonic()` value. Raises
        RequestError as a prediction would, UnknownLayerError, MisfitError for a call or a channel that is not there;
        DeadlineExceededError.
        """
        account = Account(model.key, is_counted=False)
        with recorded(self._recorder, account):
            began = time.monotonic()
            layer = layer_called(model.card, tap)
            seen = self._previewer.preview(example, model, check=lambda items: _check_room(model, layer, items))
            account.timings.decode = time.monotonic() - began
            inputs = {name: one.array[np.newaxis] for name, one in seen.inputs.items()}
            (values,) = self._insights.activations(model, inputs, [tap], deadline=deadline)
            account.timings.infer = time.monotonic() - began - account.timings.decode
            warnings = tuple(dict.fromkeys(note for one in seen.inputs.values() for note in one.warnings))
            found = _activation(model.card, seen.origin, layer, tap, values, channels, warnings)
            account.examples = 1
        return found


def _check_room(model: LiveModel, layer: Layer, items: Items) -> None:
    if layer.type != "InputLayer":  # which gives what the model is given, without a run
        check_room(model.card, items)


def layer_called(card: ModelCard, tap: LayerTap) -> Layer:
    """Return the layer that `tap` names; raises UnknownLayerError, MisfitError where it is not called so often."""
    found = layer_named(card.facts.layers, tap.layer)
    if card.facts.insight.missing and found.type != "InputLayer":
        raise MisfitError(card.facts.insight.missing)
    _check_call(card, found, tap)
    return found


def numbers_of(card: ModelCard, tap: LayerTap) -> tuple[int | None, int | None]:
    """Return how many numbers `tap` gives for an example, and in how many channels; raises as `layer_called`.

    Each is None where it depends on the example.
    """
    layer = layer_called(card, tap)
    shapes = shapes_in(layer.output_shape)
    if len(layer.taken) > 1 or tap.part >= len(shapes):  # calls may give different shapes
        return None, None
    shape = shapes[tap.part]
    item = [axis for axis in shape[1:] if axis is not None]
    channels = shape[1 if _order_of(layer, len(shape)) == "channels_first" else -1]
    return math.prod(item) if len(item) == len(shape) - 1 else None, channels


def _check_call(card: ModelCard, layer: Layer, tap: LayerTap) -> None:
    taps = card.facts.insight.taps_of(layer.name) or ((LayerTap(layer.name),) if layer.type == "InputLayer" else ())
    if not taps:
        raise MisfitError(f"What the layer {layer.name!r} gives is not kept: it is no array of numbers.")
    if tap not in taps:
        listed = ", ".join(f"call={one.call}&part={one.part}" for one in taps)
        raise MisfitError(f"The layer {layer.name!r} has no call {tap.call} with a part {tap.part}; send {listed}.")


def _activation(
    card: ModelCard,
    origin: Origin,
    layer: Layer,
    tap: LayerTap,
    values: NDArray[Any],
    ranges: Ranges | None,
    warnings: tuple[str, ...],
) -> Activation:
    order = _order_of(layer, values.ndim)
    axis = 1 if order == "channels_first" else -1
    channels = None if ranges is None else picked(ranges, of=values.shape[axis])
    chosen = values if channels is None else np.take(values, channels, axis=axis)
    return Activation(
        card=card,
        origin=origin,
        layer=layer,
        tap=tap,
        values=np.ascontiguousarray(chosen, np.float32),
        shape=values.shape,
        channels=channels,
        order=order,
        flattened=_flattened(layer, values),
        output=_output_of(card, layer, values),
        warnings=warnings,
    )


def picked(ranges: Ranges, *, of: int) -> tuple[int, ...]:
    """Return the channels in `ranges`, each once in the order asked for.

    Raises MisfitError where one is not there, or where they name more than there are: few letters can name millions.
    """
    beyond = next((last for _, last in ranges if last >= of), None)
    if beyond is not None:
        raise MisfitError(f"There is no channel {beyond}; this layer gives {of}, numbered from 0 to {of - 1}.")
    named = sum(last + 1 - first for first, last in ranges)
    if named > of:
        raise MisfitError(f"These ranges name {named:,} channels, and this layer gives {of:,}; name each once.")
    return tuple(dict.fromkeys(one for first, last in ranges for one in range(first, last + 1)))


def _order_of(layer: Layer, rank: int) -> ChannelOrder:
    """Return where the channels are in what a layer gives, of so many axes with that of the batch."""
    if layer.axes and len(layer.axes) == rank - 1:
        return "channels_first" if layer.axes[0] == "channel" else "channels_last"
    return "channels_first" if layer.data_format == "channels_first" and rank > 2 else "channels_last"


def _flattened(layer: Layer, values: NDArray[Any]) -> tuple[int, int, int] | None:
    if layer.order != _FLAT_ORDER:
        return None
    item = shapes_in(layer.input_shape)[0][1:]
    if layer.data_format == "channels_first":  # it moves them last before it flattens
        item = (*item[1:], item[0])
    if len(item) != 3 or None in item or math.prod(axis or 0 for axis in item) != values.size:
        return None
    return (item[0] or 0, item[1] or 0, item[2] or 0)


def _output_of(card: ModelCard, layer: Layer, values: NDArray[Any]) -> OutputCard | None:
    """Return the output whose numbers the layer gives: by its name, or the only one where the layer is the last."""
    named = next((one for one in card.outputs if one.spec.name == layer.name), None)
    last = Stack(card.facts.layers or ()).last()
    if named is None and (len(card.outputs) > 1 or [one.name for one in last] != [layer.name]):
        return None
    found = named or card.outputs[0]
    is_whole = math.prod(axis or 1 for axis in found.spec.item_shape) == values.size
    return found if found.classes and is_whole else None
