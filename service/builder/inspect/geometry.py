"""Owns the arithmetic of one layer: multiply-accumulates, bytes, receptive field, axis order of a Flatten.

The receptive field follows Araujo et al., "Computing Receptive Fields of Convolutional Neural Networks" (2019):
field' = field + (effective kernel - 1) * jump, jump' = jump * stride.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

from service.model.tensors import Shape, image_layout

_WINDOWS = ("kernel_size", "pool_size")
_SQUEEZED = ("Reshape", "Squeeze", "ExpandDims")
_KERNELS = ("kernel", "depthwise_kernel", "pointwise_kernel")
_UNCOUNTED = ("RNN", "LSTM", "GRU", "Attention", "Einsum")


@dataclass(frozen=True, slots=True)
class View:
    """What one position of a tensor sees: field and jump as (rows, columns) of the input image.

    `axes` names the axes of an item, `row`, `column`, `channel` in their order; None where they are no image. `image`
    is the (height, width) of the input image that is looked at, of several the largest, None where a side is free.
    """

    field: tuple[float, float] = (1, 1)
    jump: tuple[float, float] = (1, 1)
    axes: tuple[str, ...] | None = None
    image: tuple[int | None, int | None] = (None, None)


def axes_of(shape: Shape | tuple[Shape, ...] | None, data_format: str) -> tuple[str, ...] | None:
    """Name the axes of an item of `shape` (batch axis included) under a Keras `data_format`."""
    rank = len(shape or ()) - 1
    if rank == 2:
        return ("row", "column")
    if rank != 3:
        return None
    return ("row", "column", "channel") if data_format == "channels_last" else ("channel", "row", "column")


def look_through(layer: Any, before: View, *, shapes: tuple[Any, Any]) -> View:
    """Return the view after `layer`; `shapes` are those of the layer's input and output."""
    kind = type(layer).__name__
    whole = (before.image[0] or math.inf, before.image[1] or math.inf)
    if kind in _SQUEEZED:
        return _reshaped(before, *shapes) or replace(before, field=whole, axes=None)
    if kind in ("Permute", "Transpose"):
        return replace(before, axes=_permuted(layer, before.axes))
    if kind == "Dense":
        return _mixed(before, shapes[0], whole)
    if kind == "Flatten" or kind.startswith("Global"):
        return replace(before, field=whole, axes=None if kind == "Flatten" else before.axes)
    window = next((getattr(layer, name) for name in _WINDOWS if hasattr(layer, name)), None)
    axes = _axes_after(layer, before)
    if window is None:
        return replace(before, jump=_resized_jump(layer, before.jump, axes), axes=axes)
    return _through_window(layer, window, before, axes)


def _mixed(before: View, in_shape: Any, whole: tuple[float, float]) -> View:
    """Return the view after a Dense, which mixes along the last axis alone."""
    axes = before.axes
    if len(in_shape) == 2:
        return replace(before, field=whole, axes=None)
    if axes is None or len(axes) != len(in_shape) - 1 or axes[-1] == "channel":
        return before
    rows, columns = before.field
    return replace(before, field=(rows, whole[1]) if axes[-1] == "column" else (whole[0], columns), axes=None)


def _reshaped(before: View, in_shape: Any, out_shape: Any) -> View | None:
    """Return the view after a reshape that moves no pixel to another place; None after any other."""
    if len(in_shape) == 2 and before == View(image=before.image):
        return _unflattened(in_shape, out_shape)
    if _sides(in_shape) != _sides(out_shape):
        return None
    return replace(before, axes=_renamed(before.axes, in_shape, out_shape))


def _unflattened(in_shape: Any, out_shape: Any) -> View | None:
    """Return the view where a flat input is laid out as the picture that it is."""
    layout = image_layout(in_shape)
    item = tuple(out_shape[1:])
    if layout is None or item not in ((*layout.size, layout.channels), layout.size):
        return None
    return View(axes=("row", "column", "channel")[: len(item)], image=layout.size)


def _sides(shape: Any) -> list[int | None]:
    return [axis for axis in shape[1:] if axis != 1]


def _renamed(axes: tuple[str, ...] | None, in_shape: Any, out_shape: Any) -> tuple[str, ...] | None:
    """Return the names of the axes after some of length 1 came or went; the one that comes is the channel."""
    if axes is None or len(axes) != len(in_shape) - 1:
        return None
    kept = [name for name, axis in zip(axes, in_shape[1:], strict=True) if axis != 1]
    new = iter([name for name in ("channel", *axes) if name not in kept])
    names = [next(new, "") if axis == 1 else kept.pop(0) for axis in out_shape[1:]]
    return tuple(names) if all(names) and len(set(names)) == len(names) else None


