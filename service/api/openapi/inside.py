"""Owns what is said of the operations that look inside a model: what its layers give, why it answers so."""

from marshmallow import Schema, fields, validate

from service.api.openapi.native import IMAGES
from service.api.openapi.operation import BINARY, JSON, NPY, PNG, Answer, Content, Operation, in_json
from service.api.openapi.shapes import PreviewModel
from service.api.queries import ActivationsQuery, ExplainQuery, GraphQuery, UnitQuery
from service.api.schemas import InputOrigin, RankedAnswer

_ASKED = (400, 404, 408, 413, 415, 422, 503, 504)
_SIZE = {"description": "Height and width."}


class TappedLayer(Schema):
    """Which layer's numbers these are; `call` and `part` tell those of a shared layer and of several outputs apart."""

    name = fields.String(required=True)
    type = fields.String(required=True)
    call = fields.Integer(required=True)
    part = fields.Integer(required=True)


class ActivationsAnswer(Schema):
    """What a layer gives; `shape` is that of all channels, `channels` are those given, null where all are."""

    model = fields.Nested(PreviewModel, required=True)
    input = fields.Nested(InputOrigin, required=True)
    layer = fields.Nested(TappedLayer, required=True)
    shape = fields.List(fields.Integer(), required=True)
    order = fields.String(
        required=True,
        metadata={"description": "Where the channels are; of a Flatten, the order of its vector, first axis slowest."},
    )
    flattened = fields.List(
        fields.Integer(),
        data_key="from",
        metadata={"description": "Height, width and channels of what a Flatten made its vector of."},
    )
    channels = fields.List(fields.Integer(), required=True, allow_none=True)
    minimum = fields.Float(required=True, allow_none=True)
    maximum = fields.Float(required=True, allow_none=True)
    activations = fields.List(
        fields.Raw(), required=True, metadata={"description": "Nested numbers; what is not finite is null."}
    )
    warnings = fields.List(fields.String(), required=True)


class HeatTensor(Schema):
    """The heat of one input: rows of numbers in 0..1, and the least and the greatest as they were measured."""

    name = fields.String(required=True)
    size = fields.List(fields.Integer(), required=True, metadata=_SIZE)
    heatmap = fields.List(fields.List(fields.Float()), required=True)
    maximum = fields.Float(required=True)
    minimum = fields.Float(required=True)


class HeatAnswer(Schema):
    """Where a class shows, by input; `passes` are the runs of the model that it took."""

    output = fields.String(required=True)
    target = fields.Nested(RankedAnswer, required=True, data_key="class")
    method = fields.String(required=True, validate=validate.OneOf(["grad-cam", "occlusion"]))
    passes = fields.Integer(required=True)
    tensors = fields.List(fields.Nested(HeatTensor), required=True)
    warnings = fields.List(fields.String(), required=True)


class ExplainAnswer(HeatAnswer):
    """An explanation."""

    model = fields.Nested(PreviewModel, required=True)
    input = fields.Nested(InputOrigin, required=True)


class V1ExplainAnswer(Schema):
    """An explanation for each instance."""

    explanations = fields.List(fields.Nested(HeatAnswer), required=True)


class RegionAnswer(Schema):
    """Pixels of the model's input: rows `top` to before `bottom`, columns `left` to before `right`; empty if none."""

    top = fields.Integer(required=True)
    left = fields.Integer(required=True)
    bottom = fields.Integer(required=True)
    right = fields.Integer(required=True)


class InputRegionAnswer(RegionAnswer):
    """The region of one input."""

    input = fields.String(required=True)


class UnitAnswer(Schema):
    """Where a unit looks; `row`, `column` and `channel` count in what the layer `map` gives, null where it lacks one.

    `region` is that of the first `input` that can influence the unit; where there are several, `regions` has them all.
    """

    model = fields.Nested(PreviewModel, required=True)
    layer = fields.String(required=True)
    index = fields.Integer(required=True)
    map = fields.String(required=True)
    row = fields.Integer(required=True, allow_none=True)
    column = fields.Integer(required=True, allow_none=True)
    channel = fields.Integer(required=True, allow_none=True)
    region = fields.Nested(RegionAnswer, required=True)
    input = fields.String(required=True)
    regions = fields.List(fields.Nested(InputRegionAnswer))


INSIDE = {
    "graph.drawing": Operation(
        "native",
        "Draw the layers",
        "An SVG without scripts, in light and dark. Each layer is a group with `data-layer`; nested models are boxes "
        "that links open.",
        query=GraphQuery,
        answers={200: Answer("The drawing.", (Content("image/svg+xml", {"type": "string"}),))},
        errors=(404, 422, 503),
    ),
    "units.unit": Operation(
        "native",
        "Say where a unit looks",
        "The rectangle of the input that can influence one number that a layer gives, in pixels of the model's input. "
        "No pixel outside changes it.",
        query=UnitQuery,
        answers=in_json(UnitAnswer, "Where it looks.", example="unit"),
        errors=(404, 422, 503),
    ),
    "activations.activations": Operation(
        "native",
        "Show what a layer gives for an image",
        "The Accept header chooses: a picture (maps as a contact sheet, a Flatten as blocks, units and classes as "
        "bars), the numbers in JSON, or as `.npy`.",
        query=ActivationsQuery,
        body=IMAGES,
        answers={
            200: Answer(
                "What the layer gives.",
                (Content(PNG, BINARY), Content(NPY, BINARY), Content(JSON, ActivationsAnswer, "activations")),
            )
        },
        errors=_ASKED,
    ),
    "explain.explain": Operation(
        "native",
        "Show where in an image a class shows",
        "The Accept header chooses: the heat over the image as PNG, the numbers in JSON, or those of one input as "
        "`.npy`.",
        query=ExplainQuery,
        body=IMAGES,
        answers={
            200: Answer(
                "The heat map.",
                (Content(PNG, BINARY), Content(NPY, BINARY), Content(JSON, ExplainAnswer, "explain")),
            )
        },
        errors=_ASKED,
    ),
}
