"""Owns the native answer to a prediction: its status, and what is said where nothing was answered."""

from collections.abc import Mapping
from typing import Any

from flask import Response

from service.api.errors import problem_response
from service.api.layer_texts import LayerTexts
from service.api.render import json_response, result_body
from service.serving.examples import Result

_LAYERS = LayerTexts()


def predict_response(result: Result, query: Mapping[str, Any]) -> Response:
    """Return the answer to a prediction; `query` is what PredictQuery loaded. Raises the error of an only example."""
    if not result.answered and len(result.predictions) == 1:
        error = result.predictions[0].error
        assert error is not None
        raise error
    body = result_body(result, layers="none", probabilities=query["probabilities"])
    if (layers := query["layers"]) != "none":
        body["layers"] = _LAYERS.of(result.card, full=layers == "full", batch=result.answered)
    if not result.answered:
        return problem_response(_none_answered(body))
    return json_response(body)


def _none_answered(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "No image could be answered",
        "status": 422,
        "detail": "None of the images could be answered; each entry of predictions says why.",
        "predictions": body["predictions"],
    }
