"""Owns what a model's inputs are: tensors, axis order, and whether the graph scales raw 0..255 values itself."""

from typing import Any

import numpy as np

from service.builder.inspect.graph import walk
from service.model.description import InputFacts
from service.model.tensors import ChannelOrder, TensorSpec

_LOOKED_THROUGH = (
    "Resizing",
    "CenterCrop",
    "Random",
    "Identity",
    "InputLayer",
    "Cropping",
    "ZeroPadding",
    "Cast",
)
_RAW_SCALE = 0.02  # 1/255 and 1/127.5 and everything as small speaks of raw pixel values


def input_facts(model: Any) -> tuple[InputFacts, ...]:
    """Return the facts of each input in the model's order."""
    order = channel_order(model)
    scaling = _scales_itself(model)
    return tuple(
        InputFacts(TensorSpec(tensor.name, tuple(tensor.shape), str(tensor.dtype)), order, scaling)
        for tensor in model.inputs
    )


def channel_order(model: Any) -> ChannelOrder:
    """Return the `data_format` of the first layer that has one; Keras' default is channels_last."""
    for _, layer, _ in walk(model):
        # NOTE: a Flatten has a data_format too, which says nothing about the axes that reach it.
        if getattr(layer, "data_format", None) and type(layer).__name__ != "Flatten":
            return "channels_first" if layer.data_format == "channels_first" else "channels_last"
    return "channels_last"


def _scales_itself(model: Any) -> bool:
    """Return whether the first layer that does more than resize or augment is one that scales raw pixels."""
    for _, layer, _ in walk(model):
        if not type(layer).__name__.startswith(_LOOKED_THROUGH):
            return _is_raw_scaling(layer)
    return False


def _is_raw_scaling(layer: Any) -> bool:
    kind = type(layer).__name__
    if kind == "Rescaling":
        return float(np.max(np.abs(layer.scale))) < _RAW_SCALE
    if kind == "Normalization":
        # NOTE: one adapted on 0..1 pictures has a mean and a deviation below 1.
        mean, variance = np.asarray(layer.mean), np.asarray(layer.variance)
        return bool(np.max(np.abs(mean)) > 1 or np.max(variance) > 1)
    return False
