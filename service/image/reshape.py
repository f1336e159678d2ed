"""Owns fitting posted numbers to a model's input: a reshape that loses and guesses nothing, or a refusal."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.model.reach import Reach, reach_in_words, reach_of
from service.model.recipe import Recipe
from service.model.tensors import ImageLayout, Shape, TensorSpec

_NUMERIC = "biuf"
_EXACT_IN_FLOAT64 = 2**53
_WIDE = 100
"""A scale that makes pixels reach this far leaves them unscaled; numbers that all lie in -1..1 do not fit it."""


def numbers_to_batch(array: NDArray[Any], spec: TensorSpec, layout: ImageLayout | None) -> NDArray[Any]:
    """Return `array` as a batch (N, *item) in the model's dtype, a view where shape and dtype allow.

    Accepted are one item or a batch of items, in the declared shape or another with the same values in the same
    order: without or with a channel axis of 1, flat, or square for a flat input. The declared shape wins where it
    fits, except that (5, 7, 1) for pictures of any size without a channel axis is one or five. Values are kept; floats
    are rounded to the model's. Raises MisfitError naming what came and what is accepted.
    """
    forms = _forms(spec, layout)
    shape = _declared(array.shape, spec, layout) or _unambiguous(array.shape, forms, spec)
    if shape is None:
        raise MisfitError(f"Numbers of shape {list(array.shape)} do not fit input {spec.name}. {_accepted(forms)}")
    if 0 in shape:
        raise MisfitError(f"Numbers of shape {list(array.shape)} hold no example. {_accepted(forms)}")
    return _cast(array.reshape(shape), spec.dtype)


def range_warning(batch: NDArray[Any], recipe: Recipe | None) -> str | None:
    """Return a warning where the range of posted numbers does not fit what the recipe scales pictures to."""
    if recipe is None or recipe.samplewise_center or recipe.samplewise_std_normalization:
        return None
    # A picture is never scaled for an input of integers.
    scale = recipe.scale if batch.dtype.kind == "f" else "0..255"
    low, high = float(batch.min()), float(batch.max())
    if _reaches_alike((low, high), reach_of(scale)):
        return None
    return (
        f"The numbers range from {low:g} to {high:g}; this model takes {reach_in_words(scale)}. "
        "They were used as they came."
    )


def _reaches_alike(found: Reach, taken: Reach) -> bool:
    """Return whether numbers from `found` may have been scaled to `taken`: nothing lies far out, nor all close to 0."""
    low, high = found
    half = (taken[1] - taken[0]) / 2
    if low < taken[0] - half or high > taken[1] + half:
        return False
    return 2 * half < _WIDE or max(-low, high) > 1 or low == high


def _forms(spec: TensorSpec, layout: ImageLayout | None) -> list[Shape]:
    """Return the shapes one item may have, the declared one first."""
    declared = spec.item_shape
    if layout is None:
        return _unique([declared, _flat(declared)])
    height, width, channels = layout.height, layout.width, layout.channels
    forms: list[Shape | None] = [declared]
    if channels == 1:
        forms += [(height, width), (height, width, 1), (1, height, width)]
    elif layout.is_flat:
        forms += [(height, width, channels)]
    return _unique([*forms, _flat(declared)])


def _flat(item: Shape) -> Shape | None:
    return None if None in item else (math.prod(axis or 1 for axis in item),)


def _unique(forms: list[Any]) -> list[Shape]:
    return [form for form in dict.fromkeys(forms) if form is not None]


def _declared(came: tuple[int, ...], spec: TensorSpec, layout: ImageLayout | None) -> tuple[int, ...] | None:
    item = spec.item_shape
    if layout is not None and not layout.has_channel_axis and None in item:
        return None
    if _fits(came, item):
        return (1, *came)
    return came if _fits(came[1:], item) and len(came) == len(item) + 1 else None


def _unambiguous(came: tuple[int, ...], forms: list[Shape], spec: TensorSpec) -> tuple[int, ...] | None:
    """Return the one batch shape that all fitting readings of `came` agree on; None where none fits."""
    readings = {}
    for form in forms:
        for item, count in ((came, 1), (came[1:], came[0] if came else 0)):
            if _fits(item, form):
                readings[(count, *_concrete(item, form, spec.item_shape))] = form
    if len(readings) > 1:
        listed = " or ".join(str(list(reading)) for reading in readings)
        raise MisfitError(
            f"Numbers of shape {list(came)} can be read as {listed} for input {spec.name}; "
            f"send them with every axis, {_shown(spec.shape)}."
        )
    return next(iter(readings), None)


def _fits(shape: tuple[int, ...], form: Shape) -> bool:
    return len(shape) == len(form) and all(want is None or have == want for have, want in zip(shape, form, strict=True))


def _concrete(item: tuple[int, ...], form: Shape, declared: Shape) -> tuple[int, ...]:
    """Return the declared shape with its free axes taken from `item`, in their order."""
    free = [have for have, want in zip(item, form, strict=True) if want is None]
    return tuple(free.pop(0) if axis is None else axis for axis in declared)


def _accepted(forms: list[Shape]) -> str:
    listed = ", ".join(_shown(form) for form in forms)
    return f"Send one example as {listed}, or a batch of them with the batch axis first."


def _shown(shape: Shape) -> str:
    return "[" + ", ".join("any" if axis is None else str(axis) for axis in shape) + "]"


def _cast(batch: NDArray[Any], dtype: str) -> NDArray[Any]:
    if batch.dtype.kind not in _NUMERIC:
        raise MisfitError("The array must hold numbers: booleans, integers or floating point.")
    if batch.dtype.kind == "f" and not np.isfinite(batch).all():
        raise MisfitError("The numbers hold NaN or infinity; send finite numbers.")
    with np.errstate(over="ignore", invalid="ignore"):
        cast = np.ascontiguousarray(batch, dtype=dtype)
    if not _kept(batch, cast):
        raise MisfitError(f"The numbers cannot be held by the model's {dtype} without changing them.")
    return cast


def _kept(batch: NDArray[Any], cast: NDArray[Any]) -> bool:
    if batch.dtype.kind == "f" and cast.dtype.kind == "f":
        return bool(np.isfinite(cast).all())
    if batch.dtype in (np.int64, np.uint64) and cast.dtype.kind == "f":
        # NOTE: NumPy calls int64 to float64 safe, and the comparison below would round both sides alike.
        if max(-int(batch.min()), int(batch.max())) > _EXACT_IN_FLOAT64:
            return False
    elif np.can_cast(batch.dtype, cast.dtype, "safe"):
        return True
    return bool(np.array_equal(batch.astype(np.float64), cast.astype(np.float64)))
