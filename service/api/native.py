"""Owns Convoy's own dialect: `/api/models/…`."""

import time
from typing import Any

from flask import Blueprint, Response, request

from service.api.bodies import read_examples
from service.api.errors import problem_response
from service.api.render import card_body, json_response, layers_body, model_list, result_body, state_body
from service.api.schemas import PredictQuery
from service.errors import ModelFailedError, ModelNotReadyError
from service.serving.admission import deadline_in
from service.serving.examples import Result
from service.serving.live import VersionState
from service.serving.predictor import Predictor
from service.serving.registry import Registry
from service.settings import Settings

Version = int | str


def blueprint(registry: Registry, predictor: Predictor, settings: Settings) -> Blueprint:
    """Return the routes of the native dialect."""
    views = _Views(registry, predictor, settings)
    api = Blueprint("native", __name__, url_prefix="/api/models")
    api.add_url_rule("", view_func=views.models)
    for prefix in ("/<name>", "/<name>/versions/<version>"):
        api.add_url_rule(prefix, view_func=views.card)
        api.add_url_rule(f"{prefix}/layers", view_func=views.layers)
        api.add_url_rule(f"{prefix}/summary", view_func=views.summary)
        api.add_url_rule(f"{prefix}/predict", view_func=views.predict, methods=["POST"])
    return api


class _Views:
    def __init__(self, registry: Registry, predictor: Predictor, settings: Settings) -> None:
        self._registry = registry
        self._predictor = predictor
        self._settings = settings

    def models(self) -> Response:
        self._registry.refresh(wait=False)
        view = self._registry.view
        held = {name: self._registry.loaded(name) for name in view.models}
        return json_response(model_list(view, {name: models[0] for name, models in held.items() if models}))

    def card(self, name: str, version: str = "latest") -> Response:
        try:
            card = self._registry.get(name, _version(version)).card
        except (ModelNotReadyError, ModelFailedError):
            return self._not_live(name, _version(version))
        state = self._registry.view.models.get(name, {}).get(card.version)
        return json_response(card_body(card, state))

    def layers(self, name: str, version: str = "latest") -> Response:
        card = self._registry.get(name, _version(version)).card
        return json_response(layers_body(card))

    def summary(self, name: str, version: str = "latest") -> Response:
        card = self._registry.get(name, _version(version)).card
        return Response(card.facts.summary + "\n", mimetype="text/plain")

    def predict(self, name: str, version: str = "latest") -> Response:
        deadline = deadline_in(self._settings.request_timeout)
        query = PredictQuery().load(request.args.to_dict())
        model = self._registry.get(name, _version(version))
        inputs = [one.spec.name for one in model.card.inputs]
        examples = read_examples(request, inputs=inputs, max_images=self._settings.max_images)
        result = self._predictor.predict(model, examples, top_k=query["top_k"], deadline=deadline)
        return _rendered(result, query)

    def _not_live(self, name: str, version: Version) -> Response:
        states = self._registry.view.models[name]
        number = self._registry.number_of(name, version) or max(states)
        return json_response(state_body(name, number, states.get(number, VersionState("building"))))


def _version(text: str) -> Version:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text


def _rendered(result: Result, query: dict[str, Any]) -> Response:
    if not result.answered and len(result.predictions) == 1:
        error = result.predictions[0].error
        assert error is not None
        raise error
    began = time.monotonic()
    body = result_body(result, layers=query["layers"], probabilities=query["probabilities"])
    if not result.answered:
        return problem_response(_none_answered(body))
    response = json_response(body)
    response.headers["Server-Timing"] = _server_timing(result, render=time.monotonic() - began)
    return response


def _none_answered(body: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "about:blank",
        "title": "No image could be answered",
        "status": 422,
        "detail": "None of the images could be answered; each entry of predictions says why.",
        "predictions": body["predictions"],
    }


def _server_timing(result: Result, *, render: float) -> str:
    timings = result.timings
    stages = {
        "queue": timings.wait,
        "decode": timings.decode,
        "infer": timings.infer,
        "render": render,
    }
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in stages.items())
