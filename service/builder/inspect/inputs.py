"""Owns what a model's inputs are: tensors, axis order, and what its first layers make of pictures themselves."""

from typing import Any

from service.builder.inspect.graph import calls_of, dtype_of, input_names, walk
from service.builder.inspect.scaling import resizes_itself, scale_taken
from service.model.description import InputFacts
from service.model.tensors import ChannelOrder, TensorSpec

_AS_GIVEN = (1, 2, 3)


def input_facts(model: Any) -> tuple[InputFacts, ...]:
    """Return the facts of each input in the model's order."""
    order = channel_order(model)
    calls = calls_of(model)
    return tuple(
        InputFacts(
            TensorSpec(name, tuple(tensor.shape), dtype_of(tensor)),
            order,
            scale_taken(taken, calls),
            None in tensor.shape[1:] and resizes_itself(taken, calls),
        )
        for name, tensor, taken in zip(input_names(model), model.inputs, calls.inputs, strict=True)
    )


def channel_order(model: Any) -> ChannelOrder:
    """Return the `data_format` of the first layer that has one, as it was before a Permute in front of it.

    Keras' default is channels_last.
    """
    axes: tuple[int, ...] = _AS_GIVEN
    for _, layer, _ in walk(model):
        if type(layer).__name__ == "Permute" and len(layer.dims) == len(axes):
            axes = tuple(axes[place - 1] for place in layer.dims)
        # NOTE: a Flatten has a data_format too, which says nothing about the axes that reach it.
        elif getattr(layer, "data_format", None) and type(layer).__name__ != "Flatten":
            channel = axes[0] if layer.data_format == "channels_first" else axes[2]
            return "channels_first" if channel == 1 else "channels_last"
    return "channels_last"
