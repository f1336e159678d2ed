"""Owns what cloud platforms ask of a container: SageMaker's `/ping` and `/invocations`, Vertex's two configured routes.

They name no model: the default model answers. Errors are `{"error": …}`, as Triton answers them there.
"""

from collections.abc import Mapping

from flask import Blueprint, Response, request

from service.api.answer import predict_response
from service.api.bodies import read_examples, read_json
from service.api.deadline import deadline_of
from service.api.default_model import DefaultModel
from service.api.errors import ErrorForm, error_object
from service.api.instances import is_rows, predicted
from service.api.read_query import Query
from service.api.render import json_response
from service.api.room import Room
from service.api.schemas import PredictQuery
from service.errors import UnavailableError
from service.serving.inference import Inferrer
from service.serving.predictor import Predictor
from service.settings import Settings

_PREDICT_QUERY = Query(PredictQuery())

PING, INVOCATIONS = "/ping", "/invocations"
_TAKEN = ("/api/", "/hf/", "/page/", "/v1/models/", "/v2/")
_TAKEN_ALONE = ("/", "/healthz", "/readyz", "/metrics", "/openapi.json", "/docs", "/hf", "/v2", PING, INVOCATIONS)


def blueprint(
    default: DefaultModel, predictor: Predictor, inferrer: Inferrer, settings: Settings, *, is_guarded: bool
) -> Blueprint:
    """Return SageMaker's routes, and Vertex's where the settings name them.

    Where keys are asked for (`is_guarded`), the health route, which needs none, names no model. A route that is an
    address of another dialect, such as `/v1/models/mnist:predict`, stays that dialect's.
    """
    views = _Views(default, predictor, inferrer, settings, is_guarded=is_guarded)
    api = Blueprint("cloud", __name__)
    api.add_url_rule(PING, view_func=views.ping)
    api.add_url_rule(INVOCATIONS, view_func=views.invocations, methods=["POST"])
    if health := _own(settings.health_route):
        api.add_url_rule(health, endpoint="vertex_health", view_func=views.ping)
    if predict := _own(settings.predict_route):
        api.add_url_rule(predict, endpoint="vertex_predict", view_func=views.rows, methods=["POST"])
    return api


def error_forms(settings: Settings) -> Mapping[str, ErrorForm]:
    """Return the form of errors by path."""
    routes = (PING, INVOCATIONS, _own(settings.health_route), _own(settings.predict_route))
    return {route.lower(): error_object for route in routes if route}


def _own(route: str | None) -> str | None:
    is_taken = route is None or route in _TAKEN_ALONE or route.startswith(_TAKEN)
    return None if is_taken else route


class _Views:
    def __init__(
        self,
        default: DefaultModel,
        predictor: Predictor,
        inferrer: Inferrer,
        settings: Settings,
        *,
        is_guarded: bool,
    ) -> None:
        self._is_guarded = is_guarded
        self._default = default
        self._predictor = predictor
        self._inferrer = inferrer
        self._settings = settings
        self._room = Room(settings.max_examples, settings.max_images)

    def ping(self) -> Response:
        reason = self._default.why_not_live()
        if reason is None:
            return json_response({"status": "ready"})
        retry_after = reason.retry_after if isinstance(reason, UnavailableError) else None
        headers = {"Retry-After": str(retry_after)} if retry_after else None
        text = "The default model is not live." if self._is_guarded else reason.message
        return json_response({"error": text}, status=503, headers=headers)

    def invocations(self) -> Response:
        deadline = deadline_of(request, limit=self._settings.request_timeout)
        query = _PREDICT_QUERY.of(request)
        model = self._default.get()
        data = read_json(request)
        if is_rows(data):
            return predicted(data, model, self._inferrer, room=self._room, deadline=deadline)
        inputs = [one.spec.name for one in model.card.inputs]
        examples = read_examples(request, inputs=inputs, room=self._room)
        result = self._predictor.predict(model, examples, top_k=query["top_k"], deadline=deadline)
        return predict_response(result, query)

    def rows(self) -> Response:
        deadline = deadline_of(request, limit=self._settings.request_timeout)
        model = self._default.get()
        return predicted(read_json(request), model, self._inferrer, room=self._room, deadline=deadline)
