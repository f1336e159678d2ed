"""Owns the arithmetic of one layer: multiply-accumulates, bytes, receptive field, axis order of a Flatten.

The receptive field follows Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (2019):
field' = field + (effective kernel - 1) * jump, jump' = jump * stride.
"""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from service.model.tensors import Shape

_WINDOWS = ("kernel_size", "pool_size")
_SQUEEZED = ("Reshape", "Squeeze", "ExpandDims")
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_UNCOUNTED = ("RNN", "LSTM", "GRU", "Attention", "Einsum")


@dataclass(frozen=True, slots=True)
class View:
    """What one position of a tensor sees: field and jump as (rows, columns) of the input image.

    `axes` names the axes of an item, `row`, `column`, `channel` in their order; None where they are no image.
    """

    field: tuple[float, float] = (1, 1)
    jump: tuple[float, float] = (1, 1)
    axes: tuple[str, ...] | None = None


def axes_of(shape: Shape | tuple[Shape, ...] | None, data_format: str) -> tuple[str, ...] | None:
    """Name the axes of an item of `shape` (batch axis included) under a Keras `data_format`."""
    rank = len(shape or ()) - 1
    if rank == 2:
        return ("row", "column")
    if rank != 3:
        return None
    return ("row", "column", "channel") if data_format == "channels_last" else ("channel", "row", "column")


def look_through(layer: Any, before: View, image: tuple[int | None, int | None], *, shapes: tuple[Any, Any]) -> View:
    """Return the view after `layer`; `image` is the input's (height, width), None where free.

    `shapes` are those of the layer's input and output.
    """
    kind = type(layer).__name__
    if kind == "Permute" and before.axes:
        return View(before.field, before.jump, tuple(before.axes[axis - 1] for axis in layer.dims))
    if kind in _SQUEEZED and _keeps_positions(before, *shapes, image):
        return View(before.field, before.jump, _image_axes(shapes[1]))
    if kind == "Dense" and _rank(shapes[0]) > 2:
        return _along_last_axis(before, image)
    if kind in ("Flatten", "Dense", *_SQUEEZED) or kind.startswith("Global"):
        axes = before.axes if kind.startswith("Global") else None
        return View((image[0] or math.inf, image[1] or math.inf), before.jump, axes)
    window = next((getattr(layer, name) for name in _WINDOWS if hasattr(layer, name)), None)
    if window is None:
        return View(before.field, _resized_jump(layer, before.jump), before.axes)
    return _through_window(layer, window, before)


def _along_last_axis(before: View, image: tuple[int | None, int | None]) -> View:
    """Return the view after a layer that mixes the last axis: every channel, or a whole row or column."""
    last = before.axes[-1] if before.axes else "channel"
    rows = (image[0] or math.inf) if last == "row" else before.field[0]
    columns = (image[1] or math.inf) if last == "column" else before.field[1]
    return View((rows, columns), before.jump, before.axes)


def _rank(shape: Any) -> int:
    return len(shape or ())


def _keeps_positions(before: View, in_shape: Any, out_shape: Any, image: tuple[int | None, int | None]) -> bool:
    """Return whether a reshape only adds or drops an axis of 1, or lays a flat picture out as what it is."""
    if _image_axes(out_shape) is None:
        return False
    sides = [axis for axis in out_shape[1:] if axis != 1]
    if before.axes is None:
        return max(before.field) == 1 and sides in ([*image], [*image, 3])
    return [axis for axis in in_shape[1:] if axis != 1] == sides


def _image_axes(shape: Any) -> tuple[str, ...] | None:
    is_first = _rank(shape) == 4 and shape[1] == 1 and shape[3] != 1
    return axes_of(shape, "channels_first" if is_first else "channels_last")


