"""Owns the shape of the bodies of TensorFlow Serving, the Open Inference Protocol and the clouds, where shown."""

from marshmallow import INCLUDE, Schema, fields, validate

_ROWS = 'One per example: nested lists of numbers, {"b64": …} with an encoded image, or an object with one per input.'


class _Open(Schema):
    class Meta:
        """Other members change nothing."""

        unknown = INCLUDE


class RowsBody(_Open):
    """The row format."""

    instances = fields.List(
        fields.Raw(), required=True, validate=validate.Length(min=1), metadata={"description": _ROWS}
    )


class RowsAnswer(_Open):
    """The model's own outputs, a row per instance; objects by output where there are several."""

    predictions = fields.List(fields.Raw(), required=True)


class V1PredictBody(_Open):
    """The row format with `instances`, or the column format with `inputs`."""

    signature_name = fields.String()
    instances = fields.List(fields.Raw(), metadata={"description": _ROWS})
    inputs = fields.Raw(metadata={"description": "All examples of the only input, or an object with those of each."})


class V1PredictAnswer(_Open):
    """The model's own outputs: `predictions` for rows, `outputs` for columns."""

    predictions = fields.List(fields.Raw())
    outputs = fields.Raw()


class V1ExamplesBody(_Open):
    """The examples of a classification or a regression."""

    signature_name = fields.String()
    context = fields.Dict()
    examples = fields.List(fields.Dict(), required=True, validate=validate.Length(min=1))


class V1ResultsAnswer(_Open):
    """Per example: each label with its score in class order, or the regression's number."""

    results = fields.List(fields.Raw(), required=True)


class V1StatusAnswer(_Open):
    """The states of a model's versions, for TensorFlow Serving's clients and for KServe's."""

    model_version_status = fields.List(fields.Dict(), required=True)
    name = fields.String()
    ready = fields.Boolean()


class V1MetadataAnswer(_Open):
    """A model's signatures."""

    model_spec = fields.Dict(required=True)
    metadata = fields.Dict(required=True)


class NamesAnswer(_Open):
    """The names of all models."""

    models = fields.List(fields.String(), required=True)


class V2Tensor(_Open):
    """A tensor; `data` is nested or flat, and missing where it follows the JSON in binary."""

    name = fields.String(required=True)
    shape = fields.List(fields.Integer(), required=True)
    datatype = fields.String(required=True)
    parameters = fields.Dict()
    data = fields.Raw()


class V2WantedOutput(_Open):
    """An output that is asked for."""

    name = fields.String(required=True)
    parameters = fields.Dict()


class V2InferBody(_Open):
    """An inference request."""

    id = fields.String()
    parameters = fields.Dict()
    inputs = fields.List(fields.Nested(V2Tensor), required=True, validate=validate.Length(min=1))
    outputs = fields.List(fields.Nested(V2WantedOutput))


class V2InferAnswer(_Open):
    """The model's own outputs."""

    id = fields.String()
    model_name = fields.String(required=True)
    model_version = fields.String(required=True)
    outputs = fields.List(fields.Nested(V2Tensor), required=True)


class V2ServerAnswer(_Open):
    """The server."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    extensions = fields.List(fields.String(), required=True)


class V2HealthAnswer(_Open):
    """Whether the server, or a model, is well; clients read either member."""

    name = fields.String()
    live = fields.Boolean()
    ready = fields.Boolean()


class V2ModelAnswer(_Open):
    """A model's metadata."""

    name = fields.String(required=True)
    versions = fields.List(fields.String(), required=True)
    platform = fields.String(required=True)
    inputs = fields.List(fields.Nested(V2Tensor), required=True)
    outputs = fields.List(fields.Nested(V2Tensor), required=True)


class V2ConfigAnswer(_Open):
    """A model's configuration, as Triton writes it."""

    name = fields.String(required=True)
    platform = fields.String(required=True)
    max_batch_size = fields.Integer(required=True)
    input = fields.List(fields.Dict(), required=True)
    output = fields.List(fields.Dict(), required=True)


class V2StatisticsAnswer(_Open):
    """What was answered, per model and version."""

    model_stats = fields.List(fields.Dict(), required=True)


class V2IndexBody(_Open):
    """Which models to list."""

    ready = fields.Boolean()


class V2ChangeAnswer(_Open):
    """Which model was loaded or unloaded."""

    name = fields.String(required=True)


class V2IndexEntry(_Open):
    """A version of a model in the repository."""

    name = fields.String(required=True)
    version = fields.String(required=True)
    state = fields.String(required=True)
    reason = fields.String(required=True)
