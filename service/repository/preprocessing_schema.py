"""Owns the table `[preprocessing]` of a `model.toml`: which values of a recipe can be said, and as what.

Whether they go together, such as a resize with the library of the recipe, is told when all files are merged.
"""

import math
from typing import Any

from marshmallow import ValidationError, fields, validate

from service.model.recipe import COLORS, FITS, NAMED_SCALES, MeanStd, Rescale
from service.model.recipes import NAMED_RECIPES, RESIZES
from service.repository.strict_schema import StrictSchema

LONGEST_SIDE = 4096


class _Size(fields.Field[tuple[int | None, int | None]]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> tuple[int | None, int | None]:
        if isinstance(value, list) and len(value) == 2 and all(map(_is_side, value)):
            return (value[0], value[1])
        raise ValidationError(f"must be [height, width] in pixels, each from 1 to {LONGEST_SIDE}.")


class _Side(fields.Field[int]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> int:
        if _is_side(value):
            return int(value)
        raise ValidationError(f"must be a number of pixels, from 1 to {LONGEST_SIDE}.")


def _is_side(value: Any) -> bool:
    return type(value) is int and 0 < value <= LONGEST_SIDE


class _Scale(fields.Field[Any]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if isinstance(value, str) and value in NAMED_SCALES:
            return value
        if isinstance(value, dict) and set(value) == {"mean", "std"} and all(map(_is_numbers, value.values())):
            return _mean_std(value)
        if isinstance(value, dict) and "factor" in value and set(value) <= {"factor", "offset"}:
            return _rescale(**value)
        named = ", ".join(repr(one) for one in NAMED_SCALES)
        raise ValidationError(
            f"must be one of {named}, or {{ mean = [..], std = [..] }} or {{ factor = .., offset = .. }} with numbers."
        )


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) in (int, float) for one in value)


def _mean_std(value: dict[str, list[float]]) -> MeanStd:
    if len(value["mean"]) != len(value["std"]) or not all(value["std"]):
        raise ValidationError("mean and std must have as many numbers each, and no std may be 0.")
    mean, std = (tuple(map(_finite, value[key])) for key in ("mean", "std"))
    return MeanStd(mean, std)


def _rescale(factor: Any, offset: Any = 0.0) -> Rescale:
    if not _is_numbers([factor, offset]) or not factor:
        raise ValidationError("factor and offset must be numbers, and factor not 0: x * factor + offset.")
    return Rescale(_finite(factor), _finite(offset))


def _finite(value: float) -> float:
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValidationError("the numbers of a scale must be finite ones that a float holds.")
    return number


def _flag() -> fields.Boolean:
    return fields.Boolean(truthy={True}, falsy={False})


class PreprocessingSchema(StrictSchema):
    """The keys of `[preprocessing]`; loads as fields of `Recipe`."""

    recipe = fields.String(validate=validate.OneOf(list(NAMED_RECIPES)))
    color = fields.String(validate=validate.OneOf(COLORS))
    size = _Size()
    shortest_edge = _Side()
    resize = fields.String(validate=validate.OneOf(RESIZES))
    antialias = _flag()
    fit = fields.String(validate=validate.OneOf(FITS))
    scale = _Scale()
    samplewise_center = _flag()
    samplewise_std_normalization = _flag()
    invert = _flag()
    exif = _flag()
