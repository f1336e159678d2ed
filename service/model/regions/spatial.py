"""Owns the steps of layers that look at neighbouring places: convolutions, pooling, padding, cropping, resizing."""

from collections.abc import Sequence

import numpy as np

from service.model.regions import axis
from service.model.regions.axis import Axis
from service.model.regions.resample import resampled
from service.model.regions.step import Step, Taken, along, each


def convolution(taken: Taken) -> Step | None:
    """Return the step of a convolution: a window over the picture, and all channels of its group."""
    kernel = taken.layer.kernel_size
    filters = _declared_channels(taken)
    if kernel is None or filters is None:
        return None
    before = taken.only[taken.channel]
    channels = axis.grouped(before, filters, _groups(taken))
    return _with_channels(taken, _windows(taken, kernel), channels)


def _groups(taken: Taken) -> int:
    is_depthwise = taken.layer.type.startswith("Depthwise")
    return taken.only[taken.channel] if is_depthwise else taken.layer.groups or 1


def transposed_convolution(taken: Taken) -> Step | None:
    """Return the step of a transposed convolution."""
    layer, count = taken.layer, len(taken.spatial)
    filters = _declared_channels(taken)
    if layer.kernel_size is None or filters is None or layer.padding is None:
        return None
    strides, dilations = each(layer.strides, count), each(layer.dilation_rate, count)
    extra: tuple[int | None, ...] = (None,) * count
    if layer.output_padding is not None:
        extra = each(layer.output_padding, count)
    windows = [
        axis.transposed(
            taken.only[place],
            kernel=kernel,
            stride=stride,
            dilation=dilation,
            padding=layer.padding,
            output_padding=more,
        )
        for place, kernel, stride, dilation, more in zip(
            taken.spatial, each(layer.kernel_size, count), strides, dilations, extra, strict=True
        )
    ]
    return _with_channels(taken, windows, axis.mixed(taken.only[taken.channel], filters))


def pooling(taken: Taken) -> Step | None:
    """Return the step of a pooling; it leaves the channels apart."""
    size = taken.layer.pool_size
    return None if size is None else _with_channels(taken, _windows(taken, size))


def adaptive_pooling(taken: Taken) -> Step | None:
    """Return the step of a pooling to a size that is given."""
    lengths = [taken.declared[0][place] for place in taken.spatial]
    bins = [axis.adaptive(taken.only[place], n) for place, n in zip(taken.spatial, lengths, strict=True) if n]
    return _with_channels(taken, bins) if len(bins) == len(lengths) else None


def _windows(taken: Taken, kernel: tuple[int, ...]) -> list[Axis]:
    layer, count = taken.layer, len(taken.spatial)
    padding = layer.padding or "valid"
    strides = each(layer.strides, count)
    # A pooling without strides of its own moves by its window; Keras fills that in, its bare operation does not.
    if layer.strides is None and layer.pool_size is not None:
        strides = each(kernel, count)
    return [
        axis.window(taken.only[place], kernel=one, stride=stride, dilation=dilation, padding=padding)
        for place, one, stride, dilation in zip(
            taken.spatial, each(kernel, count), strides, each(layer.dilation_rate, count), strict=True
        )
    ]


def padded(taken: Taken) -> Step | None:
    """Return the step of a padding with zeros."""
    return _shifted(taken, taken.layer.pad_width, sign=1)


def cropped(taken: Taken) -> Step | None:
    """Return the step of a cropping."""
    return _shifted(taken, taken.layer.cropping, sign=-1)


def _shifted(taken: Taken, pairs: object, *, sign: int) -> Step | None:
    """Return the step that adds or takes off places: pairs of the spatial axes, or of all."""
    if not isinstance(pairs, tuple) or len(pairs) not in (taken.rank, len(taken.spatial)):
        return None
    places = taken.spatial if len(pairs) == len(taken.spatial) else range(taken.rank)
    shifts = {place: (sign * before, sign * after) for place, (before, after) in zip(places, pairs, strict=True)}
    axes = [axis.shifted(length, *shifts.get(place, (0, 0))) for place, length in enumerate(taken.only)]
    return along(axes, is_move=True)


