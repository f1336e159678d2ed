"""Owns telling from a graph which pixels an input takes, by what it does to them first: 0..255 where it divides.

Layers (Rescaling, Normalization) and inline arithmetic with constants, as `preprocess_input` of
`keras.applications` leaves it in a functional model, are read alike: as one line `factor * x + shift`.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from service.builder.inspect.graph import Call, Calls, arguments_of
from service.builder.inspect.line import Line, arithmetic_step, farthest_step, taken_by
from service.model.recipe import NamedScale

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
_UNIT_MEANS = (0.1, 0.9)
_UNIT_VARIANCE = 0.12
_RESIZED_BY = ("CenterCrop", "Resize", "Resizing")
_ARITHMETIC = ("Add", "Divide", "Multiply", "Normalization", "Rescaling", "Subtract", "TrueDivide")
# What TensorFlow's functions call the operands of Keras' operations.
_OPERANDS = {"x": "x1", "y": "x2", "value": "x1", "bias": "x2"}


def scale_taken(taken: Call, calls: Calls) -> NamedScale | None:
    """Return the range of pixels that an input takes, by the ways from it through resizing and augmentation."""
    return taken_by(_ways(taken, Line(), calls, set()))


def resizes_itself(taken: Call, calls: Calls) -> bool:
    """Return whether each way from an input resizes or crops it to one size before anything else looks at it."""
    consumers = calls.consumers_of(taken)
    return bool(consumers) and all(_is_resized_by(one, calls) for one in consumers)


def _is_resized_by(call: Call, calls: Calls) -> bool:
    if call.kind in _RESIZED_BY:
        return None not in call.shape[1:]
    if not call.kind.startswith(_LOOKED_THROUGH) and call.kind not in _ARITHMETIC:
        return False
    return resizes_itself(call, calls)


def _ways(before: Call, line: Line, calls: Calls, seen: set[tuple[Call, Line]]) -> Iterator[NamedScale | None]:
    """Yield for each way from `before`, which has made `line` of a pixel, what its arithmetic is made for."""
    if (before, line) in seen:  # ways that part and meet again would double at each meeting
        return
    seen.add((before, line))
    for call in calls.consumers_of(before):
        if call.kind == "Normalization":
            yield _normalized(call.operation, line)
            continue
        step = (1.0, 0.0) if call.kind.startswith(_LOOKED_THROUGH) else _step(call, before)
        after = line if step is None else line.then(*step)
        if step is None or after.is_of_raw:
            yield after.taken
        else:
            yield from _ways(call, after, calls, seen)


def _normalized(layer: Any, line: Line) -> NamedScale | None:
    """Return which pixels a Normalization learned its statistics from; None where they fit several ranges."""
    mean = (np.asarray(layer.mean) - line.shift) / line.factor
    variance = np.asarray(layer.variance) / line.factor**2
    # NOTE: the mean and the deviation of pictures in 0..1 are below 1.
    if np.max(np.abs(mean)) > 1 or np.max(variance) > 1:
        return "0..255"
    # Pictures in -1..1 have four times the variance: only dull, bright ones of them would pass.
    low, high = _UNIT_MEANS
    is_of_unit = low <= np.min(mean) and np.max(mean) <= high and np.max(variance) <= _UNIT_VARIANCE
    return "0..1" if is_of_unit and not getattr(layer, "invert", False) else None


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
