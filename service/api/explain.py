"""Owns `POST /api/models/{name}/explain`: a heat map over the image as PNG, as numbers in JSON, or as `.npy`."""

from typing import Any

from flask import Blueprint, Response, request

from service.api.bodies import read_examples
from service.api.deadline import deadline_of
from service.api.forms import JSON, NPY, PNG, npy_response, only_example, origin_body, wanted_form
from service.api.reasons import asked_in, check_json, explain_query, explanation_body
from service.api.render import json_response
from service.api.room import Room
from service.api.wanted import PREFIXES, wanted_version
from service.explain.explainer import Explainer, Explanation
from service.explain.overlay import heat_alone, overlay
from service.serving.registry import Registry
from service.settings import Settings


def blueprint(registry: Registry, explainer: Explainer, settings: Settings) -> Blueprint:
    """Return the routes of reasons."""
    room = Room(settings.max_examples, settings.max_images)
    api = Blueprint("explain", __name__, url_prefix="/api/models")

    def explain(name: str, version: str = "latest") -> Response:
        deadline = deadline_of(request, limit=settings.request_timeout)
        query = explain_query(request)
        model = registry.get(name, wanted_version(version))
        examples = read_examples(request, inputs=[one.spec.name for one in model.card.inputs], room=room)
        found = explainer.explain(model, only_example(examples), asked_in(query), deadline=deadline)
        return _response(found, query, wanted_form(request))

    for prefix in PREFIXES:
        api.add_url_rule(f"{prefix}/explain", view_func=explain, methods=["POST"])
    return api


def _response(found: Explanation, query: dict[str, Any], form: str) -> Response:
    if form == JSON:
        check_json([found])
        about = {"model": {"name": found.card.name, "version": found.card.version}, "input": origin_body(found.origin)}
        return json_response(about | explanation_body(found))
    shown = found.map_of(query["input"])
    if form == NPY:
        return npy_response(shown.heat)
    png = overlay(shown, opacity=query["opacity"]) if query["overlay"] else heat_alone(shown)
    return Response(png, mimetype=PNG)
