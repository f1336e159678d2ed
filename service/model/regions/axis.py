"""Owns how one axis of what a layer gives looks at the same axis of what it takes: windows, shifts, resampling.

Lengths and padding are TensorFlow's: "same" gives ceil(length / stride) places and puts the odd pixel of padding last.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.model.regions.seen import Mask

Places = NDArray[np.int64]
Taps = Callable[[Places], Places]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: `given` places, each of which looks at some of `taken` ones.

    `taps` makes of places that are given (P,) those that they take, of any shape; one outside is padding.
    """

    taken: int
    given: int
    taps: Taps

    def back(self, seen: Mask) -> Mask:
        """Return which places are taken by those that are seen."""
        found = np.ravel(self.taps(np.flatnonzero(seen)))
        mask = np.zeros(self.taken, np.bool_)
        mask[found[(found >= 0) & (found < self.taken)]] = True
        return mask


def same(taken: int) -> Axis:
    """Return the axis of a layer that looks at each place for itself."""
    return Axis(taken, taken, lambda places: places)


def mixed(taken: int, given: int) -> Axis:
    """Return the axis of a layer whose every place looks at all."""
    return Axis(taken, given, lambda places: np.arange(taken if len(places) else 0))


def grouped(taken: int, given: int, groups: int) -> Axis:
    """Return the channels of a convolution in `groups`; a depthwise one has as many as channels."""
    if groups == 1:
        return mixed(taken, given)
    wide, deep = max(given // groups, 1), taken // groups
    return Axis(taken, given, lambda places: _beside((places // wide) * deep, np.arange(deep)))


def window(taken: int, *, kernel: int, stride: int, dilation: int, padding: str) -> Axis:
    """Return the axis under a window that is moved along it; `padding` is valid, same or causal."""
    reach = (kernel - 1) * dilation + 1
    given = (taken - reach) // stride + 1 if padding == "valid" else math.ceil(taken / stride)
    before = {"valid": 0, "causal": reach - 1}.get(padding, max((given - 1) * stride + reach - taken, 0) // 2)
    offsets = np.arange(kernel) * dilation - before
    return Axis(taken, given, lambda places: _beside(places * stride, offsets))


def transposed(
    taken: int, *, kernel: int, stride: int, dilation: int, padding: str, output_padding: int | None
) -> Axis:
    """Return the axis of a transposed convolution: the window of the convolution that it turns round."""
    reach = (kernel - 1) * dilation + 1
    given = _transposed_length(taken, reach, stride, padding, output_padding)
    before = 0 if padding == "valid" else max((taken - 1) * stride + reach - given, 0) // 2
    offsets = before - np.arange(kernel) * dilation

    def taps(places: Places) -> Places:
        steps = _beside(places, offsets)
        return np.where(steps % stride == 0, steps // stride, -1)

    return Axis(taken, given, taps)


def _transposed_length(taken: int, reach: int, stride: int, padding: str, output_padding: int | None) -> int:
    if output_padding is None:
        return taken * stride + (max(reach - stride, 0) if padding == "valid" else 0)
    return (taken - 1) * stride + reach + output_padding - (0 if padding == "valid" else 2 * (reach // 2))


def shifted(taken: int, before: int, after: int) -> Axis:
    """Return the axis with places added at its ends, or taken off where negative."""
    return Axis(taken, taken + before + after, lambda places: places - before)


def strided(taken: int, chosen: slice) -> Axis:
    """Return the axis of which a slice is given."""
    start, stop, step = chosen.indices(taken)
    return Axis(taken, len(range(start, stop, step)), lambda places: start + places * step)


def repeated(taken: int, times: int) -> Axis:
    """Return the axis each of whose places is given several times."""
    return Axis(taken, taken * times, lambda places: places // times)


def adaptive(taken: int, given: int) -> Axis:
    """Return the axis that is cut into `given` bins of about the same length; neighbours may share a place."""

    def taps(places: Places) -> Places:
        starts, ends = places * taken // given, -(-(places + 1) * taken // given)
        return _between(starts, ends, longest=taken // given + 2)

    return Axis(taken, given, taps)


def within(inner: Axis, taken: int, start: int) -> Axis:
    """Return an axis that is made of a part of the one taken, from `start` on; before it, and behind, is padding."""

    def taps(places: Places) -> Places:
        found = inner.taps(places)
        return np.where((found >= 0) & (found < inner.taken), found + start, -1)

    return Axis(taken, inner.given, taps)


def _beside(places: Places, offsets: Places) -> Places:
    return places[:, np.newaxis] + offsets


def _between(starts: Places, ends: Places, *, longest: int) -> Places:
    """Return the places from each start to before its end, -1 in place of the rest."""
    places = _beside(starts, np.arange(longest))
    return np.where(places < ends[:, np.newaxis], places, -1)
