"""Owns the dialect of Hugging Face's image classification: `/hf/…`, as `InferenceClient` and huggingface.js ask it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from flask import Blueprint, Response, request
from marshmallow import EXCLUDE, Schema, fields, validate

from service.api.bodies import read_json
from service.api.deadline import deadline_of
from service.api.default_model import DefaultModel
from service.api.encoded import base64_image
from service.api.render import json_response
from service.api.room import Room
from service.errors import MisfitError, UndecodableImageError
from service.image.decode import sniff
from service.model.transform import TRANSFORMS, Transform
from service.serving.examples import Example, Picture
from service.serving.inference import Inferrer
from service.serving.live_model import LiveModel
from service.serving.ranking import Scored, ranked
from service.serving.registry import Registry
from service.settings import Settings

PREFIX = "/hf"
DEFAULT_TOP_K = 5


class Parameters(Schema):
    """The parameters of a classification; None counts as not given."""

    class Meta:
        """Clients send parameters of other tasks and providers along."""

        unknown = EXCLUDE

    top_k = fields.Integer(load_default=None, allow_none=True, validate=validate.Range(1, 100_000))
    function_to_apply = fields.String(load_default=None, allow_none=True, validate=validate.OneOf(TRANSFORMS))


class ClassifyBody(Schema):
    """The JSON body: one image, or several, each base64 or a data URI."""

    class Meta:
        """Clients send options of the hosted service along."""

        unknown = EXCLUDE

    inputs = fields.Raw(required=True)
    parameters = fields.Nested(Parameters, load_default=None, allow_none=True)


_CLASSIFY_BODY = ClassifyBody()


class ClassScore(Schema):
    """A class with its score."""

    label = fields.String(required=True)
    score = fields.Float(required=True)


@dataclass(frozen=True, slots=True)
class _Asked:
    examples: Sequence[Example]
    top_k: int = DEFAULT_TOP_K
    transform: Transform | None = None
    is_list: bool = False


def blueprint(registry: Registry, default: DefaultModel, inferrer: Inferrer, settings: Settings) -> Blueprint:
    """Return the routes of the dialect."""
    views = _Views(registry, default, inferrer, settings)
    api = Blueprint("huggingface", __name__, url_prefix=PREFIX)
    for rule in ("", "/models/<name>", "/models/<name>/versions/<int:version>"):
        api.add_url_rule(rule, view_func=views.classify, methods=["POST"])
    return api


def error_body(body: dict[str, Any]) -> Response:
    """Return a problem as the clients read it: `{"error": detail}`, with the problem's own status."""
    return Response(orjson.dumps({"error": body["detail"]}), status=body["status"], mimetype="application/json")


class _Views:
    def __init__(self, registry: Registry, default: DefaultModel, inferrer: Inferrer, settings: Settings) -> None:
        self._registry = registry
        self._default = default
        self._inferrer = inferrer
        self._settings = settings
        self._room = Room(settings.max_examples, settings.max_images)

    def classify(self, name: str | None = None, version: int | None = None) -> Response:
        deadline = deadline_of(request, limit=self._settings.request_timeout)
        model = self._model(name, version)
        asked = self._asked()
        found = self._inferrer.infer(model, asked.examples, deadline=deadline)
        rows = ranked(found, top_k=asked.top_k, transform=asked.transform)
        return json_response([_row(one) for one in rows] if asked.is_list else _row(rows[0]))

    def _model(self, name: str | None, version: int | None) -> LiveModel:
        if name is None:
            return self._default.get()
        return self._registry.get(name, "latest" if version is None else version)

    def _asked(self) -> _Asked:
        data = read_json(request)
        if data is not None:
            return _from_json(data, self._room)
        return _Asked([_picture(request.get_data())])


def _picture(body: bytes) -> Example:
    if not sniff(body):
        raise UndecodableImageError(
            "The body is no image of a kind that can be decoded. Send a JPEG, PNG, WebP, BMP, GIF or TIFF as the body, "
            'or JSON {"inputs": base64, "parameters": {"top_k": 5}}.'
        )
    return Example.of(Picture(body))


def _from_json(data: Any, room: Room) -> _Asked:
    if not isinstance(data, dict):
        raise MisfitError('JSON must be an object: {"inputs": base64, "parameters": {"top_k": 5}}.')
    loaded = _CLASSIFY_BODY.load(data)
    inputs, parameters = loaded["inputs"], loaded["parameters"] or {}
    is_list = isinstance(inputs, list)
    texts = inputs if is_list else [inputs]
    room.check_images(len(texts))
    return _Asked(
        [_example(one) for one in texts],
        top_k=parameters.get("top_k") or DEFAULT_TOP_K,
        transform=parameters.get("function_to_apply"),
        is_list=is_list,
    )


def _example(text: Any) -> Example:
    if not isinstance(text, str):
        raise MisfitError("An image in `inputs` is base64 text or a data URI; numbers go to /api/models/NAME/predict.")
    return Example.of(Picture(base64_image(text)))


def _row(scores: list[Scored]) -> list[dict[str, Any]]:
    return [{"label": one.label, "score": one.score} for one in scores]
