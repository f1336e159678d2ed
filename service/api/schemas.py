"""Owns the shape of queries, JSON bodies and answers. Pixels never pass through here element by element."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

DEFAULT_TOP_K = 5
_AN_IMAGE = "base64 text, a data URI, nested lists of numbers, or an object with one of them per input."
_A_SHAPE = "Axes, null where free; a list of shapes where there are several."


class PredictQuery(Schema):
    """The query of a prediction."""

    top_k = fields.Integer(
        load_default=DEFAULT_TOP_K,
        validate=validate.Range(1, 100_000),
        metadata={"description": "How many classes `top` ranks."},
    )
    layers = fields.String(
        load_default="shapes",
        validate=validate.OneOf(["shapes", "full", "none"]),
        metadata={"description": "Every layer in brief, in full, or none of them."},
    )
    probabilities = fields.Boolean(
        load_default=True, metadata={"description": "Whether the vector of all classes is given."}
    )


class PreviewQuery(Schema):
    """The query of a preview: which input to show where there are several."""

    input = fields.String(
        load_default=None, metadata={"description": "Name of the input to show; the first one by default."}
    )


class PredictBody(Schema):
    """The JSON body of a prediction: one `image` or several `images`, each left as it came."""

    image = fields.Raw(metadata={"description": _AN_IMAGE})
    images = fields.List(
        fields.Raw(allow_none=True), validate=validate.Length(min=1), metadata={"description": f"Several: {_AN_IMAGE}"}
    )

    @validates_schema
    def _exactly_one(self, data: dict[str, Any], **_: Any) -> None:
        if len(data) != 1:
            raise ValidationError('send exactly one of "image" and "images".', "body")


class Problem(Schema):
    """What went wrong, as RFC 9457 has it."""

    type = fields.String(required=True)
    title = fields.String(required=True)
    status = fields.Integer(required=True)
    detail = fields.String(required=True)


class RankedAnswer(Schema):
    """A class with its value."""

    label = fields.String(required=True)
    index = fields.Integer(required=True)
    probability = fields.Float(allow_none=True)
    score = fields.Float(allow_none=True)


class InputOrigin(Schema):
    """Where an answer came from."""

    index = fields.Integer(required=True)
    filename = fields.String(required=True, allow_none=True)
    format = fields.String(required=True, allow_none=True)
    size = fields.List(
        fields.Integer(), required=True, allow_none=True, metadata={"description": "Height and width in pixels."}
    )


class OutputAnswer(RankedAnswer):
    """The answer of one output: a class with all classes' values, or the plain `values` of a map."""

    label = fields.String()
    index = fields.Integer()
    probabilities = fields.List(fields.Float(allow_none=True))
    scores = fields.List(fields.Float(allow_none=True))
    top = fields.List(fields.Nested(RankedAnswer))
    labels = fields.List(fields.Nested(RankedAnswer))
    values = fields.Raw()
    shape = fields.List(fields.Integer())


class PredictionAnswer(OutputAnswer):
    """One prediction: the answer of the only output, `outputs` by name where there are several, or `error`."""

    input = fields.Nested(InputOrigin, required=True)
    outputs = fields.Dict(keys=fields.String(), values=fields.Nested(OutputAnswer))
    warnings = fields.List(fields.String())
    error = fields.Nested(Problem)


class ModelReference(Schema):
    """Which model answered."""

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    engine = fields.String(required=True)


class LayerAnswer(Schema):
    """A layer; the members after `parameters` are there in full only, and where they say something of its type."""

    name = fields.String(required=True)
    type = fields.String(required=True)
    output_shape = fields.List(
        fields.Raw(allow_none=True), required=True, allow_none=True, metadata={"description": _A_SHAPE}
    )
    parameters = fields.Integer(required=True)
    input_shape = fields.List(fields.Raw(allow_none=True), allow_none=True, metadata={"description": _A_SHAPE})
    trainable_parameters = fields.Integer()
    dtype = fields.String()
    activation = fields.String()
    kernel_size = fields.List(fields.Integer())
    pool_size = fields.List(fields.Integer())
    strides = fields.List(fields.Integer())
    padding = fields.String()
    dilation_rate = fields.List(fields.Integer())
    macs = fields.Integer()
    activation_bytes = fields.Integer()
    receptive_field = fields.List(fields.Integer())
    inbound = fields.List(fields.String())
    order = fields.String()
    axes = fields.List(fields.String())
    data_format = fields.String()
    groups = fields.Integer()
    output_padding = fields.List(fields.Integer())
    pad_width = fields.List(fields.List(fields.Integer()))
    cropping = fields.List(fields.List(fields.Integer()))
    size = fields.List(fields.Integer())
    interpolation = fields.String()
    antialias = fields.Boolean()
    crop_to_aspect_ratio = fields.Boolean()
    pad_to_aspect_ratio = fields.Boolean()
    axis = fields.Raw(metadata={"description": "A number, or several; the batch is axis 0."})
    dims = fields.List(fields.Integer())
    key = fields.List(fields.Raw(allow_none=True))
    function = fields.String()
    is_custom = fields.Boolean()
    training = fields.Boolean()
    calls = fields.List(fields.List(fields.List(fields.Raw())))


class PredictAnswer(Schema):
    """The answer to a prediction."""

    model = fields.Nested(ModelReference, required=True)
    predictions = fields.List(fields.Nested(PredictionAnswer), required=True)
    layers = fields.List(fields.Nested(LayerAnswer), allow_none=True)
