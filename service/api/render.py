"""Owns the native answer's JSON: predictions, layers, cards. float32 is written in its shortest form, NaN as null."""

from typing import Any

import numpy as np
import orjson
from flask import Response

from service.api.application import ReadyResponse
from service.api.errors import problem
from service.model.card import ModelCard
from service.model.head import Answer, PlainNumbers, Ranked
from service.model.stack import NO_LAYERS
from service.serving.examples import Prediction, Result
from service.serving.held import Worker, holders
from service.serving.live import LiveView, VersionState
from service.serving.live_model import LiveModel

_JSON = "application/json"


def json_response(body: Any, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `body` as JSON; NumPy float32 arrays and numbers keep their shortest form."""
    data = orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY)
    return ReadyResponse(data, status=status, content_type=_JSON, headers=headers)


def result_body(result: Result, *, layers: str, probabilities: bool) -> dict[str, Any]:
    """Return the answer to a prediction; `layers` is shapes, full or none."""
    card = result.card
    body: dict[str, Any] = {
        "model": {"name": card.name, "version": card.version, "engine": card.engine},
        "predictions": [
            _prediction(index, one, with_values=probabilities) for index, one in enumerate(result.predictions)
        ],
    }
    if layers != "none":
        body["layers"] = layer_list(card, full=layers == "full", batch=result.answered)
    return body


def layer_list(card: ModelCard, *, full: bool, batch: int | None = None) -> list[dict[str, Any]] | None:
    """Return every layer, in full or in brief, with `batch` in place of the free batch axis; None where not known."""
    if card.facts.layers is None:
        return None
    return [layer.full(batch=batch) if full else layer.brief(batch=batch) for layer in card.facts.layers]


def layers_body(card: ModelCard) -> dict[str, Any]:
    """Return every layer in full, or null and one sentence why."""
    found = layer_list(card, full=True)
    return {"layers": found} | ({"note": NO_LAYERS} if found is None else {})


def _prediction(index: int, one: Prediction, *, with_values: bool) -> dict[str, Any]:
    origin = one.origin
    entry: dict[str, Any] = {
        "input": {
            "index": index,
            "filename": origin.filename,
            "format": origin.format,
            "size": origin.size,
        }
    }
    if one.error is not None:
        return entry | {"error": problem(one.error)}
    answers = {name: _answer(answer, with_values=with_values) for name, answer in one.answers.items()}
    noted = [note for answer in one.answers.values() for note in answer.warnings]
    body = next(iter(answers.values())) if len(answers) == 1 else {"outputs": answers}
    return entry | body | {"warnings": [*one.warnings, *noted]}


def _answer(answer: Answer | PlainNumbers, *, with_values: bool) -> dict[str, Any]:
    if isinstance(answer, PlainNumbers):
        return ({"values": answer.values} if with_values else {}) | {"shape": answer.values.shape}
    value, values = ("probability", "probabilities") if answer.is_probability else ("score", "scores")
    body: dict[str, Any] = _ranked(answer.best, value)
    if with_values:
        body[values] = answer.values
    body["top"] = [_ranked(one, value) for one in answer.top]
    if answer.chosen is not None:
        body["labels"] = [_ranked(one, value) for one in answer.chosen]
    return body


def _ranked(one: Ranked, value: str) -> dict[str, Any]:
    number = None if one.value is None else np.float32(one.value)
    return {"label": one.label, "index": one.index, value: number}


def model_list(view: LiveView, live: dict[str, LiveModel], workers: list[Worker]) -> dict[str, Any]:
    """Return the answer of `GET /api/models`; `live` has the latest live version of each model that has one."""
    return {
        "models": [_entry(name, view, live.get(name), workers) for name in sorted(view.models)],
        "workers": [one.pid for one in workers],
        "warnings": view.warnings,
    }


def _entry(name: str, view: LiveView, live: LiveModel | None, workers: list[Worker]) -> dict[str, Any]:
    card = live.card if live else None
    versions = view.models[name]
    return {
        "name": name,
        "versions": [
            {
                "version": version,
                "state": versions[version].state,
                "labels": view.labels_of(name, version),
                "held_by": holders(workers, (name, version), versions[version].fingerprint),
            }
            for version in sorted(versions)
        ],
        "classes": card.classes if card else None,
        "inputs": [one.spec.to_json() for one in card.inputs] if card else None,
    }


def card_body(card: ModelCard, view: LiveView) -> dict[str, Any]:
    """Return a live model's card with its state; a diagnosis there is that of what could not replace it."""
    state = view.models.get(card.name, {}).get(card.version)
    diagnosis = {"diagnosis": state.diagnosis} if state and state.diagnosis else {}
    labels = {"version_labels": view.labels_of(card.name, card.version)}
    body = card.to_json()
    warnings = {"warnings": [*body["warnings"], *_newer_failures(card, view)]}
    return {**body, **warnings, **labels, "state": "live", **diagnosis}


def _newer_failures(card: ModelCard, view: LiveView) -> list[str]:
    """Return why the versions above the one at hand are not live."""
    newer = sorted(view.models.get(card.name, {}).items())
    return [
        f"Version {version} cannot be served: {state.diagnosis}"
        for version, state in newer
        if version > card.version and state.state == "failed"
    ]


def state_body(name: str, version: int, view: LiveView) -> dict[str, Any]:
    """Return what is known of a version that is not live: its state, the step it is at, its diagnosis."""
    state = view.models[name].get(version, VersionState("building"))
    return {
        "name": name,
        "version": version,
        "version_labels": view.labels_of(name, version),
        "state": state.state,
        "step": state.step,
        "diagnosis": state.diagnosis,
    }
