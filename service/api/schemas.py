"""Owns the shape of queries, JSON bodies and answers. Pixels never pass through here element by element."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

DEFAULT_TOP_K = 5


class PredictQuery(Schema):
    """The query of a prediction."""

    top_k = fields.Integer(load_default=DEFAULT_TOP_K, validate=validate.Range(1, 100_000))
    layers = fields.String(load_default="shapes", validate=validate.OneOf(["shapes", "full", "none"]))
    probabilities = fields.Boolean(load_default=True)


class PredictBody(Schema):
    """The JSON body of a prediction: one `image` or several `images`, each left as it came."""

    image = fields.Raw()
    images = fields.List(fields.Raw(allow_none=True), validate=validate.Length(min=1))

    @validates_schema
    def _exactly_one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError('send exactly one of "image" and "images".', "body")


class RankedAnswer(Schema):
    """A class with its value."""

    label = fields.String(required=True)
    index = fields.Integer(required=True)
    probability = fields.Float(allow_none=True)
    score = fields.Float(allow_none=True)


class InputOrigin(Schema):
    """Where an answer came from."""

    index = fields.Integer(required=True)
    filename = fields.String(allow_none=True)
    format = fields.String(allow_none=True)
    size = fields.List(fields.Integer(), allow_none=True)


class PredictionAnswer(Schema):
    """One prediction."""

    input = fields.Nested(InputOrigin, required=True)
    label = fields.String()
    index = fields.Integer()
    probability = fields.Float(allow_none=True)
    score = fields.Float(allow_none=True)
    probabilities = fields.List(fields.Float(allow_none=True))
    scores = fields.List(fields.Float(allow_none=True))
    top = fields.List(fields.Nested(RankedAnswer))
    labels = fields.List(fields.Nested(RankedAnswer))
    values = fields.List(fields.Raw(allow_none=True))
    shape = fields.List(fields.Integer())
    outputs = fields.Dict()
    warnings = fields.List(fields.String())
    error = fields.Dict()


class ModelReference(Schema):
    """Which model answered."""

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    engine = fields.String(required=True)


class PredictAnswer(Schema):
    """The answer to a prediction."""

    model = fields.Nested(ModelReference, required=True)
    predictions = fields.List(fields.Nested(PredictionAnswer), required=True)
    layers = fields.List(fields.Dict())
