"""Owns what is said of the native operations and of health."""

from service.api.openapi.operation import BINARY, JSON, NPY, PICTURES, PNG, TEXT, Answer, Content, Operation, in_json
from service.api.openapi.shapes import (
    CardAnswer,
    LayersAnswer,
    ModelsAnswer,
    PreviewsAnswer,
    SignpostAnswer,
    StatusAnswer,
)
from service.api.schemas import PredictAnswer, PredictBody, PredictQuery, PreviewQuery

_FORM = {
    "type": "object",
    "description": "One or more files; the part's name is that of an input where there are several inputs.",
    "additionalProperties": {"type": "array", "items": BINARY},
    "minProperties": 1,
}
IMAGES = (
    *(Content(kind, BINARY) for kind in PICTURES),
    Content(JSON, PredictBody, "predict_json.request"),
    Content("multipart/form-data", _FORM),
    Content(NPY, BINARY),
)
_FOUND, _ASKED = (404, 503), (400, 404, 408, 413, 415, 422, 503, 504)
_TEXT = Content(TEXT, {"type": "string"})
_ANY_TYPE = "The body's own bytes decide what it is, whatever the Content-Type says."

NATIVE = {
    "native.models": Operation(
        "native",
        "List the models",
        answers=in_json(ModelsAnswer, "Every model, its versions and their state.", example="models"),
        errors=(503,),
    ),
    "native.card": Operation(
        "native",
        "Show a model card",
        "Everything known about a model, each value with where it came from; of a version that is not live, its state.",
        answers=in_json(CardAnswer, "The card.", example="card"),
        errors=_FOUND,
    ),
    "native.layers": Operation(
        "native",
        "Show every layer in full",
        answers=in_json(LayersAnswer, "The layers, in the model's order.", example="layers"),
        errors=_FOUND,
    ),
    "native.summary": Operation(
        "native",
        "Show the model as `model.summary()` prints it",
        answers={200: Answer("The summary.", (_TEXT,))},
        errors=_FOUND,
    ),
    "native.predict": Operation(
        "native",
        "Classify images",
        f"{_ANY_TYPE} Pictures go through the model's preprocessing, numbers go to the model as they are. One bad "
        "image among several gets an `error` of its own, and the others are answered.",
        query=PredictQuery,
        body=IMAGES,
        answers=in_json(PredictAnswer, "A prediction per image.", example="predict"),
        errors=_ASKED,
    ),
    "native.preview": Operation(
        "native",
        "Show what the model sees of an image",
        f"{_ANY_TYPE} The Accept header chooses: PNG, the very numbers as `.npy`, or an account of every conversion.",
        query=PreviewQuery,
        body=IMAGES,
        answers={
            200: Answer(
                "What the model was given.",
                (Content(PNG, BINARY), Content(NPY, BINARY), Content(JSON, PreviewsAnswer, "preview")),
            )
        },
        errors=_ASKED,
    ),
}

HEALTH = {
    "health.healthz": Operation(
        "health", "Say that the server lives", answers=in_json(StatusAnswer, "It lives."), errors=(503,)
    ),
    "health.readyz": Operation(
        "health",
        "Say whether every model that was there at start is live",
        answers=in_json(StatusAnswer, "Ready.", example="readyz")
        | in_json(StatusAnswer, "Not ready; `awaited` names what is missing.", status=503),
    ),
    "health.signpost": Operation(
        "health",
        "Say where to go",
        "A browser, which would rather have HTML than JSON, is shown the page.",
        answers={
            200: Answer(
                "The addresses to begin with, or the page.",
                (Content(JSON, SignpostAnswer), Content("text/html", {"type": "string"})),
            )
        },
        errors=(503,),
    ),
    "metrics.metrics": Operation(
        "health",
        "Show what all workers have counted",
        "In Prometheus' text format; in OpenMetrics where the Accept header asks for it.",
        answers={200: Answer("The metrics.", (_TEXT, Content("application/openmetrics-text", {"type": "string"})))},
        errors=(503,),
    ),
    "openapi.document": Operation(
        "health",
        "Describe the API",
        answers={200: Answer("This document.", (Content(JSON, {"type": "object"}),))},
        errors=(503,),
    ),
    "openapi.docs": Operation(
        "health",
        "Show the description as a page",
        answers={200: Answer("The page.", (Content("text/html", {"type": "string"}),))},
        errors=(503,),
    ),
}
