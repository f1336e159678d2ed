"""Owns the addresses below `/v1`: which view answers, and `Malformed request` for all the others."""

import re
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request
from flask.blueprints import BlueprintSetupState
from werkzeug.routing import BaseConverter

from service.api.deadline import deadline_of
from service.api.reasons import reason_query
from service.api.room import Room
from service.api.tfserving import answers
from service.api.tfserving.document import parse_document
from service.api.tfserving.explain import explained
from service.api.tfserving.features import read_features
from service.api.tfserving.finding import live_model, output_of_classes, output_of_one_value, versions_at
from service.api.tfserving.metadata import message, metadata_body, status_body
from service.api.tfserving.paths import Address, is_list, parse_address, path_of
from service.api.tfserving.predict import SIGNATURES, Asked, check_signature, read_predict
from service.api.tfserving.wording import place_error
from service.errors import MisfitError, UnsupportedBodyError
from service.explain.explainer import Explainer
from service.model.card import ModelCard, OutputCard
from service.model.head import to_class_values
from service.serving.absence import RETRY_SECONDS
from service.serving.inference import BadExampleError, Inference, Inferrer
from service.serving.live_model import LiveModel
from service.serving.registry import Registry
from service.settings import Settings

METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT")


class _Rest(BaseConverter):
    regex = ".*"
    part_isolating = False


def blueprint(registry: Registry, inferrer: Inferrer, explainer: Explainer, settings: Settings) -> Blueprint:
    """Return the routes of TensorFlow Serving and KServe v1."""
    views = _Views(registry, inferrer, explainer, settings)
    api = Blueprint("tfserving", __name__)
    api.record_once(_add_converter)
    _add(api, "/v1/models", "models", views.answer, "GET")
    for prefix in ("/v1/models/<name>", "/v1/models/<name>/versions/<version>", "/v1/models/<name>/labels/<label>"):
        _add(api, prefix, "status", views.answer, "GET")
        _add(api, f"{prefix}/metadata", "metadata", views.answer, "GET")
        for verb in ("predict", "classify", "regress", "explain"):
            _add(api, f"{prefix}:{verb}", verb, views.answer, "POST")
    _add(api, "/<any(v1, V1):prefix>/<rest:path>", "other", views.answer, *METHODS)
    return api


def _add_converter(state: BlueprintSetupState) -> None:
    state.app.url_map.converters["rest"] = _Rest


def _add(api: Blueprint, rule: str, endpoint: str, view: Callable[..., Response], *methods: str) -> None:
    api.add_url_rule(rule, endpoint, view, methods=list(methods), provide_automatic_options=False)


class _Views:
    def __init__(self, registry: Registry, inferrer: Inferrer, explainer: Explainer, settings: Settings) -> None:
        self._registry = registry
        self._inferrer = inferrer
        self._explainer = explainer
        self._timeout = settings.request_timeout
        self._room = Room(settings.max_examples, settings.max_images)
        self._by_verb: dict[str, Callable[[Address], Response]] = {
            "status": self._status,
            "metadata": self._metadata,
            "predict": self._predict,
            "classify": self._classify,
            "regress": self._regress,
            "explain": self._explain,
        }

    def answer(self, **_: Any) -> Response:
        """Answer any address: what Flask made of it is not looked at, for it has decoded the path already."""
        path = path_of(request)
        if request.method == "OPTIONS":
            return _preflight()
        if is_list(request.method, path):
            return self._models()
        address = parse_address(request.method, path)
        return self._by_verb[address.verb](address)

    def _models(self) -> Response:
        self._registry.refresh(wait=False)
        return message({"models": sorted(self._registry.view.models)})

    def _status(self, address: Address) -> Response:
        versions = versions_at(self._registry, address)
        held = {one.card.version for one in self._registry.loaded(address.name)}
        body = status_body(address.name, versions, held)
        response = message(body, status=200 if body["ready"] else 503)
        if any(one["state"] == "LOADING" for one in body["model_version_status"]):
            response.headers["Retry-After"] = str(RETRY_SECONDS)
        return response

    def _metadata(self, address: Address) -> Response:
        return message(metadata_body(live_model(self._registry, address).card))

    def _predict(self, address: Address) -> Response:
        deadline = deadline_of(request, limit=self._timeout)
        model = live_model(self._registry, address)
        asked = read_predict(_document(), model.card, self._room)
        found = self._infer(model, asked, "instances", deadline=deadline)
        is_row = asked.rows is not None
        return _json(answers.predictions(found.outputs) if is_row else answers.outputs_by_name(found.outputs))

    def _classify(self, address: Address) -> Response:
        deadline = deadline_of(request, limit=self._timeout)
        model, output, asked = self._asked(address, "tensorflow/serving/classify", output_of_classes)
        found = self._infer(model, asked, "examples", deadline=deadline)
        values = to_class_values(found.outputs[output.spec.name], output.head)
        labels = [""] * len(output.labels) if output.labels_source == "default" else output.labels
        return _json(answers.classifications(labels, values))

    def _regress(self, address: Address) -> Response:
        deadline = deadline_of(request, limit=self._timeout)
        model, output, asked = self._asked(address, "tensorflow/serving/regress", output_of_one_value)
        found = self._infer(model, asked, "examples", deadline=deadline)
        return _json(answers.regressions(found.outputs[output.spec.name].reshape(-1)))

    def _explain(self, address: Address) -> Response:
        deadline = deadline_of(request, limit=self._timeout)
        query = reason_query(request)
        model = live_model(self._registry, address)
        asked = read_predict(_document(), model.card, self._room)
        return explained(model, asked, query, self._explainer, deadline=deadline)

    def _asked(
        self, address: Address, method: str, output_of: Callable[[ModelCard], OutputCard]
    ) -> tuple[LiveModel, OutputCard, Asked]:
        model = live_model(self._registry, address)
        data = _document()
        check_signature(data, (*SIGNATURES, method), "No signature was found with the name: {}")
        output = output_of(model.card)
        return model, output, read_features(data, model.card, self._room)

    def _infer(self, model: LiveModel, asked: Asked, key: str, *, deadline: float) -> Inference:
        try:
            found = self._inferrer.infer(model, asked.examples, deadline=deadline)
        except BadExampleError as error:
            if not asked.is_each:
                raise error.error from error
            raise type(error.error)(place_error(f"{error.index} of '{key}' list", error.message)) from error
        if asked.rows not in (None, found.count):
            raise MisfitError(
                f"'{key}' holds {asked.rows} elements, and the model takes them for {found.count} examples; send one "
                "example in each."
            )
        return found


def _preflight() -> Response:
    is_from_page = re.search("https?://", request.headers.get("Origin", ""))
    return Response(status=200 if is_from_page else 400)


def _document() -> dict[str, Any]:
    """Return the JSON of the request at hand, whatever its Content-Type says: `curl -d` calls it a form."""
    encoding = (request.content_encoding or "identity").lower()
    if encoding != "identity":
        raise UnsupportedBodyError(f"Content-Encoding {encoding} is not taken; send the body as it is.")
    return parse_document(request.get_data(cache=False))


def _json(body: bytes) -> Response:
    return Response(body, mimetype="application/json")
