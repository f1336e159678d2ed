"""Owns the shape of native answers that are written without a schema: lists, cards, previews, health."""

from typing import get_args

from marshmallow import INCLUDE, Schema, fields, validate

from service.api.schemas import InputOrigin, LayerAnswer, PredictionAnswer, Problem
from service.serving.live import State

_SHAPE = {"description": "Axes, null where free."}


_PIDS = {"description": "Process ids of workers."}


class VersionAnswer(Schema):
    """A version, its state, the labels that name it, and the workers that have this very build of it loaded."""

    version = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(get_args(State)))
    labels = fields.List(fields.String(), required=True)
    held_by = fields.List(fields.Integer(), required=True, metadata=_PIDS)


class TensorAnswer(Schema):
    """A tensor of a model."""

    name = fields.String(required=True)
    shape = fields.List(fields.Integer(allow_none=True), required=True, metadata=_SHAPE)
    dtype = fields.String(required=True)


class ListedModel(Schema):
    """A model of the list; `classes` and `inputs` are null where no version is live, `classes` for maps too."""

    name = fields.String(required=True)
    versions = fields.List(fields.Nested(VersionAnswer), required=True)
    classes = fields.Integer(required=True, allow_none=True)
    inputs = fields.List(fields.Nested(TensorAnswer), required=True, allow_none=True)


class ModelsAnswer(Schema):
    """Every model, the workers of the server, and what is wrong with the models folder."""

    models = fields.List(fields.Nested(ListedModel), required=True)
    workers = fields.List(fields.Integer(), required=True, metadata=_PIDS)
    warnings = fields.List(fields.String(), required=True)


class Sourced(Schema):
    """A value, and where it came from."""

    value = fields.Raw(required=True, allow_none=True)
    source = fields.String(required=True)
    file = fields.String()


class InputAnswer(TensorAnswer):
    """An input; `preprocessing` has the value and source of each step, null where it takes numbers only."""

    takes_images = fields.Boolean(required=True)
    preprocessing = fields.Dict(keys=fields.String(), values=fields.Nested(Sourced), required=True, allow_none=True)


class OutputCardAnswer(TensorAnswer):
    """An output with its head and labels; null for a map."""

    head = fields.Nested(Sourced, required=True)
    classes = fields.Integer(required=True, allow_none=True)
    labels = fields.Nested(Sourced, required=True, allow_none=True)
    threshold = fields.Float(required=True, allow_none=True)


class CardAnswer(Schema):
    """A model card, or what is known of a version that is not live."""

    class Meta:
        """A card gains members between releases."""

        unknown = INCLUDE

    name = fields.String(required=True)
    version = fields.Integer(required=True)
    state = fields.String(required=True, validate=validate.OneOf(get_args(State)))
    step = fields.String(allow_none=True, metadata={"description": "What a build is at."})
    diagnosis = fields.String(allow_none=True, metadata={"description": "Why a version cannot be served."})
    version_labels = fields.List(
        fields.String(), metadata={"description": "Labels that name this version, such as stable."}
    )
    description = fields.String(allow_none=True)
    inputs = fields.List(fields.Nested(InputAnswer))
    outputs = fields.List(fields.Nested(OutputCardAnswer))
    takes = fields.String()
    answers = fields.String()
    classes = fields.Integer(allow_none=True)
    parameters = fields.Integer()
    layers = fields.List(fields.Nested(LayerAnswer), allow_none=True)
    maps_to_vector = fields.Dict()
    engine = fields.String()
    verification = fields.List(fields.Dict())
    source = fields.Dict()
    fingerprint = fields.String()
    built_with = fields.Dict(keys=fields.String(), values=fields.String())
    provenance = fields.Dict()
    warnings = fields.List(fields.String())
    hints = fields.List(fields.String())


class LayersAnswer(Schema):
    """Every layer in full, or null and a note why."""

    layers = fields.List(fields.Nested(LayerAnswer), required=True, allow_none=True)
    note = fields.String()


class SeenTensor(Schema):
    """What one input was given; `min`, `max` and `mean` are per channel, or of all numbers."""

    name = fields.String(required=True)
    shape = fields.List(fields.Integer(), required=True)
    dtype = fields.String(required=True)
    min = fields.List(fields.Float(allow_none=True), required=True)
    max = fields.List(fields.Float(allow_none=True), required=True)
    mean = fields.List(fields.Float(allow_none=True), required=True)
    conversions = fields.List(fields.String(), required=True)
    warnings = fields.List(fields.String(), required=True)


class PreviewAnswer(Schema):
    """What the model saw of one example, or why it cannot be shown."""

    input = fields.Nested(InputOrigin, required=True)
    tensors = fields.List(fields.Nested(SeenTensor))
    error = fields.Nested(Problem)


class PreviewModel(Schema):
    """Which model was asked."""

    name = fields.String(required=True)
    version = fields.Integer(required=True)


class PreviewsAnswer(Schema):
    """What the model saw of each example."""

    model = fields.Nested(PreviewModel, required=True)
    previews = fields.List(fields.Nested(PreviewAnswer), required=True)


class NoneAnswered(Problem):
    """A problem of several examples of which none could be answered."""

    predictions = fields.List(fields.Nested(PredictionAnswer))
    previews = fields.List(fields.Nested(PreviewAnswer))


class StatusAnswer(Schema):
    """How the server, or the default model, is."""

    status = fields.String(required=True)
    awaited = fields.List(fields.String())


class SignpostAnswer(Schema):
    """Where to go from here."""

    class Meta:
        """Says what it likes."""

        unknown = INCLUDE

    service = fields.String(required=True)
    version = fields.String(required=True)
    status = fields.String(required=True)
    links = fields.Dict(keys=fields.String(), values=fields.String())


class ErrorAnswer(Schema):
    """What went wrong, in the form of other servers."""

    error = fields.String(required=True)
