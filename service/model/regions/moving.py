"""Owns the steps of layers that move numbers and make none: Flatten, Reshape, Permute, Concatenate, slices."""

import math

import numpy as np

from service.model.regions import axis
from service.model.regions.seen import Mask, Seen, Sizes, is_whole, sizes_of, whole
from service.model.regions.step import Step, Taken, along, single
from service.model.tensors import Shape

_FOLLOWED = 2**24


def unchanged(taken: Taken) -> Step | None:
    """Return the step of a layer that gives what it takes."""
    return along([axis.same(length) for length in taken.only], is_move=True)


def flattening(taken: Taken) -> Step | None:
    """Return the step of a Flatten; one whose `data_format` is channels_first moves the first axis last before."""
    order = tuple(range(taken.rank))
    if taken.layer.data_format == "channels_first":
        order = (*order[1:], *order[:1])
    moved = tuple(taken.only[place] for place in order)

    def back(seen: Seen) -> list[Seen]:
        return [_permuted_back(refolded(seen, moved), order)]

    return single((math.prod(taken.only),), back, is_move=True)


def reshaping(taken: Taken) -> Step | None:
    """Return the step of a layer that lays the same numbers out in another shape, in the same order."""
    given = filled(taken.declared[0], taken.only)
    if given is None:
        return None
    return single(given, lambda seen: [refolded(seen, taken.only)], is_move=True)


def filled(shape: Shape, taken: Sizes) -> Sizes | None:
    """Return `shape` with its free axes as they must be to hold the numbers of `taken`; None where that is open."""
    known = math.prod(length for length in shape if length is not None)
    if shape.count(None) == 1 and known:
        shape = tuple(math.prod(taken) // known if length is None else length for length in shape)
    elif None in shape:  # axes of length 1 came or went, the others are as they were
        lengths = iter([length for length in taken if length != 1])
        shape = tuple(length if length == 1 else next(lengths, 0) for length in shape)
    sizes = tuple(length for length in shape if length is not None)
    return sizes if len(sizes) == len(shape) and math.prod(sizes) == math.prod(taken) else None


def refolded(seen: Seen, sizes: Sizes) -> Seen:
    """Return what is seen of an item of `sizes` that holds the same numbers in the same order.

    All of it where too much is seen to be followed number by number.
    """
    if is_whole(seen) or math.prod(int(mask.sum()) for mask in seen) > _FOLLOWED:
        return whole(sizes)
    places = np.ravel_multi_index(np.ix_(*(np.flatnonzero(mask) for mask in seen)), sizes_of(seen))
    return tuple(
        _mask(length, found) for length, found in zip(sizes, np.unravel_index(np.ravel(places), sizes), strict=True)
    )


def _mask(length: int, places: axis.Places) -> Mask:
    mask = np.zeros(length, np.bool_)
    mask[places] = True
    return mask


def permuting(taken: Taken) -> Step | None:
    """Return the step of a Permute or a transposition; `dims` counts the axes of an item from 1."""
    order = tuple(place - 1 for place in taken.layer.dims or ())
    if sorted(order) != list(range(taken.rank)):
        return None
    given = tuple(taken.only[place] for place in order)
    return single(given, lambda seen: [_permuted_back(seen, order)], is_move=True)


def _permuted_back(seen: Seen, order: tuple[int, ...]) -> Seen:
    return tuple(seen[order.index(place)] for place in range(len(order)))


def concatenation(taken: Taken) -> Step | None:
    """Return the step of a Concatenate: along its axis each tensor has places of its own."""
    axes = taken.axes(default=-1)
    if axes is None or len(axes) != 1 or len({len(sizes) for sizes in taken.sizes}) != 1:
        return None
    (along_,) = axes
    ends = np.cumsum([sizes[along_] for sizes in taken.sizes])
    given = (*taken.only[:along_], int(ends[-1]), *taken.only[along_ + 1 :])

    def back(seen: Seen) -> list[Seen]:
        parts = np.split(seen[along_], ends[:-1])
        return [(*seen[:along_], part, *seen[along_ + 1 :]) for part in parts]

    return single(given, back, is_move=True)


def splitting(taken: Taken) -> Step | None:
    """Return the step of a split along one axis; what each part is long is what Keras says."""
    axes = taken.axes(default=0)
    if axes is None or len(axes) != 1:
        return None
    (along_,) = axes
    lengths = [shape[along_] for shape in taken.declared if len(shape) == taken.rank]
    known = [length for length in lengths if length is not None]
    if len(known) != len(taken.declared) or sum(known) != taken.only[along_]:
        return None
    starts = [sum(known[:place]) for place in range(len(known))]
    parts = tuple((*taken.only[:along_], length, *taken.only[along_ + 1 :]) for length in known)

    def back(seen: Seen, part: int) -> list[Seen]:
        mask = np.zeros(taken.only[along_], np.bool_)
        mask[starts[part] : starts[part] + known[part]] = seen[along_]
        return [(*seen[:along_], mask, *seen[along_ + 1 :])]

    return Step(parts, back, is_move=True)


def slicing(taken: Taken) -> Step | None:
    """Return the step of indexing; see `Layer.key`. The first entry is the batch's and must take all of it."""
    entries = _entries(taken)
    if entries is None:
        return None
    axes = [axis.strided(n, one) for n, one in zip(taken.only, entries, strict=True)]
    inner = along(axes)
    given = filled(taken.declared[0], tuple(one.given for one in axes))
    if inner is None or given is None:
        return None
    kept = inner.parts[0]
    return single(given, lambda seen: inner.back(refolded(seen, kept), 0), is_move=True)


def _entries(taken: Taken) -> list[slice] | None:
    """Return a slice for each axis of an item; a whole number is the slice of that place alone.

    None where the key is not known, or takes a part of the batch.
    """
    if taken.layer.key is None:
        return None
    key = [entry for entry in taken.layer.key if entry != "newaxis"]
    if key.count("...") == 0:
        key.append("...")
    place = key.index("...")
    key[place : place + 1] = [(None, None, None)] * (taken.rank + 1 - (len(key) - 1))
    if len(key) != taken.rank + 1 or key[0] != (None, None, None):
        return None
    return [slice(*one) if isinstance(one, tuple) else _only(int(one)) for one in key[1:]]


def _only(place: int) -> slice:
    return slice(place, place + 1 or None)


def repetition(taken: Taken) -> Step | None:
    """Return the step of a RepeatVector: the vector, as often as it says."""
    times = taken.declared[0][0]
    if times is None or taken.rank != 1:
        return None
    return single((times, *taken.only), lambda seen: [seen[1:]], is_move=True)


def stacking(taken: Taken) -> Step | None:
    """Return the step of a stack: its new axis counts the tensors."""
    rank = len(taken.declared[0])
    said = taken.layer.axis if isinstance(taken.layer.axis, int) else 0
    place = said - 1 if said > 0 else rank + said
    if said == 0 or not 0 <= place < rank or len(set(taken.sizes)) != 1:
        return None

    def back(seen: Seen) -> list[Seen]:
        rest = (*seen[:place], *seen[place + 1 :])
        return [rest if is_taken else _nothing(rest) for is_taken in seen[place]]

    return single((*taken.only[:place], len(taken.sizes), *taken.only[place:]), back, is_move=True)


def _nothing(seen: Seen) -> Seen:
    return tuple(np.zeros_like(mask) for mask in seen)