def _through_window(layer: Any, window: Any, before: View) -> View:
    kernel, stride, dilation = (
        _by_row_and_column(value, before.axes)
        for value in (window, getattr(layer, "strides", 1) or 1, getattr(layer, "dilation_rate", 1) or 1)
    )
    if type(layer).__name__.endswith("Transpose"):
        jump = (before.jump[0] / stride[0], before.jump[1] / stride[1])
        reach = [math.ceil((k - 1) / s) * j for k, s, j in zip(kernel, stride, before.jump, strict=True)]
    else:
        jump = (before.jump[0] * stride[0], before.jump[1] * stride[1])
        reach = [(k - 1) * d * j for k, d, j in zip(kernel, dilation, before.jump, strict=True)]
    return View((before.field[0] + reach[0], before.field[1] + reach[1]), jump, before.axes)


def _by_row_and_column(value: Any, axes: tuple[str, ...] | None) -> tuple[int, int]:
    """Return a layer's pair as (rows, columns): behind a Permute its first number may be that of columns."""
    first, second = _pair(value)
    is_swapped = axes is not None and {"row", "column"} <= {*axes} and axes.index("column") < axes.index("row")
    return (second, first) if is_swapped else (first, second)


def _resized_jump(layer: Any, jump: tuple[float, float]) -> tuple[float, float]:
    if not type(layer).__name__.startswith("UpSampling"):
        return jump
    size = _pair(layer.size)
    return (jump[0] / size[0], jump[1] / size[1])


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return (value, value)
    values = tuple(value)
    return (values[0], values[-1])


def merge(views: list[View]) -> View:
    """Return the view of a position fed by several: the widest field and jump of them."""
    if not views:
        return View()
    rows = max(view.field[0] for view in views)
    columns = max(view.field[1] for view in views)
    jump = (max(view.jump[0] for view in views), max(view.jump[1] for view in views))
    return View((rows, columns), jump, views[0].axes)


def clipped(view: View, image: tuple[int | None, int | None]) -> tuple[int, int] | None:
    """Return the field in whole pixels, no larger than the image; None where a free side leaves it open."""
    sides = [min(field, side or math.inf) for field, side in zip(view.field, image, strict=True)]
    return None if math.inf in sides else (math.ceil(sides[0]), math.ceil(sides[1]))


def flatten_order(layer: Any, axes: tuple[str, ...] | None) -> str | None:
    """Say in which order a Flatten lays out its vector, first axis slowest; None for other layers.

    A Flatten whose own `data_format` is channels_first moves the first axis last before it flattens.
    """
    if type(layer).__name__ != "Flatten" or axes is None:
        return None
    if layer.data_format == "channels_first":
        axes = (*axes[1:], axes[0])
    return ", ".join(axes)


def activation_bytes(shape: Shape | tuple[Shape, ...] | None, dtype: str | None) -> int | None:
    """Return the bytes of one example's output; None where an axis is free or there are several outputs."""
    count = _count((shape or (None, None))[1:])
    return None if count is None or dtype is None else count * _itemsize(dtype)


def _itemsize(dtype: str) -> int:
    return 2 if dtype == "bfloat16" else np.dtype(dtype).itemsize


def _count(axes: Any) -> int | None:
    return math.prod(axes) if all(isinstance(axis, int) for axis in axes) else None


def macs(layer: Any, in_shape: Any, out_shape: Any, axes: tuple[str, ...] | None) -> int | None:
    """Return the multiply-accumulates of one example; 0 without kernels, None where that cannot be said."""
    if any(word in type(layer).__name__ for word in _UNCOUNTED):
        return None
    kernels = [getattr(layer, name) for name in _KERNELS if getattr(layer, name, None) is not None]
    if not kernels:
        return 0
    shape = in_shape if type(layer).__name__.endswith("Transpose") else out_shape
    positions = _positions(shape, axes)
    return None if positions is None else positions * sum(math.prod(kernel.shape) for kernel in kernels)


def _positions(shape: Any, axes: tuple[str, ...] | None) -> int | None:
    """Return over how many positions of an output of `shape` a kernel is moved: all but its channel axis."""
    item = list(shape[1:])
    channel = axes.index("channel") if axes and "channel" in axes and len(axes) == len(item) else len(item) - 1
    return _count(item[:channel] + item[channel + 1 :])
