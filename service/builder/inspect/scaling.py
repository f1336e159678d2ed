"""Owns telling from a graph that an input takes raw 0..255 pixels: what it does to them first is bring them down.

Layers (Rescaling, Normalization) and inline arithmetic with constants, as `preprocess_input` of
`keras.applications` leaves it in a functional model, are read alike: as one line `factor * x + shift`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from service.builder.inspect.graph import Call, Calls, arguments_of

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
_RAW_FACTOR = 0.02  # 1/255 and 1/127.5 and everything as small speaks of raw pixel values
_RAW_CENTRE = 2  # what is taken off 0..1 pictures is below 1, off -1..1 pictures around 0


@dataclass(frozen=True, slots=True)
class _Line:
    """What has become of a pixel x: `factor * x + shift`; of several channels the farthest from no change."""

    factor: float = 1.0
    shift: float = 0.0

    @property
    def is_of_raw(self) -> bool:
        return abs(self.factor) < _RAW_FACTOR or -self.shift / self.factor > _RAW_CENTRE

    def then(self, factor: float, shift: float) -> "_Line":
        return _Line(self.factor * factor, self.shift * factor + shift)


def takes_raw_pixels(taken: Call, calls: Calls) -> bool:
    """Return whether one of the ways from an input, followed through resizing and augmentation, scales raw pixels."""
    return any(_is_raw_way(call, taken, _Line(), calls) for call in calls.consumers_of(taken))


def _is_raw_way(call: Call, before: Call, line: _Line, calls: Calls) -> bool:
    kind = call.kind
    if kind == "Normalization":
        return _normalizes_raw(call.operation, line)
    if not kind.startswith(_LOOKED_THROUGH):
        step = _step(call, before)
        if step is None:
            return False
        line = line.then(*step)
    return line.is_of_raw or any(_is_raw_way(one, call, line, calls) for one in calls.consumers_of(call))


def _normalizes_raw(layer: Any, line: _Line) -> bool:
    # NOTE: one adapted on 0..1 pictures has a mean and a deviation below 1.
    mean = (np.asarray(layer.mean) - line.shift) / line.factor
    variance = np.asarray(layer.variance) / line.factor**2
    return bool(np.max(np.abs(mean)) > 1 or np.max(variance) > 1)


def _step(call: Call, before: Call) -> tuple[float, float] | None:
    """Return (factor, shift) of a call that scales and shifts by constants; None for every other."""
    if call.kind == "Rescaling":
        return _checked(call.operation.scale, call.operation.offset)
    constant, is_first = _constant_of(call, before)
    if constant is None:
        return None
    return _checked(*_arithmetic(call.kind, constant, is_first=is_first))


def _constant_of(call: Call, before: Call) -> tuple[Any, bool]:
    """Return the constant that bare arithmetic joins to its tensor, and whether it comes first; None without one."""
    args, kwargs = arguments_of(call.node)
    named = {_OPERANDS.get(name, name): value for name, value in kwargs.items()}
    given = dict(zip(("x1", "x2"), args, strict=False)) | named
    if len(call.feeds) != 1 or call.feeds[0] is not before or not {"x1", "x2"} <= set(given):
        return None, False
    is_first = not hasattr(given["x1"], "_keras_history")
    return np.asarray(given["x1" if is_first else "x2"], np.float64), is_first


def _arithmetic(kind: str, constant: Any, *, is_first: bool) -> tuple[Any, Any]:
    if kind in ("Add", "BiasAdd"):
        return 1.0, constant
    if kind == "Subtract":
        return (-1.0, constant) if is_first else (1.0, -constant)
    if kind == "Multiply":
        return constant, 0.0
    if kind in ("Divide", "TrueDivide") and not is_first:
        with np.errstate(divide="ignore"):
            return 1 / constant, 0.0
    return 0.0, 0.0


def _checked(factors: Any, shifts: Any) -> tuple[float, float] | None:
    factor, shift = _farthest(factors), _farthest(shifts)
    return (factor, shift) if factor and np.isfinite([factor, shift]).all() else None


def _farthest(values: Any) -> float:
    flat = np.ravel(np.asarray(values, np.float64))
    return float(flat[np.abs(flat).argmax()]) if flat.size else 0.0
