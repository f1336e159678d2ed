"""Owns what is looked at of one tensor: for each axis of an item a mask of its places, so that holes stay holes."""

import numpy as np
from numpy.typing import NDArray

Sizes = tuple[int, ...]
"""The lengths of the axes of an item, without the batch axis."""

Mask = NDArray[np.bool_]
Seen = tuple[Mask, ...]
"""A mask for each axis of an item; a place is seen where all its masks are set."""


def whole(sizes: Sizes) -> Seen:
    """Return that everything is seen."""
    return tuple(np.ones(size, np.bool_) for size in sizes)


def one_place(sizes: Sizes, index: int) -> Seen:
    """Return that one place is seen; `index` counts the first axis slowest."""
    return tuple(_only(size, int(place)) for size, place in zip(sizes, np.unravel_index(index, sizes), strict=True))


def _only(size: int, place: int) -> Mask:
    mask = np.zeros(size, np.bool_)
    mask[place] = True
    return mask


def sizes_of(seen: Seen) -> Sizes:
    """Return the lengths of the axes."""
    return tuple(len(mask) for mask in seen)


def is_nothing(seen: Seen) -> bool:
    """Return whether no place is seen."""
    return not all(mask.any() for mask in seen)


def is_whole(seen: Seen) -> bool:
    """Return whether every place is seen."""
    return all(bool(mask.all()) for mask in seen)


def index_of(seen: Seen) -> int | None:
    """Return which place is seen, counted with the first axis slowest; None where it is not one alone."""
    if any(np.count_nonzero(mask) != 1 for mask in seen):
        return None
    return int(np.ravel_multi_index(tuple(int(mask.argmax()) for mask in seen), sizes_of(seen))) if seen else 0


def joined(one: Seen, other: Seen | None) -> Seen:
    """Return the least masks that let through what either sees."""
    if other is None:
        return one
    return tuple(mine | theirs for mine, theirs in zip(one, other, strict=True))


def span(mask: Mask) -> tuple[int, int]:
    """Return the first place that is seen and the one after the last; (0, 0) where none is."""
    places = np.flatnonzero(mask)
    return (int(places[0]), int(places[-1]) + 1) if len(places) else (0, 0)
