"""Owns what a model's inputs are: tensors, axis order, and whether the graph scales raw 0..255 values itself."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from service.builder.inspect.graph import is_nested, nodes_in, operations_of, walk
from service.model.description import InputFacts
from service.model.tensors import ChannelOrder, TensorSpec

_LOOKED_THROUGH = (
    "Resizing", "CenterCrop", "Random", "Identity", "InputLayer", "Cropping", "ZeroPadding", "Cast",
    "Reshape", "Permute", "GetItem", "Stack", "Flip", "Transpose",
)  # fmt: skip
_RAW_SCALE = 0.02
"""1/255 and 1/127.5, and every factor as small, speaks of raw pixel values."""
_RAW_SHIFT = 10.0
"""So does a shift as large; the `caffe` means are over 100."""


def input_facts(model: Any) -> tuple[InputFacts, ...]:
    """Return the facts of each input in the model's order."""
    order = channel_order(model)
    return tuple(
        InputFacts(
            TensorSpec(tensor.name, tuple(tensor.shape), str(tensor.dtype)),
            order,
            _scales_itself(model, tensor._keras_history[0]),
        )
        for tensor in model.inputs
    )


def channel_order(model: Any) -> ChannelOrder:
    """Return the `data_format` of the first layer that has one; Keras' default is channels_last."""
    for _, layer, _ in walk(model):
        # NOTE: a Flatten has a data_format too, which says nothing about the axes that reach it.
        if getattr(layer, "data_format", None) and type(layer).__name__ != "Flatten":
            return "channels_first" if layer.data_format == "channels_first" else "channels_last"
    return "channels_last"


def _scales_itself(model: Any, source: Any) -> bool:
    """Return whether what `source` feeds, behind resizing and augmentation, scales raw pixels."""
    for consumer, node in _consumers(model, source):
        if is_nested(consumer):
            inner = consumer.inputs[_position(node, source)]._keras_history[0]
            found = _scales_itself(consumer, inner)
        elif type(consumer).__name__.startswith(_LOOKED_THROUGH):
            found = _scales_itself(model, consumer)
        else:
            found = _is_raw_scaling(consumer, node)
        if found:
            return True
    return False


def _consumers(model: Any, source: Any) -> Iterator[tuple[Any, Any]]:
    for operation in operations_of(model):
        for node in nodes_in(operation, model):
            if any(parent.operation is source for parent in node.parent_nodes):
                yield operation, node


def _position(node: Any, source: Any) -> int:
    return next(index for index, parent in enumerate(node.parent_nodes) if parent.operation is source)


def _is_raw_scaling(operation: Any, node: Any) -> bool:
    kind = type(operation).__name__
    if kind == "Rescaling":
        return float(np.max(np.abs(operation.scale))) < _RAW_SCALE
    if kind == "Normalization":
        # NOTE: one adapted on 0..1 pictures has a mean and a deviation below 1.
        mean, variance = np.asarray(operation.mean), np.asarray(operation.variance)
        return bool(np.max(np.abs(mean)) > 1 or np.max(variance) > 1)
    return _is_raw_arithmetic(kind, _constant(node))


def _is_raw_arithmetic(kind: str, constant: float | None) -> bool:
    """Return whether a bare operation is the first of `keras.applications`' `preprocess_input` on raw pixels."""
    if constant is None:
        return False
    if kind in ("TrueDivide", "Divide"):
        return constant > 1 / _RAW_SCALE
    if kind == "Multiply":
        return constant < _RAW_SCALE
    return kind in ("Add", "Subtract") and constant > _RAW_SHIFT


def _constant(node: Any) -> float | None:
    """Return the largest absolute value of the operand of an operation that is no tensor of the graph."""
    given = [*node.arguments.args, *node.arguments.kwargs.values()]
    constants = [one for one in given if one is not None and not hasattr(one, "_keras_history")]
    try:
        return float(np.max(np.abs(np.asarray(constants[0], np.float64)))) if constants else None
    except (TypeError, ValueError):
        return None
