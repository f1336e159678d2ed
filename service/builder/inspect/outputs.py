"""Owns what a model's outputs are, and which layer gives each: where the head's activation sits."""

from typing import Any

from service.builder.inspect.graph import Call, calls_of, dtype_of, kind_of, output_names
from service.builder.inspect.layers import activation_name
from service.errors import UnsupportedModelError
from service.model.description import OutputFacts
from service.model.tensors import TensorSpec

_SAME_VALUES = (
    "Activation",  # only where it is linear
    "ActivityRegularization",
    "AlphaDropout",
    "Cast",
    "Copy",
    "Dropout",
    "ExpandDims",
    "Flatten",
    "GaussianDropout",
    "GaussianNoise",
    "Identity",
    "Moveaxis",
    "Permute",
    "Reshape",
    "SpatialDropout1D",
    "SpatialDropout2D",
    "SpatialDropout3D",
    "Squeeze",
    "StopGradient",
    "Swapaxes",
    "Transpose",
)
_Known = dict[Call, str | None]
_LINEAR = frozenset({"linear"})
_NOT_SUMMED = frozenset({"linear", "sigmoid"})
_AVERAGES = frozenset({"linear", "sigmoid", "softmax"})
# What these layers make of several numbers under one activation is again such a number: a mean of
# distributions is a distribution, a sum of logits a logit.
_KEPT_BY = {
    "GlobalAveragePooling": _AVERAGES,
    "AveragePooling": _AVERAGES,
    "Average": _AVERAGES,
    "GlobalMaxPooling": _NOT_SUMMED,
    "MaxPooling": _NOT_SUMMED,
    "Maximum": _NOT_SUMMED,
    "Minimum": _NOT_SUMMED,
    "Concatenate": _NOT_SUMMED,
    "Add": _LINEAR,
    "Subtract": _LINEAR,
    "BatchNormalization": _LINEAR,
    "Rescaling": _LINEAR,
}


def output_facts(model: Any, *, loss: str | None) -> tuple[OutputFacts, ...]:
    """Return the facts of each output in the model's order, under the names Keras gives them.

    Raises UnsupportedModelError where an output holds no numbers, or not one answer per example.
    """
    calls = calls_of(model).outputs
    names = output_names(model)
    facts = tuple(
        OutputFacts(TensorSpec(name, tuple(tensor.shape), dtype_of(tensor)), _activation(call), loss)
        for name, tensor, call in zip(names, model.outputs, calls, strict=True)
    )
    for one in facts:
        check_answers(one.spec)
    return facts


def check_answers(spec: TensorSpec) -> None:
    """Raise UnsupportedModelError where an output holds no numbers, or not one answer per example."""
    if not spec.is_numeric:
        raise UnsupportedModelError(f"Output {spec.name} gives {spec.dtype}, not numbers; Convoy serves numbers only.")
    if not spec.shape:
        raise UnsupportedModelError(
            f"Output {spec.name} is one number for a whole batch; Convoy serves models that answer each example."
        )


def output_layers(model: Any) -> list[Any]:
    """Return for each output the layer that applies its activation, looking through what only moves values.

    None stands for a layer that is called elsewhere in the model too: what it does cannot be left out at the
    output alone.
    """
    calls = calls_of(model)
    heads = [_applied(call) for call in calls.outputs]
    elsewhere = {id(call.operation) for call in calls.all if call not in heads}
    return [None if id(head.operation) in elsewhere else _unwrapped(head.operation) for head in heads]


def _applied(call: Call) -> Call:
    while _gives_same_values(call.operation) and len(call.feeds) == 1:
        call = call.feeds[0]
    return call


def _gives_same_values(operation: Any) -> bool:
    return kind_of(operation) in _SAME_VALUES and activation_name(operation) in (None, "linear")


def _activation(call: Call, known: _Known | None = None) -> str | None:
    """Return the activation that made the values of `call`; None where they may be anything.

    `known` are those of calls already looked at: ways that part and meet again would double at each meeting.
    """
    known = {} if known is None else known
    if call not in known:
        known[call] = _looked_at(call, known)
    return known[call]


def _looked_at(call: Call, known: _Known) -> str | None:
    if _gives_same_values(call.operation):
        return _moved(call, known)
    if kept := _kept_by(call.operation):
        found = {_activation(feed, known) for feed in call.feeds}
        return next(iter(found & kept)) if len(found) == 1 and found & kept else None
    return activation_name(_unwrapped(call.operation))


def _moved(call: Call, known: _Known) -> str | None:
    """Return the activation behind a `call` that only moves values; softmax of a map is none of the vector."""
    found = {_activation(feed, known) for feed in call.feeds}
    is_torn = found == {"softmax"} and _sides(call) != _sides(call.feeds[0])
    return next(iter(found)) if len(found) == 1 and not is_torn else None


def _sides(call: Call) -> list[int | None]:
    return [axis for axis in call.shape[1:] if axis != 1]


def _kept_by(operation: Any) -> frozenset[str]:
    """Return the activations that survive a layer; none survives a bare operation such as `keras.ops.add`."""
    if not hasattr(operation, "trainable_weights"):
        return frozenset()
    kind = type(operation).__name__.rstrip("123D")
    return _KEPT_BY.get(kind, frozenset())


def _unwrapped(operation: Any) -> Any:
    """Return the layer inside a wrapper such as SpectralNormalization."""
    inner = getattr(operation, "layer", None)
    return inner if hasattr(inner, "trainable_weights") else operation
