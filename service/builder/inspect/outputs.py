"""Owns what a model's outputs are, and which layer gives each: where the head's activation sits."""

from typing import Any

from service.builder.inspect.graph import is_nested
from service.builder.inspect.layers import activation_name
from service.model.description import OutputFacts
from service.model.tensors import TensorSpec


def output_facts(model: Any, *, loss: str | None) -> tuple[OutputFacts, ...]:
    """Return the facts of each output in the model's order, under the names Keras gives them."""
    layers = output_layers(model)
    names = list(getattr(model, "output_names", None) or [layer.name for layer in layers])
    return tuple(
        OutputFacts(TensorSpec(name, tuple(tensor.shape), str(tensor.dtype)), activation_name(layer), loss)
        for name, tensor, layer in zip(names, model.outputs, layers, strict=True)
    )


def output_layers(model: Any) -> list[Any]:
    """Return for each output the layer that computes it, looking into nested models."""
    return [_innermost(tensor) for tensor in model.outputs]


def _innermost(tensor: Any) -> Any:
    operation, _, index = tensor._keras_history
    while is_nested(operation):
        operation, _, index = operation.outputs[index]._keras_history
    return operation
