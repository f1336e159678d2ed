"""Owns Convoy's own dialect: `/api/models/…`."""

from flask import Blueprint, Request, Response, request

from service.api.answer import predict_response
from service.api.bodies import read_examples
from service.api.deadline import deadline_of
from service.api.preview import account, one_input, wants_account
from service.api.read_query import Query
from service.api.render import card_body, json_response, layers_body, model_list, state_body
from service.api.room import Room
from service.api.schemas import PredictQuery, PreviewQuery
from service.api.wanted import PREFIXES, Version, wanted_version
from service.errors import MisfitError, ModelFailedError, ModelNotReadyError
from service.model.card import ModelCard
from service.serving.examples import Example
from service.serving.predictor import Predictor
from service.serving.preview import Previewer
from service.serving.registry import Registry
from service.settings import Settings

_PREVIEW_QUERY = Query(PreviewQuery())
_PREDICT_QUERY = Query(PredictQuery())


def blueprint(registry: Registry, predictor: Predictor, previewer: Previewer, settings: Settings) -> Blueprint:
    """Return the routes of the native dialect."""
    views = _Views(registry, predictor, previewer, settings)
    api = Blueprint("native", __name__, url_prefix="/api/models")
    api.add_url_rule("", view_func=views.models)
    for prefix in PREFIXES:
        api.add_url_rule(prefix, view_func=views.card)
        api.add_url_rule(f"{prefix}/layers", view_func=views.layers)
        api.add_url_rule(f"{prefix}/summary", view_func=views.summary)
        api.add_url_rule(f"{prefix}/predict", view_func=views.predict, methods=["POST"])
        api.add_url_rule(f"{prefix}/preview", view_func=views.preview, methods=["POST"])
    return api


class _Views:
    def __init__(self, registry: Registry, predictor: Predictor, previewer: Previewer, settings: Settings) -> None:
        self._registry = registry
        self._predictor = predictor
        self._previewer = previewer
        self._settings = settings
        self._room = Room(settings.max_examples, settings.max_images)

    def models(self) -> Response:
        self._registry.refresh(wait=False)
        view = self._registry.view
        held = {name: self._registry.loaded(name) for name in view.models}
        live = {name: models[0] for name, models in held.items() if models}
        return json_response(model_list(view, live, self._registry.workers()))

    def card(self, name: str, version: str = "latest") -> Response:
        try:
            card = self._registry.get(name, wanted_version(version)).card
        except (ModelNotReadyError, ModelFailedError):
            return self._not_live(name, wanted_version(version))
        return json_response(card_body(card, self._registry.view))

    def layers(self, name: str, version: str = "latest") -> Response:
        card = self._registry.get(name, wanted_version(version)).card
        return json_response(layers_body(card))

    def summary(self, name: str, version: str = "latest") -> Response:
        card = self._registry.get(name, wanted_version(version)).card
        return Response(card.facts.summary + "\n", mimetype="text/plain")

    def predict(self, name: str, version: str = "latest") -> Response:
        sent: Request = request._get_current_object()  # type: ignore[attr-defined] # the proxy asks for it each time
        deadline = deadline_of(sent, limit=self._settings.request_timeout)
        query = _PREDICT_QUERY.of(sent)
        model = self._registry.get(name, wanted_version(version))
        examples = self._examples(model.card, sent)
        result = self._predictor.predict(model, examples, top_k=query["top_k"], deadline=deadline)
        return predict_response(result, query)

    def preview(self, name: str, version: str = "latest") -> Response:
        deadline = deadline_of(request, limit=self._settings.request_timeout)
        query = _PREVIEW_QUERY.of(request)
        model = self._registry.get(name, wanted_version(version))
        examples = self._examples(model.card, request)
        if wants_account(request):
            return account(model.card, (self._previewer.tried(one, model, deadline=deadline) for one in examples))
        if len(examples) > 1:
            raise MisfitError(
                "Only one image can be shown as a picture; send one, or ask with Accept: application/json."
            )
        return one_input(request, self._previewer.preview(examples[0], model), name=query["input"])

    def _examples(self, card: ModelCard, sent: Request) -> list[Example]:
        return read_examples(sent, inputs=[one.spec.name for one in card.inputs], room=self._room)

    def _not_live(self, name: str, version: Version) -> Response:
        view = self._registry.view
        if not view.models.get(name):
            raise self._registry.why_not(name, version)
        number = self._registry.number_of(name, version) or max(view.models[name])
        return json_response(state_body(name, number, view))