def upsampled(taken: Taken) -> Step | None:
    """Return the step of an enlarging by whole numbers."""
    layer = taken.layer
    times = each(layer.size, len(taken.spatial))
    by = layer.interpolation or "nearest"
    axes: list[Axis | None] = []
    for place, factor in zip(taken.spatial, times, strict=True):
        length = taken.only[place]
        axes.append(axis.repeated(length, factor) if by == "nearest" else resampled(length, length * factor, by=by))
    return _with_channels(taken, axes)


def resized(taken: Taken) -> Step | None:
    """Return the step of a resizing to one size: stretched, or cut or padded to its shape first."""
    sizes = _target(taken)
    if sizes is None:
        return None
    cuts = _whole(taken)
    if taken.layer.crop_to_aspect_ratio:
        cuts = _cut_to_shape(cuts, sizes)
    elif taken.layer.pad_to_aspect_ratio:
        cuts = _padded_to_shape(cuts, sizes)
    return _resampled_within(taken, cuts, sizes)


def center_cropped(taken: Taken) -> Step | None:
    """Return the step of a CenterCrop, which cuts and enlarges where the picture is too small."""
    sizes = _target(taken)
    if sizes is None:
        return None
    cuts = _whole(taken)
    if any(length < size for (_, length), size in zip(cuts, sizes, strict=True)):
        return _resampled_within(taken, _cut_to_shape(cuts, sizes), sizes)
    middle = [((length - size) // 2, size) for (_, length), size in zip(cuts, sizes, strict=True)]
    return _resampled_within(taken, middle, sizes)


_Cut = tuple[int, int]
"""A first place, before the picture where it is padded, and a length."""


def _target(taken: Taken) -> tuple[int, int] | None:
    if taken.rank != 3:
        return None
    height, width = (taken.declared[0][place] for place in taken.spatial)
    return None if height is None or width is None else (height, width)


def _whole(taken: Taken) -> list[_Cut]:
    return [(0, taken.only[place]) for place in taken.spatial]


def _fitting(cuts: Sequence[_Cut], sizes: tuple[int, int]) -> tuple[int, int]:
    """Return the height that fits the width, and the width that fits the height, by the arithmetic of Keras."""
    (_, height), (_, width) = cuts
    return (
        int(np.float32(width * sizes[0]) / np.float32(sizes[1])),
        int(np.float32(height * sizes[1]) / np.float32(sizes[0])),
    )


def _cut_to_shape(cuts: Sequence[_Cut], sizes: tuple[int, int]) -> list[_Cut]:
    kept = [max(min(length, fit), 1) for (_, length), fit in zip(cuts, _fitting(cuts, sizes), strict=True)]
    return [((length - keep) // 2, keep) for (_, length), keep in zip(cuts, kept, strict=True)]


def _padded_to_shape(cuts: Sequence[_Cut], sizes: tuple[int, int]) -> list[_Cut]:
    margins = [(max(length, fit) - length) // 2 for (_, length), fit in zip(cuts, _fitting(cuts, sizes), strict=True)]
    return [(-margin, length + 2 * margin) for (_, length), margin in zip(cuts, margins, strict=True)]


def _resampled_within(taken: Taken, cuts: Sequence[_Cut], sizes: tuple[int, int]) -> Step | None:
    by = (taken.layer.interpolation or "bilinear").lower()
    axes = []
    for place, (start, length), size in zip(taken.spatial, cuts, sizes, strict=True):
        inner = resampled(length, size, by=by, antialias=bool(taken.layer.antialias))
        axes.append(None if inner is None else axis.within(inner, taken.only[place], start))
    return _with_channels(taken, axes)


def _declared_channels(taken: Taken) -> int | None:
    return taken.declared[0][taken.channel] if len(taken.declared[0]) == taken.rank else None


def _with_channels(taken: Taken, spatial: Sequence[Axis | None], channels: Axis | None = None) -> Step | None:
    """Return the step with an axis for each spatial one, and the channels, left apart by default."""
    axes = list(spatial)
    axes.insert(taken.channel, channels or axis.same(taken.only[taken.channel]))
    return along(axes)
