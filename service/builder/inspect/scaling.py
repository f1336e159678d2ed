"""Owns telling from a graph that an input takes raw 0..255 pixels: what it does to them first is bring them down.

Layers (Rescaling, Normalization) and inline arithmetic with constants, as `preprocess_input` of
`keras.applications` leaves it in a functional model, are read alike: as one line `factor * x + shift`.
"""

from typing import Any

import numpy as np

from service.builder.inspect.graph import Call, Calls, arguments_of
from service.builder.inspect.line import Line, arithmetic_step, farthest_step

_LOOKED_THROUGH = (
    "CenterCrop",
    "Cast",
    "Concatenate",
    "Cropping",
    "ExpandDims",
    "Flatten",
    "Flip",
    "GetItem",
    "Identity",
    "InputLayer",
    "Pad",
    "Permute",
    "Random",
    "Reshape",
    "Resize",
    "Resizing",
    "Squeeze",
    "Stack",
    "Transpose",
    "ZeroPadding",
)
# What TensorFlow's functions call the operands of Keras' operations.
_OPERANDS = {"x": "x1", "y": "x2", "value": "x1", "bias": "x2"}


def takes_raw_pixels(taken: Call, calls: Calls) -> bool:
    """Return whether one of the ways from an input, followed through resizing and augmentation, scales raw pixels."""
    seen: set[tuple[Call, Line]] = set()
    return any(_is_raw_way(call, taken, Line(), calls, seen) for call in calls.consumers_of(taken))


def _is_raw_way(call: Call, before: Call, line: Line, calls: Calls, seen: set[tuple[Call, Line]]) -> bool:
    if (call, line) in seen:  # ways that part and meet again would double at each meeting
        return False
    seen.add((call, line))
    kind = call.kind
    if kind == "Normalization":
        return _normalizes_raw(call.operation, line)
    if not kind.startswith(_LOOKED_THROUGH):
        step = _step(call, before)
        if step is None:
            return False
        line = line.then(*step)
    return line.is_of_raw or any(_is_raw_way(one, call, line, calls, seen) for one in calls.consumers_of(call))


def _normalizes_raw(layer: Any, line: Line) -> bool:
    # NOTE: one adapted on 0..1 pictures has a mean and a deviation below 1.
    mean = (np.asarray(layer.mean) - line.shift) / line.factor
    variance = np.asarray(layer.variance) / line.factor**2
    return bool(np.max(np.abs(mean)) > 1 or np.max(variance) > 1)


def _step(call: Call, before: Call) -> tuple[float, float] | None:
    """Return (factor, shift) of a call that scales and shifts by constants; None for every other."""
    if call.kind == "Rescaling":
        return farthest_step(call.operation.scale, call.operation.offset)
    constant, is_first = _constant_of(call, before)
    return None if constant is None else arithmetic_step(call.kind, constant, is_first=is_first)


def _constant_of(call: Call, before: Call) -> tuple[Any, bool]:
    """Return the constant that bare arithmetic joins to its tensor, and whether it comes first; None without one."""
    args, kwargs = arguments_of(call.node)
    named = {_OPERANDS.get(name, name): value for name, value in kwargs.items()}
    given = dict(zip(("x1", "x2"), args, strict=False)) | named
    if len(call.feeds) != 1 or call.feeds[0] is not before or not {"x1", "x2"} <= set(given):
        return None, False
    is_first = not hasattr(given["x1"], "_keras_history")
    return np.asarray(given["x1" if is_first else "x2"], np.float64), is_first
