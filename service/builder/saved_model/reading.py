"""Owns reading off a flat graph what the card says: where channels are, whether raw pixels come in, what it ends in.

The rules are those by which `service.builder.inspect` reads Keras layers, for TensorFlow's operations.
"""

from collections.abc import Iterator
from typing import Any

from service.builder.inspect.line import Line, arithmetic_step, taken_by
from service.builder.saved_model.flat import FlatGraph
from service.model.recipe import NamedScale
from service.model.tensors import ChannelOrder

_SAME_VALUES = (
    "Cast",
    "CheckNumerics",
    "EnsureShape",
    "ExpandDims",
    "Identity",
    "Reshape",
    "Squeeze",
    "StopGradient",
    "Transpose",
)
_SAME_PIXELS = (
    *_SAME_VALUES,
    "ConcatV2",
    "CropAndResize",
    "GatherV2",
    "MirrorPad",
    "Pack",
    "Pad",
    "PadV2",
    "ResizeArea",
    "ResizeBicubic",
    "ResizeBilinear",
    "ResizeNearestNeighbor",
    "ReverseV2",
    "ScaleAndTranslate",
    "Slice",
    "Split",
    "SplitV",
    "StridedSlice",
    "Unpack",
)
_KERAS_NAMES = {
    "Add": "Add",
    "AddV2": "Add",
    "BiasAdd": "BiasAdd",
    "Div": "Divide",
    "Mul": "Multiply",
    "RealDiv": "Divide",
    "Sub": "Subtract",
}
_ACTIVATIONS = {
    "Elu": "elu",
    "LeakyRelu": "leaky_relu",
    "LogSoftmax": "log_softmax",
    "Relu": "relu",
    "Relu6": "relu6",
    "Selu": "selu",
    "Sigmoid": "sigmoid",
    "Softmax": "softmax",
    "Softplus": "softplus",
    "Softsign": "softsign",
    "Tanh": "tanh",
}
HEADS = ("Sigmoid", "Softmax")
_WEIGHTED = ("BatchMatMulV2", "BatchMatMulV3", "Conv2D", "DepthwiseConv2dNative", "MatMul")
_LINEAR = frozenset({"linear"})
_NOT_SUMMED = frozenset({"linear", "sigmoid"})
_AVERAGES = frozenset({"linear", "sigmoid", "softmax"})
# What these make of several numbers under one activation is again such a number.
_KEPT_BY = {
    **dict.fromkeys(("Mean", "AvgPool"), _AVERAGES),
    **dict.fromkeys(("Max", "MaxPool", "Maximum", "Minimum", "ConcatV2"), _NOT_SUMMED),
    **dict.fromkeys((*_KERAS_NAMES, "AddN", "FusedBatchNormV3"), _LINEAR),
}


def channel_order(tensor: Any) -> ChannelOrder:
    """Return where the channels of an input of rank 4 are, by the first operation on it that says so."""
    waiting: list[tuple[Any, tuple[int, ...]]] = [(tensor, (0, 1, 2, 3))] if tensor.shape.rank == 4 else []
    seen: set[str] = set()
    while waiting:
        given, axes = waiting.pop(0)
        for taker in given.consumers():
            if (order := _data_format(taker)) is not None:
                return "channels_first" if axes[order.index("C")] == 1 else "channels_last"
            if taker.name not in seen and taker.type != "Shape":
                seen.add(taker.name)
                after = _transposed(taker, axes)
                waiting += [(one, after) for one in taker.outputs]
    return "channels_last"


def _data_format(operation: Any) -> str | None:
    """Return NHWC or NCHW where an operation on maps says it, though not a BiasAdd: its word is often a default."""
    if "data_format" not in operation.node_def.attr or operation.type == "BiasAdd":
        return None
    said = operation.get_attr("data_format").decode()
    return said if sorted(said) == sorted("NHWC") else None


def _transposed(operation: Any, axes: tuple[int, ...]) -> tuple[int, ...]:
    import tensorflow as tf

    places = tf.get_static_value(operation.inputs[1]) if operation.type == "Transpose" else None
    return axes if places is None or len(places) != len(axes) else tuple(axes[place] for place in places)


def scale_taken(tensor: Any, graph: FlatGraph) -> NamedScale | None:
    """Return the range of pixels that an input takes, by the ways from it through cropping and resizing."""
    return taken_by(_ways(tensor, Line(), graph))


def _ways(tensor: Any, line: Line, graph: FlatGraph) -> Iterator[NamedScale | None]:
    for operation in tensor.consumers():
        step = (1.0, 0.0) if operation.type in _SAME_PIXELS else _step(operation, tensor, graph)
        after = line if step is None else line.then(*step)
        if step is None or after.is_of_raw:
            yield after.taken if operation.type != "Shape" else None
        else:
            for given in operation.outputs:
                yield from _ways(given, after, graph)


def _step(operation: Any, tensor: Any, graph: FlatGraph) -> tuple[float, float] | None:
    """Return (factor, shift) of an operation that scales and shifts by a constant; None for every other."""
    kind = _KERAS_NAMES.get(operation.type)
    others = [one for one in operation.inputs if one is not tensor]
    if kind is None or len(others) != 1 or not graph.is_constant(others[0]):
        return None
    return arithmetic_step(kind, graph.value_of(others[0]), is_first=others[0] is operation.inputs[0])


def activation_of(tensor: Any, graph: FlatGraph) -> str | None:
    """Return the activation that made the values of a tensor, `linear` for none; None where they may be anything."""
    operation = tensor.op
    given = [one for one in operation.inputs if not graph.is_constant(one)]
    if operation.type in _ACTIVATIONS:
        return _ACTIVATIONS[operation.type]
    if operation.type in _WEIGHTED:
        return "linear" if len(given) == 1 else None
    if operation.type in _SAME_VALUES:
        return _moved(tensor, given, graph)
    found = {activation_of(one, graph) for one in given} if operation.type in _KEPT_BY else set()
    kept = found & _KEPT_BY.get(operation.type, frozenset())
    return next(iter(kept)) if len(found) == 1 and kept else None


def _moved(tensor: Any, given: list[Any], graph: FlatGraph) -> str | None:
    """Return the activation behind values that were only moved; softmax of a map is none of the vector."""
    found = activation_of(given[0], graph) if given else None
    is_torn = found == "softmax" and _sides(tensor) != _sides(given[0])
    return None if is_torn else found


def _sides(tensor: Any) -> list[int | None]:
    return [axis for axis in tensor.shape[1:] if axis != 1] if tensor.shape.rank else []


def head_of(tensor: Any) -> Any:
    """Return the softmax or sigmoid that gives a tensor as it is, None where another operation does."""
    operation = tensor.op
    while operation.type == "Identity":
        operation = operation.inputs[0].op
    return operation if operation.type in HEADS else None
