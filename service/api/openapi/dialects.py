"""Owns what is said of the operations of other servers' dialects; their own pages say more."""

from marshmallow import Schema

from service.api.huggingface import ClassifyBody, ClassScore
from service.api.openapi import dialect_shapes as shapes
from service.api.openapi.inside import V1ExplainAnswer
from service.api.openapi.native import IMAGES
from service.api.openapi.operation import BINARY, JSON, PICTURES, Answer, Content, Operation, Tag, in_json
from service.api.openapi.shapes import StatusAnswer
from service.api.queries import ReasonQuery
from service.api.schemas import PredictAnswer, PredictQuery

_V1: Tag = "TensorFlow Serving and KServe v1"
_V2: Tag = "Open Inference Protocol v2"
_ASKED = (400, 404, 408, 413, 503, 504)


def _v1(summary: str, answer: type[Schema], *, example: str | None = None, description: str = "") -> Operation:
    return Operation(
        _V1, summary, description, answers=in_json(answer, "The answer.", example=example), errors=(404, 503)
    )


def _v1_asked(summary: str, body: type[Schema], answer: type[Schema], *, example: str | None = None) -> Operation:
    sent = Content(JSON, body, f"{example}.request" if example else None)
    answers = in_json(answer, "The answer.", example=example)
    return Operation(_V1, summary, body=(sent,), answers=answers, errors=_ASKED)


def _v2(
    summary: str, answer: type[Schema], *, example: str | None = None, errors: tuple[int, ...] = (404, 503)
) -> Operation:
    return Operation(_V2, summary, answers=in_json(answer, "The answer.", example=example), errors=errors)


TFSERVING = {
    "tfserving.models": _v1("List the models' names", shapes.NamesAnswer),
    "tfserving.status": _v1("Show the state of a model's versions", shapes.V1StatusAnswer, example="v1_status"),
    "tfserving.metadata": _v1("Show a model's signatures", shapes.V1MetadataAnswer),
    "tfserving.predict": _v1_asked(
        "Give the model's own outputs", shapes.V1PredictBody, shapes.V1PredictAnswer, example="v1_predict"
    ),
    "tfserving.classify": _v1_asked("Give labels with scores", shapes.V1ExamplesBody, shapes.V1ResultsAnswer),
    "tfserving.regress": _v1_asked("Give the number of a model of one", shapes.V1ExamplesBody, shapes.V1ResultsAnswer),
    "tfserving.explain": Operation(
        _V1,
        "Show where in each instance a class shows",
        "KServe's verb, with the query of the native `…/explain` but for how a picture is drawn.",
        query=ReasonQuery,
        body=(Content(JSON, shapes.V1PredictBody),),
        answers=in_json(V1ExplainAnswer, "A heat map for each instance."),
        errors=_ASKED,
    ),
}
_INFER = Operation(
    _V2,
    "Give the model's own outputs",
    "JSON alone, or JSON with binary tensors behind it (header `Inference-Header-Content-Length`). A `BYTES` tensor "
    "for an image input holds encoded images.",
    body=(Content(JSON, shapes.V2InferBody, "v2_infer.request"), Content("application/octet-stream", BINARY)),
    answers={
        200: Answer(
            "The outputs, in JSON or in binary as asked.",
            (Content(JSON, shapes.V2InferAnswer, "v2_infer"), Content("application/octet-stream", BINARY)),
        )
    },
    errors=_ASKED,
)
OPENINFERENCE = {
    "openinference.server": _v2("Describe the server", shapes.V2ServerAnswer, errors=(503,)),
    "openinference.live": _v2("Say that the server lives", shapes.V2HealthAnswer, errors=(503,)),
    "openinference.ready": _v2("Say whether the server is ready", shapes.V2HealthAnswer, errors=(503,)),
    "openinference.models": _v2("List the models' names", shapes.NamesAnswer, errors=(503,)),
    "openinference.metadata": _v2("Describe a model's tensors", shapes.V2ModelAnswer, example="v2_model"),
    "openinference.model_ready": _v2("Say whether a model is ready", shapes.V2HealthAnswer),
    "openinference.configuration": _v2("Show a model's configuration", shapes.V2ConfigAnswer),
    "openinference.statistics": _v2("Show what was answered", shapes.V2StatisticsAnswer),
    "openinference.infer": _INFER,
    "openinference.index": Operation(
        _V2,
        "List every version and its state",
        body=(Content(JSON, shapes.V2IndexBody),),
        is_body_needed=False,
        answers={200: Answer("The list.", (Content(JSON, shapes.V2IndexEntry, is_list=True),))},
        errors=(400, 503),
    ),
    "openinference.load": _v2("Load a model (admin key)", shapes.V2ChangeAnswer, errors=(401, 403, 404, 503)),
    "openinference.unload": _v2("Unload a model (admin key)", shapes.V2ChangeAnswer, errors=(401, 403, 404, 503)),
}
HUGGINGFACE = {
    "huggingface.classify": Operation(
        "Hugging Face",
        "Classify an image",
        "The address to give to `InferenceClient(model=…)` and to huggingface.js as `endpointUrl`.",
        body=(Content(JSON, ClassifyBody, "hf.request"), *(Content(kind, BINARY) for kind in PICTURES)),
        answers={
            200: Answer("Labels with scores, in falling order.", (Content(JSON, ClassScore, "hf", is_list=True),))
        },
        errors=(400, 404, 408, 413, 415, 422, 503, 504),
    )
}
_PING = Operation(
    "clouds",
    "Say whether the default model is live",
    answers=in_json(StatusAnswer, "It is live."),
    errors=(503,),
)
CLOUD = {
    "cloud.ping": _PING,
    "cloud.vertex_health": _PING,
    "cloud.invocations": Operation(
        "clouds",
        "Ask the default model",
        "The row format `instances` is answered with the model's own outputs, all else as the native API answers it.",
        query=PredictQuery,
        body=(*IMAGES, Content("application/x-image", BINARY)),
        answers=in_json(PredictAnswer, "A prediction per image, or `predictions` of rows."),
        errors=_ASKED,
    ),
    "cloud.vertex_predict": Operation(
        "clouds",
        "Ask the default model in the row format",
        body=(Content(JSON, shapes.RowsBody, "v1_predict.request"),),
        answers=in_json(shapes.RowsAnswer, "The model's own outputs.", example="v1_predict"),
        errors=_ASKED,
    ),
}
