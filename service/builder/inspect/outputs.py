"""Owns what a model's outputs are, and which layer gives each: where the head's activation sits."""

from typing import Any

from service.builder.inspect.graph import is_nested
from service.builder.inspect.layers import activation_name
from service.errors import UnsupportedModelError
from service.model.description import OutputFacts
from service.model.tensors import Shape, TensorSpec

# What stands behind an activation without changing its values.
_SEEN_THROUGH = frozenset({"Reshape", "Flatten", "Squeeze", "Cast", "Identity", "Dropout", "SpatialDropout2D"})
_LINEAR_OPERATIONS = frozenset({"Add", "Subtract", "Multiply", "TrueDivide", "Matmul", "Mean", "Sum", "Stack"})


def output_facts(model: Any, *, loss: str | None) -> tuple[OutputFacts, ...]:
    """Return the facts of each output in the model's order, under the names Keras gives them.

    Raises UnsupportedModelError for an output that is a map rather than one vector of classes.
    """
    layers = output_layers(model)
    names = list(getattr(model, "output_names", None) or [layer.name for layer in layers])
    return tuple(
        OutputFacts(_spec(name, tensor), _activation(layer), loss)
        for name, tensor, layer in zip(names, model.outputs, layers, strict=True)
    )


def output_layers(model: Any) -> list[Any]:
    """Return for each output the layer that gives its values, looking into nested models and behind reshapes."""
    return [_deciding(tensor) for tensor in model.outputs]


def _spec(name: str, tensor: Any) -> TensorSpec:
    shape: Shape = tuple(tensor.shape)
    if sum(axis != 1 for axis in shape[1:]) > 1 or None in shape[1:]:
        shown = ["any" if axis is None else axis for axis in shape[1:]]
        raise UnsupportedModelError(
            f"Output {name} has the shape {shown} for one picture: a map, not a vector of classes. "
            "Convoy serves classifiers; end the model in one value per class."
        )
    return TensorSpec(name, shape, str(tensor.dtype))


def _deciding(tensor: Any) -> Any:
    operation, node, index = tensor._keras_history
    while True:
        if is_nested(operation):
            operation, node, index = operation.outputs[index]._keras_history
        elif _is_seen_through(operation) and operation._inbound_nodes[node].input_tensors:
            operation, node, index = operation._inbound_nodes[node].input_tensors[0]._keras_history
        else:
            return operation


def _is_seen_through(operation: Any) -> bool:
    kind = type(operation).__name__
    return kind in _SEEN_THROUGH or (kind == "Activation" and activation_name(operation) == "linear")


def _activation(operation: Any) -> str | None:
    """Return the activation that decides the head; a bare operation that is not linear stands for itself."""
    import keras

    name = activation_name(operation)
    kind = type(operation).__name__
    if name is not None or isinstance(operation, keras.layers.Layer) or kind in _LINEAR_OPERATIONS:
        return name
    return kind.lower()
