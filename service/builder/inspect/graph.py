"""Owns reading the structure of a Keras model: its operations in order, what feeds them, their shapes.

Keras 3 keeps this in underscored attributes (`_inbound_nodes`); as `keras.utils.summary_utils` does, they are read
here and nowhere else.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
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
    """Return the paths of the operations that feed `operation`, each once, in call order.

    What a nested model gives comes from the operation inside it that computes it: `mobilenet/conv1`.
    """
    fed = (tensor for node in nodes_in(operation, model) for tensor in node.input_tensors)
    return tuple(dict.fromkeys(_maker(tensor, prefix) for tensor in fed))


def feeds_of(nested: Any, model: Any, prefix: str = "") -> dict[str, str]:
    """Map the name of each input layer of a `nested` model to the path of what feeds it where it is first called."""
    node = nodes_in(nested, model)[0]
    names = [tensor._keras_history[0].name for tensor in nested.inputs]
    return dict(zip(names, (_maker(tensor, prefix) for tensor in node.input_tensors), strict=False))


def _maker(tensor: Any, prefix: str) -> str:
    operation, _, index = tensor._keras_history
    while is_nested(operation):
        prefix = f"{prefix}{operation.name}/"
        operation, _, index = operation.outputs[index]._keras_history
    return f"{prefix}{operation.name}"


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
    """Return the dtype of what an operation gives, None where it gives no tensor."""
    nodes = nodes_in(operation, model)
    return str(nodes[0].output_tensors[0].dtype) if nodes and nodes[0].output_tensors else None


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of an operation while a model runs, nested models opened: its node and the calls that feed it."""

    operation: Any
    node: Any
    feeds: tuple["Call", ...]

    @property
    def shape(self) -> Shape:
        """Return the shape of what the call gives, of the first where there are several."""
        return tuple(self.node.output_tensors[0].shape)


@dataclass(frozen=True, slots=True)
class Calls:
    """Every call a model makes, in order, and those that take its inputs and give its outputs."""

    all: tuple[Call, ...]
    inputs: tuple[Call, ...]
    outputs: tuple[Call, ...]

    def consumers_of(self, call: Call) -> list[Call]:
        """Return the calls that `call` feeds."""
        return [one for one in self.all if call in one.feeds]


def calls_of(model: Any) -> Calls:
    """Go through the graph of `model` as a run does, without data."""
    made: list[Call] = []
    inputs = [Call(tensor._keras_history[0], tensor._keras_history[0]._inbound_nodes[0], ()) for tensor in model.inputs]
    outputs = _run(model, inputs, made)
    return Calls((*inputs, *made), tuple(inputs), tuple(outputs))


def _run(model: Any, inputs: Sequence[Call], made: list[Call]) -> list[Call]:
    functional = getattr(model, "_functional", None) or model
    makers = {id(tensor): call for tensor, call in zip(functional.inputs, inputs, strict=True)}
    for _, nodes in sorted(functional._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if not node.is_input:
                feeds = [makers[id(tensor)] for tensor in node.input_tensors]
                given = _called(node, feeds, made)
                makers.update(zip(map(id, node.output_tensors), given, strict=True))
    return [makers[id(tensor)] for tensor in functional.outputs]


def _called(node: Any, feeds: list[Call], made: list[Call]) -> list[Call]:
    """Return the call behind each output tensor of `node`."""
    if is_nested(node.operation):
        return _run(node.operation, feeds, made)
    call = Call(node.operation, node, tuple(feeds))
    made.append(call)
    return [call] * len(node.output_tensors)
