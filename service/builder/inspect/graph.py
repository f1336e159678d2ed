"""Owns reading the structure of a Keras model: its operations in order, what feeds them, their shapes.

Keras 3 and tf_keras keep this in underscored attributes (`_inbound_nodes`); as `keras.utils.summary_utils` does, they
are read here and nowhere else. Where the two differ (a node's `operation` is a `layer` in tf_keras), both are read.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from service.model.tensors import Shape


def is_nested(operation: Any) -> bool:
    """Return whether an operation is itself a model with layers of its own."""
    return hasattr(operation, "_nodes_by_depth") or hasattr(operation, "_functional")


def kind_of(operation: Any) -> str:
    """Return what an operation is: its class, or for a TensorFlow function that tf_keras wrapped, that one's name.

    `tf.math.truediv` is a `TrueDivide`, as in Keras 3, and indexing (`tf.__operators__.getitem`) a `GetItem`.
    """
    kind = type(operation).__name__
    function = getattr(operation, "symbol", None) if kind in _WRAPPED else None
    if not isinstance(function, str):
        return kind
    name = function.rpartition(".")[2]
    return _RENAMED.get(name, name.title().replace("_", ""))


_WRAPPED = ("TFOpLambda", "SlicingOpLambda")
_RENAMED = {"truediv": "TrueDivide", "getitem": "GetItem"}


def operations_of(model: Any) -> list[Any]:
    """Return the layers and bare operations of a Functional or Sequential model, inputs first, in their order.

    A Sequential hides its InputLayer, and a Functional its bare operations, in `layers`; here all are seen.
    """
    functional = functional_of(model)
    found = getattr(functional, "operations", None) or getattr(functional, "_self_tracked_trackables", None)
    return list(found or functional.layers)


def functional_of(model: Any) -> Any:
    """Return the graph of a model: a Sequential keeps it in a Functional of its own."""
    return getattr(model, "_functional", None) or model


def input_names(model: Any) -> list[str]:
    """Return the names of a model's inputs in its order."""
    # NOTE: tf_keras gives tensors of the same name numbers of their own; the layer's name is what the user gave.
    return list(getattr(model, "input_names", None) or [tensor.name for tensor in model.inputs])


def output_names(model: Any) -> list[str]:
    """Return the names of a model's outputs in its order: of the layers that give them, numbered where twice."""
    given = list(getattr(model, "output_names", None) or [call.operation.name for call in calls_of(model).outputs])
    seen = [given[:place].count(name) for place, name in enumerate(given)]
    return [f"{name}_{before}" if before else name for name, before in zip(given, seen, strict=True)]


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
    own = {id(node) for nodes in getattr(functional_of(model), "_nodes_by_depth", {}).values() for node in nodes}
    nodes = list(operation._inbound_nodes)
    return [node for node in nodes if id(node) in own] or nodes[:1]


def operation_of(node: Any) -> Any:
    """Return the layer or bare operation that a node calls."""
    return node.operation if hasattr(node, "operation") else node.layer


def taken_by(node: Any) -> list[Any]:
    """Return the symbolic tensors a node takes, in call order; an InputLayer takes none."""
    if hasattr(node, "operation"):
        return list(node.input_tensors)
    return list(node.keras_inputs)


def given_by(node: Any) -> list[Any]:
    """Return the symbolic tensors a node gives."""
    if hasattr(node, "operation"):
        return list(node.output_tensors)
    import tensorflow as tf

    return list(tf.nest.flatten(node.outputs))


def arguments_of(node: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return what a node is called with, positional and by keyword: symbolic tensors and constants."""
    if hasattr(node, "operation"):
        return node.arguments.args, node.arguments.kwargs
    return node.call_args, node.call_kwargs


def inbound_names(operation: Any, model: Any, prefix: str = "") -> tuple[str, ...]:
    """Return the paths of the operations that feed `operation`, each once, in call order.

    What a nested model gives comes from the operation inside it that computes it: `mobilenet/conv1`.
    """
    fed = (tensor for node in nodes_in(operation, model) for tensor in taken_by(node))
    return tuple(dict.fromkeys(_maker(tensor, prefix) for tensor in fed))


def feeds_of(nested: Any, model: Any, prefix: str = "") -> dict[str, str]:
    """Map the name of each input layer of a `nested` model to the path of what feeds it where it is first called."""
    node = nodes_in(nested, model)[0]
    names = [tensor._keras_history[0].name for tensor in nested.inputs]
    return dict(zip(names, (_maker(tensor, prefix) for tensor in taken_by(node)), strict=False))


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
    tensors = taken_by(nodes[0]) if side == "input" else given_by(nodes[0])
    if side == "input" and not tensors:
        tensors = given_by(nodes[0])  # an InputLayer takes what it gives
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    return shapes[0] if len(shapes) == 1 else shapes


def output_dtype(operation: Any, model: Any) -> str | None:
    """Return the dtype of what an operation gives, None where it gives no tensor."""
    nodes = nodes_in(operation, model)
    given = given_by(nodes[0]) if nodes else []
    return dtype_of(given[0]) if given else None


def dtype_of(tensor: Any) -> str:
    """Return the dtype of a symbolic tensor as NumPy names it."""
    return str(getattr(tensor.dtype, "name", tensor.dtype))


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """One call of an operation while a model runs, nested models opened: its node and the calls that feed it."""

    operation: Any
    node: Any
    feeds: tuple["Call", ...]

    @property
    def shape(self) -> Shape:
        """Return the shape of what the call gives, of the first where there are several."""
        return tuple(given_by(self.node)[0].shape)

    @property
    def kind(self) -> str:
        """Return what is called; see `kind_of`."""
        return kind_of(self.operation)


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
    functional = functional_of(model)
    makers = {id(tensor): call for tensor, call in zip(functional.inputs, inputs, strict=True)}
    for _, nodes in sorted(functional._nodes_by_depth.items(), reverse=True):
        for node in nodes:
            if not node.is_input:
                feeds = [makers[id(tensor)] for tensor in taken_by(node)]
                given = _called(node, feeds, made)
                makers.update(zip(map(id, given_by(node)), given, strict=True))
    return [makers[id(tensor)] for tensor in functional.outputs]


def _called(node: Any, feeds: list[Call], made: list[Call]) -> list[Call]:
    """Return the call behind each output tensor of `node`."""
    operation = operation_of(node)
    if is_nested(operation):
        return _run(operation, feeds, made)
    call = Call(operation, node, tuple(feeds))
    made.append(call)
    return [call] * len(given_by(node))
