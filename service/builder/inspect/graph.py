"""Owns reading the structure of a Keras model: its operations in order, what feeds them, their shapes.

Keras 3 keeps this in underscored attributes (`_inbound_nodes`); as `keras.utils.summary_utils` does, they are read
here and nowhere else.
"""

from collections.abc import Iterator
from typing import Any

from service.model.tensors import Shape


def is_nested(operation: Any) -> bool:
    """Return whether an operation is itself a model with layers of its own."""
    import keras

    return isinstance(operation, keras.Model)


def operations_of(model: Any) -> list[Any]:
    """Return the layers and bare operations of a Functional or Sequential model, inputs first, in their order.

    A Sequential hides its InputLayer, and a Functional its bare operations, in `layers`; here all are seen.
    """
    functional = getattr(model, "_functional", None) or model
    return list(getattr(functional, "operations", None) or functional.layers)


def walk(model: Any, prefix: str = "") -> Iterator[tuple[str, Any, Any]]:
    """Yield (path, operation, the model that holds it), nested models opened in place: `mobilenet/conv1`."""
    for operation in operations_of(model):
        path = f"{prefix}{operation.name}"
        if is_nested(operation):
            yield from walk(operation, f"{path}/")
        else:
            yield path, operation, model


def nodes_in(operation: Any, model: Any) -> list[Any]:
    """Return the calls of `operation` that belong to `model`; a shared layer has several, others elsewhere."""
    functional = getattr(model, "_functional", None) or model
    own = set(getattr(functional, "_nodes", ()))
    nodes = list(operation._inbound_nodes)
    return [node for node in nodes if node in own] or nodes[:1]


def inbound_names(operation: Any, model: Any, prefix: str = "") -> tuple[str, ...]:
    """Return the names of the operations that feed `operation`, each once, in call order."""
    parents = (parent.operation.name for node in nodes_in(operation, model) for parent in node.parent_nodes)
    return tuple(dict.fromkeys(f"{prefix}{name}" for name in parents))


def shapes_of(operation: Any, model: Any, side: str) -> Shape | tuple[Shape, ...] | None:
    """Return the shape on one `side` ("input" or "output"), a tuple of them where there are several."""
    nodes = nodes_in(operation, model)
    if not nodes:
        return None
    tensors = nodes[0].input_tensors if side == "input" else nodes[0].output_tensors
    if side == "input" and not tensors:
        tensors = nodes[0].output_tensors  # an InputLayer takes what it gives
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    return shapes[0] if len(shapes) == 1 else shapes


def output_dtype(operation: Any, model: Any) -> str | None:
    """Return the dtype of what an operation gives, None where it was never called."""
    nodes = nodes_in(operation, model)
    return str(nodes[0].output_tensors[0].dtype) if nodes else None
