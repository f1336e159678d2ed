"""Owns the steps of layers that make numbers of numbers: place by place, along some axes, or of several tensors."""

from collections.abc import Sequence

import numpy as np

from service.model.regions import axis
from service.model.regions.seen import Mask, Seen, Sizes, whole
from service.model.regions.step import Step, Taken, along, single

_ACTIVATIONS_THAT_MIX = ("softmax", "log_softmax", "sparsemax")
_ACTIVATIONS = frozenset(
    (
        *("celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_swish", "hard_tanh"),
        *("leaky_relu", "linear", "log_sigmoid", "mish", "prelu", "relu", "relu6", "selu", "sigmoid", "silu"),
        *("soft_shrink", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "squareplus", "swish", "tanh"),
        *("tanh_shrink", "threshold"),
    )
)


def place_by_place(taken: Taken) -> Step | None:
    """Return the step of a layer that makes each number of those at the same place, of several tensors too.

    Shapes are matched from the last axis, and an axis of length 1 serves every place.
    """
    rank = max([len(taken.declared[0]), *map(len, taken.sizes)])
    given = tuple(_broadcast(taken, axis_ - rank) for axis_ in range(rank))
    if None in given:
        return None
    known = tuple(length for length in given if length is not None)
    return single(known, lambda seen: [_matched(seen, sizes) for sizes in taken.sizes], is_move=True)


def _broadcast(taken: Taken, axis_: int) -> int | None:
    """Return the length of an axis, counted from the last, that is given; a constant may make it longer."""
    lengths = {sizes[axis_] for sizes in taken.sizes if -axis_ <= len(sizes)}
    longest = lengths - {1}
    if len(longest) > 1:
        return None
    declared = taken.declared[0][axis_] if -axis_ <= len(taken.declared[0]) else None
    return longest.pop() if longest else declared or 1


def _matched(seen: Seen, sizes: Sizes) -> Seen:
    last = seen[len(seen) - len(sizes) :]
    return tuple(
        mask if len(mask) == length else np.full(length, bool(mask.any()), np.bool_)
        for mask, length in zip(last, sizes, strict=True)
    )


def along_axis(taken: Taken) -> Step | None:
    """Return the step of a softmax or a normalization, which mixes along its `axis`, the last one by default."""
    axes = taken.axes(default=-1)
    return None if axes is None else _mixing(taken, axes, taken.only)


def within_examples(taken: Taken) -> Step | None:
    """Return the step of a layer that makes each number of all those of the example."""
    return _mixing(taken, range(taken.rank), taken.only)


def dense(taken: Taken) -> Step | None:
    """Return the step of a Dense, which mixes along the last axis alone."""
    units = taken.declared[0][-1]
    return None if units is None else _mixing(taken, (taken.rank - 1,), (*taken.only[:-1], units))


def _mixing(taken: Taken, axes: Sequence[int], given: Sizes) -> Step | None:
    return along(
        [
            axis.mixed(before, after) if place in axes else axis.same(before)
            for place, (before, after) in enumerate(zip(taken.only, given, strict=True))
        ]
    )


def global_pooling(taken: Taken) -> Step | None:
    """Return the step of a global pooling: of each channel everything."""
    return _reduced(taken, taken.spatial)


def reduction(taken: Taken) -> Step | None:
    """Return the step of a sum, a mean or the like along some axes."""
    axes = taken.axes()
    return None if axes is None else _reduced(taken, axes)


def _reduced(taken: Taken, axes: Sequence[int]) -> Step:
    kept = [place for place in range(taken.rank) if place not in axes]
    is_kept_as_one = len(taken.declared[0]) == taken.rank
    given = tuple(
        length if place in kept else 1 for place, length in enumerate(taken.only) if place in kept or is_kept_as_one
    )

    def back(seen: Seen) -> list[Seen]:
        masks: dict[int, Mask] = dict(zip(range(taken.rank) if is_kept_as_one else kept, seen, strict=True))
        return [tuple(masks[place] if place in kept else all_ for place, all_ in enumerate(whole(taken.only)))]

    return single(given, back)


def activated(step: Step, taken: Taken) -> Step | None:
    """Return a step followed by the layer's activation; None for one that is not known."""
    activation = taken.layer.activation
    if activation is None or activation in _ACTIVATIONS:
        return step
    if activation not in _ACTIVATIONS_THAT_MIX:
        return None
    return _after_softmax(step, taken)


def _after_softmax(step: Step, taken: Taken) -> Step | None:
    after = along_axis(Taken(taken.layer, step.parts, taken.declared))
    if after is None:
        return None
    return single(step.parts[0], lambda seen: step.back(after.back(seen, 0)[0], 0))
