"""Owns the queries of what looks inside a model: activations, explanations, units, the drawn stack."""

import re
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate


class Channels(fields.Field[list[tuple[int, int]]]):
    """Channels by number, such as `0-15,20`: the first and the last of each range."""

    _RANGE = re.compile(r"(\d{1,9})(?:-(\d{1,9}))?", re.ASCII)
    _MOST = 1000

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> list[tuple[int, int]]:
        parts = str(value).split(",")
        found = [self._RANGE.fullmatch(part.strip()) for part in parts[: self._MOST]]
        ranges = [(int(one[1]), int(one[2] or one[1])) for one in found if one is not None]
        if len(ranges) < len(parts) or any(first > last for first, last in ranges):
            raise ValidationError("send numbers and ranges of channels, such as 0-15,20.")
        return ranges


class TapQuery(Schema):
    """The query of what one layer gives: which of its calls and outputs."""

    call = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 10_000),
        metadata={"description": "Which call of a layer that is called several times."},
    )
    part = fields.Integer(
        load_default=0,
        validate=validate.Range(0, 10_000),
        metadata={"description": "Which output of a layer that has several."},
    )


class ActivationsQuery(TapQuery):
    """The query of activations: which layer, which of its calls and outputs, which channels."""

    layer = fields.String(required=True, metadata={"description": "The layer's name, as `…/layers` lists it."})
    channels = Channels(
        load_default=None,
        metadata={"type": "string", "description": "Channels or units, such as `0-15,20`; all of them by default."},
    )


class ReasonQuery(Schema):
    """The query of an explanation: which class, of which output, by which method."""

    label = fields.String(
        data_key="class",
        load_default=None,
        metadata={"description": "A class by its label, or else by its index; the predicted one by default."},
    )
    method = fields.String(
        load_default=None,
        validate=validate.OneOf(["grad-cam", "occlusion"]),
        metadata={"description": "How; by default the one that does better on this model, as docs/explain.md says."},
    )
    output = fields.String(
        load_default=None, metadata={"description": "Name of the output; the first one with classes by default."}
    )
    input = fields.String(
        load_default=None, metadata={"description": "Name of the input; every one by default, a picture has the first."}
    )


class ExplainQuery(ReasonQuery):
    """The query of an explanation that may be a picture, and how that is drawn."""

    opacity = fields.Float(
        load_default=0.5, validate=validate.Range(0, 1), metadata={"description": "That of the hottest pixels."}
    )
    overlay = fields.Boolean(
        load_default=True, metadata={"description": "Whether the heat is laid over what the model saw."}
    )


class PictureSize(fields.Field[tuple[int, int]]):
    """Height and width in pixels, such as `64x48`."""

    _SIDES = re.compile(r"([1-9]\d{0,4})x([1-9]\d{0,4})", re.ASCII)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **_: Any) -> tuple[int, int]:
        found = self._SIDES.fullmatch(str(value).strip().lower())
        if found is None:
            raise ValidationError("send height and width in pixels, such as 64x48.")
        return int(found[1]), int(found[2])


class UnitQuery(TapQuery):
    """The query of a unit: which call and output of its layer, and of what size the picture is."""

    size = PictureSize(
        load_default=None,
        metadata={
            "type": "string",
            "description": "Height and width of the picture, such as `64x48`, of a model that takes any size.",
        },
    )


class GraphQuery(Schema):
    """The query of a drawing: which nested models are open."""

    open = fields.List(
        fields.String(),
        load_default=list,
        metadata={"description": "The path of a nested model that is drawn open; several times, or `all`."},
    )
