"""Owns `POST /api/models/{name}/activations`: what a layer gives for an image, as a picture, in JSON or as `.npy`."""

from typing import Any

from flask import Blueprint, Response, request

from service.api.bodies import read_examples
from service.api.deadline import deadline_of
from service.api.forms import JSON, MOST_NUMBERS, NPY, PNG, npy_response, only_example, origin_body, wanted_form
from service.api.queries import ActivationsQuery
from service.api.read_query import single_values
from service.api.render import json_response
from service.api.room import Room
from service.api.wanted import PREFIXES, wanted_version
from service.errors import MisfitError
from service.explain.activations import Activation, Activator, Ranges, numbers_of, picked
from service.explain.picture import picture_of
from service.model.card import ModelCard
from service.model.insight import LayerTap
from service.serving.registry import Registry
from service.settings import Settings

_QUERY = ActivationsQuery()


def blueprint(registry: Registry, activator: Activator, settings: Settings) -> Blueprint:
    """Return the routes of activations."""
    room = Room(settings.max_examples, settings.max_images)
    api = Blueprint("activations", __name__, url_prefix="/api/models")

    def activations(name: str, version: str = "latest") -> Response:
        deadline = deadline_of(request, limit=settings.request_timeout)
        query = _QUERY.load(single_values(request))
        model = registry.get(name, wanted_version(version))
        examples = read_examples(request, inputs=[one.spec.name for one in model.card.inputs], room=room)
        tap = LayerTap(query["layer"], query["call"], query["part"])
        form = wanted_form(request)
        if form == JSON:
            _check_numbers(model.card, tap, query["channels"])
        found = activator.activate(model, only_example(examples), tap, channels=query["channels"], deadline=deadline)
        return _response(found, form)

    for prefix in PREFIXES:
        api.add_url_rule(f"{prefix}/activations", view_func=activations, methods=["POST"])
    return api


def _response(found: Activation, form: str) -> Response:
    if form == JSON:
        return json_response(activation_body(found))
    if form == NPY:
        return npy_response(found.values)
    return Response(picture_of(found), mimetype=PNG)


def _check_numbers(card: ModelCard, tap: LayerTap, ranges: Ranges | None) -> None:
    """Raise MisfitError where JSON would hold too many numbers, before they are computed; where that is known."""
    count, channels = numbers_of(card, tap)
    if count is not None and channels is not None:
        wanted = channels if ranges is None else len(picked(ranges, of=channels))
        _check_count(tap.layer, count // max(1, channels) * wanted, channels=wanted)


def _check_count(layer: str, count: int, *, channels: int) -> None:
    if count <= MOST_NUMBERS:
        return
    each = count // channels
    fit = MOST_NUMBERS // each
    named = f"name {fit:,} channels at most, such as channels={f'0-{fit - 1}' if fit > 1 else 0}, or " if fit else ""
    inside = f" in {channels:,} channels" if channels > 1 else ""
    smaller = "" if fit else ", or send a smaller picture where the model takes one"
    raise MisfitError(
        f"The layer {layer!r} gives {count:,} numbers{inside}, and JSON takes {MOST_NUMBERS:,}; "
        f"{named}ask with Accept: {NPY} or {PNG}{smaller}."
    )


def activation_body(found: Activation) -> dict[str, Any]:
    """Return an activation in JSON; raises MisfitError where it holds too many numbers."""
    _check_count(found.layer.name, found.values.size, channels=len(found.numbers))
    low, high = found.extent or (None, None)
    flattened = {"from": found.flattened} if found.flattened else {}
    return {
        "model": {"name": found.card.name, "version": found.card.version},
        "input": origin_body(found.origin),
        "layer": {
            "name": found.layer.name,
            "type": found.layer.type,
            "call": found.tap.call,
            "part": found.tap.part,
        },
        "shape": found.shape,
        "order": found.layer.order or found.order,
        **flattened,
        "channels": found.channels,
        "minimum": low,
        "maximum": high,
        "activations": found.values,
        "warnings": list(found.warnings),
    }
