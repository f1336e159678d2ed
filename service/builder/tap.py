"""Owns looking behind the head: the tensors just before a final softmax or sigmoid, in Keras and in a LiteRT graph.

A softmax hides almost every error of what comes before it, so agreement is judged there.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_HEAD_ACTIVATIONS = ("softmax", "sigmoid")
_HEAD_LAYERS = ("Softmax", "Sigmoid")
_IDENTIFIER = b"TFL3"


def has_head(layer: Any) -> bool:
    """Return whether `layer`, a layer or a bare operation, applies a softmax or sigmoid that can be left out."""
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return type(layer).__name__ in _HEAD_LAYERS or activation in _HEAD_ACTIVATIONS


@contextmanager
def without_heads(layers: list[Any]) -> Iterator[None]:
    """While open, these Keras layers leave out their softmax or sigmoid; they must be called eagerly."""
    with ExitStack() as stack:
        for layer in {id(layer): layer for layer in layers}.values():
            stack.enter_context(_without_head(layer))
        yield


def head_attribute(layer: Any) -> str:
    """Return the attribute of such a layer that applies its softmax or sigmoid: itself, or its activation."""
    return "call" if type(layer).__name__ in _HEAD_LAYERS else "activation"


def _unchanged(inputs: Any, **_: Any) -> Any:
    return inputs


@contextmanager
def _without_head(layer: Any) -> Iterator[None]:
    name = head_attribute(layer)
    original = getattr(layer, name)
    setattr(layer, name, _unchanged)
    try:
        yield
    finally:
        setattr(layer, name, original)


def tapped_graph(graph: Path, target: Path) -> bool:
    """Write a copy of a LiteRT `graph` that leaves out the softmax or sigmoid before each of its outputs.

    What only moves values after it stays. Returns False, and writes nothing, where one of its outputs comes
    from another operation.
    """
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(bytearray(graph.read_bytes()), 0)
    subgraph = model.subgraphs[0]
    heads = [_head(model, subgraph, int(output)) for output in subgraph.outputs]
    if None in heads:
        return False
    _bypass(model, subgraph, {int(head.outputs[0]): int(head.inputs[0]) for head in heads if head})
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    target.write_bytes(builder.Output())
    return True


_HEAD_CODES = (schema.BuiltinOperator.SOFTMAX, schema.BuiltinOperator.LOGISTIC)
_MOVING_CODES = (
    schema.BuiltinOperator.RESHAPE,
    schema.BuiltinOperator.SQUEEZE,
    schema.BuiltinOperator.EXPAND_DIMS,
    schema.BuiltinOperator.TRANSPOSE,
    schema.BuiltinOperator.CAST,
)


def _head(model: Any, subgraph: Any, tensor: int) -> Any:
    """Return the softmax or sigmoid whose values `tensor` holds, moved or not; None where there is none."""
    makers = {int(output): operator for operator in subgraph.operators for output in operator.outputs}
    while (operator := makers.get(tensor)) is not None:
        code = model.operatorCodes[operator.opcodeIndex].builtinCode
        if code in _HEAD_CODES:
            return operator
        if code not in _MOVING_CODES:
            return None
        tensor = int(operator.inputs[0])
    return None


def _bypass(model: Any, subgraph: Any, taken: dict[int, int]) -> None:
    """Let everything that reads the output of a head read its input; `taken` maps one to the other."""

    def before(tensor: int) -> int:
        while tensor in taken:
            tensor = taken[tensor]
        return tensor

    for operator in subgraph.operators:
        operator.inputs = [before(int(one)) for one in operator.inputs]
    subgraph.outputs = [before(int(one)) for one in subgraph.outputs]
    for signature in model.signatureDefs or ():
        for output in signature.outputs:
            output.tensorIndex = before(int(output.tensorIndex))