def _permuted(layer: Any, axes: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """Return the names of the axes in their new order; Permute counts them from 1, Transpose with the batch."""
    places = getattr(layer, "dims", None) or (getattr(layer, "axes", None) or ())[1:]
    if axes is None or sorted(places) != list(range(1, len(axes) + 1)):
        return None
    return tuple(axes[place - 1] for place in places)


def _axes_after(layer: Any, before: View) -> tuple[str, ...] | None:
    """Return the axes as a layer's own `data_format` takes them, or as they came where that agrees with it."""
    if not hasattr(layer, "data_format") or before.axes is None or len(before.axes) != 3:
        return before.axes
    named = axes_of((None,) * 4, layer.data_format) or ()
    return before.axes if "channel" in before.axes and _channel(named) == _channel(before.axes) else named


def _channel(axes: tuple[str, ...]) -> int:
    return axes.index("channel")


def _through_window(layer: Any, window: Any, before: View, axes: tuple[str, ...] | None) -> View:
    kernel = _sided(window, axes)
    stride = _sided(getattr(layer, "strides", 1) or 1, axes)
    dilation = _sided(getattr(layer, "dilation_rate", 1) or 1, axes)
    if type(layer).__name__.endswith("Transpose"):
        jump = (before.jump[0] / stride[0], before.jump[1] / stride[1])
        reach = [math.ceil((k - 1) / s) * j for k, s, j in zip(kernel, stride, before.jump, strict=True)]
        return View((before.field[0] + reach[0], before.field[1] + reach[1]), jump, axes, before.image)
    reach = [(k - 1) * d * j for k, d, j in zip(kernel, dilation, before.jump, strict=True)]
    jump = (before.jump[0] * stride[0], before.jump[1] * stride[1])
    return View((before.field[0] + reach[0], before.field[1] + reach[1]), jump, axes, before.image)


def _resized_jump(layer: Any, jump: tuple[float, float], axes: tuple[str, ...] | None) -> tuple[float, float]:
    if not type(layer).__name__.startswith("UpSampling"):
        return jump
    size = _sided(layer.size, axes)
    return (jump[0] / size[0], jump[1] / size[1])


def _sided(value: Any, axes: tuple[str, ...] | None) -> tuple[int, int]:
    """Return a pair given per axis as (rows, columns); after a Permute columns may come first."""
    first, second = _pair(value)
    spatial = [name for name in axes or () if name != "channel"]
    return (second, first) if spatial == ["column", "row"] else (first, second)


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
    sides = [[view.image[side] for view in views] for side in (0, 1)]
    height, width = (None if None in side else max(filter(None, side)) for side in sides)
    return View((rows, columns), jump, views[0].axes, (height, width))


def clipped(view: View) -> tuple[int, int] | None:
    """Return the field in whole pixels, no larger than the image; None where a free side leaves it open."""
    sides = [min(field, side or math.inf) for field, side in zip(view.field, view.image, strict=True)]
    return None if math.inf in sides else (math.ceil(sides[0]), math.ceil(sides[1]))


def flatten_order(layer: Any, axes: tuple[str, ...] | None, in_shape: Any) -> str | None:
    """Say in which order a Flatten lays out its vector, first axis slowest; None for other layers.

    A Flatten whose own `data_format` is channels_first moves the first axis last before it flattens.
    """
    if type(layer).__name__ != "Flatten" or axes is None or len(axes) != len(in_shape) - 1:
        return None
    if layer.data_format == "channels_first":
        axes = (*axes[1:], axes[0])
    return ", ".join(axes)


def activation_bytes(shape: Shape | tuple[Shape, ...] | None, dtype: str | None) -> int | None:
    """Return the bytes of one example's output; None where an axis is free or there are several outputs."""
    count = _count((shape or (None, None))[1:])
    size = _itemsize(dtype or "")
    return None if count is None or size is None else count * size


def _itemsize(dtype: str) -> int | None:
    """Return the bytes of one value: `float32` and `bfloat16` say their bits; None for text."""
    bits = re.search(r"\d+", "8" if dtype == "bool" else dtype)
    return int(bits[0]) // 8 if bits else None


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
