"""Owns looking behind the head: the tensors just before a final softmax or sigmoid, in Keras and in a LiteRT graph.

A softmax hides almost every error of what comes before it, so agreement is judged there.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from ai_edge_litert import schema_py_generated as schema

_HEAD_ACTIVATIONS = ("softmax", "sigmoid")
_HEAD_LAYERS = ("Softmax",)
_IDENTIFIER = b"TFL3"


def has_head(layer: Any) -> bool:
    """Return whether the final `layer` applies a softmax or sigmoid that can be left out."""
    activation = getattr(getattr(layer, "activation", None), "__name__", None)
    return type(layer).__name__ in _HEAD_LAYERS or activation in _HEAD_ACTIVATIONS


@contextmanager
def without_heads(layers: list[Any]) -> Iterator[None]:
    """While open, these Keras layers leave out their softmax or sigmoid; they must be called eagerly."""
    with ExitStack() as stack:
        for layer in {id(layer): layer for layer in layers}.values():
            stack.enter_context(_without_head(layer))
        yield


def _unchanged(inputs: Any, **_: Any) -> Any:
    return inputs


@contextmanager
def _without_head(layer: Any) -> Iterator[None]:
    import keras

    if type(layer).__name__ in _HEAD_LAYERS:
        name, replacement = "call", _unchanged
    else:
        name, replacement = "activation", keras.activations.linear
    original = getattr(layer, name)
    setattr(layer, name, replacement)
    try:
        yield
    finally:
        setattr(layer, name, original)


def tapped_graph(graph: Path, target: Path) -> bool:
    """Write a copy of a LiteRT `graph` whose outputs are what its final softmax or sigmoid take in.

    Returns False, and writes nothing, where one of its outputs comes from another operation.
    """
    import flatbuffers

    model = schema.ModelT.InitFromPackedBuf(bytearray(graph.read_bytes()), 0)
    subgraph = model.subgraphs[0]
    heads = _heads(model, subgraph)
    if not all(int(output) in heads for output in subgraph.outputs):
        return False
    _redirect(model, subgraph, {output: heads[int(output)] for output in map(int, subgraph.outputs)})
    builder = flatbuffers.Builder(1 << 20)
    builder.Finish(model.Pack(builder), file_identifier=_IDENTIFIER)
    target.write_bytes(builder.Output())
    return True


def _heads(model: Any, subgraph: Any) -> dict[int, int]:
    """Map the output tensor of each softmax and sigmoid operation to its input tensor."""
    codes = {schema.BuiltinOperator.SOFTMAX, schema.BuiltinOperator.LOGISTIC}
    is_head = [code.builtinCode in codes for code in model.operatorCodes]
    heads = [operator for operator in subgraph.operators if is_head[operator.opcodeIndex]]
    return {int(operator.outputs[0]): int(operator.inputs[0]) for operator in heads}


def _redirect(model: Any, subgraph: Any, moved: dict[int, int]) -> None:
    subgraph.outputs = [moved[int(output)] for output in subgraph.outputs]
    for signature in model.signatureDefs or ():
        for output in signature.outputs:
            output.tensorIndex = moved[int(output.tensorIndex)]
