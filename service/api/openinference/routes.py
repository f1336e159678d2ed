"""Owns the protocol's addresses."""

import time
from collections.abc import Callable
from typing import Any

from flask import Blueprint, Response, request

from service.api.deadline import deadline_of
from service.api.numbers import parsed_json
from service.api.openinference.about import (
    model_configuration,
    model_metadata,
    repository_index,
    server_metadata,
    statistics_entry,
)
from service.api.openinference.answers import infer_response
from service.api.openinference.requests import read_request
from service.api.render import json_response
from service.api.room import Room
from service.errors import ConvoyError, MalformedBodyError, MisfitError, UnknownModelError
from service.serving.admission import deadline_in
from service.serving.inference import BadExampleError, Inferrer
from service.serving.live_model import LiveModel
from service.serving.registry import Registry
from service.serving.statistics import Counts, Statistics
from service.serving.unloaded import UnloadedModels
from service.settings import Settings

_LONGEST_WAIT = 10.0
"""Seconds after which a load or unload is answered though a worker has not followed: it hangs, or loads for long."""
_LOOK_SECONDS = 0.02


def blueprint(
    registry: Registry, inferrer: Inferrer, statistics: Statistics, unloaded: UnloadedModels, settings: Settings
) -> Blueprint:
    """Return the routes of the Open Inference Protocol."""
    views = _Views(registry, inferrer, statistics, unloaded, settings)
    api = Blueprint("openinference", __name__, url_prefix="/v2")
    api.add_url_rule("", view_func=views.server)
    api.add_url_rule("/health/live", view_func=views.live)
    api.add_url_rule("/health/ready", view_func=views.ready)
    api.add_url_rule("/models", view_func=views.models)
    api.add_url_rule("/models/stats", view_func=views.statistics)
    api.add_url_rule("/repository/index", view_func=views.index, methods=["POST"])
    api.add_url_rule("/repository/models/<name>/load", view_func=views.load, methods=["POST"])
    api.add_url_rule("/repository/models/<name>/unload", view_func=views.unload, methods=["POST"])
    for prefix in ("/models/<name>", "/models/<name>/versions/<int:version>"):
        api.add_url_rule(prefix, view_func=views.metadata)
        api.add_url_rule(f"{prefix}/ready", view_func=views.model_ready)
        api.add_url_rule(f"{prefix}/config", view_func=views.configuration)
        api.add_url_rule(f"{prefix}/stats", view_func=views.statistics)
        api.add_url_rule(f"{prefix}/infer", view_func=views.infer, methods=["POST"])
    return api


class _Views:
    def __init__(
        self,
        registry: Registry,
        inferrer: Inferrer,
        statistics: Statistics,
        unloaded: UnloadedModels,
        settings: Settings,
    ) -> None:
        self._registry = registry
        self._inferrer = inferrer
        self._statistics = statistics
        self._unloaded = unloaded
        self._settings = settings
        self._room = Room(settings.max_examples, settings.max_images)

    def server(self) -> Response:
        return json_response(server_metadata())

    def live(self) -> Response:
        return json_response({"live": True})

    def ready(self) -> Response:
        self._registry.refresh(wait=False)
        is_ready = self._registry.view.ready
        # NOTE: the protocol's own page calls the key `live`, KServe's client reads `ready`.
        return json_response({"ready": is_ready, "live": True}, status=200 if is_ready else 503)

    def models(self) -> Response:
        self._registry.refresh(wait=False)
        return json_response({"models": sorted(self._registry.view.models)})

    def metadata(self, name: str, version: int | None = None) -> Response:
        model = self._model(name, version)
        versions = [one.card.version for one in self._registry.loaded(name)]
        return json_response(model_metadata(model.card, versions))

    def model_ready(self, name: str, version: int | None = None) -> Response:
        self._model(name, version)
        return json_response({"name": name, "ready": True})

    def configuration(self, name: str, version: int | None = None) -> Response:
        card = self._model(name, version).card
        return json_response(model_configuration(card, max_batch_size=self._settings.max_examples))

    def infer(self, name: str, version: int | None = None) -> Response:
        deadline = deadline_of(request, limit=self._settings.request_timeout)
        model = self._model(name, version)
        asked = read_request(request, model.card, max_bytes=self._settings.max_body_bytes, room=self._room)
        if asked.timeout is not None:
            deadline = min(deadline, deadline_in(asked.timeout))
        try:
            found = self._inferrer.infer(model, asked.examples, deadline=deadline)
        except BadExampleError as error:
            raise _numbered(error, len(asked.examples)) from error
        return infer_response(asked, found, accept_encoding=request.headers.get("Accept-Encoding", ""))

    def statistics(self, name: str | None = None, version: int | None = None) -> Response:
        if name is not None:
            self._model(name, version)
        view, totals = self._registry.view, self._statistics.totals()
        live = {(one, number) for one in view.models for number in view.live_versions(one)}
        wanted = [key for key in sorted(live) if name in (None, key[0]) and version in (None, key[1])]
        entries = [statistics_entry(*key, totals.get(key, Counts())) for key in wanted]
        return json_response({"model_stats": entries})

    def index(self) -> Response:
        self._registry.refresh(wait=False)
        return json_response(repository_index(self._registry.view, only_ready=_wants_ready(request.get_data())))

    def load(self, name: str) -> Response:
        _check_plain_load(request.get_data())
        self._change(name, self._unloaded.load)
        self._registry.get(name)  # what failed cannot be loaded, and says why
        return json_response({"name": name, "load": True})

    def unload(self, name: str) -> Response:
        self._change(name, self._unloaded.unload)
        return json_response({"name": name, "unload": True})

    def _change(self, name: str, change: Callable[[str], None]) -> None:
        """Load or unload a model, and return when every worker has caught up with it."""
        self._registry.refresh()
        if name not in self._registry.view.models:
            raise UnknownModelError(f"failed to find '{name}' in the repository; POST /v2/repository/index lists it.")
        change(name)
        self._registry.refresh()
        end = time.monotonic() + _LONGEST_WAIT
        while not self._is_same_everywhere(name) and time.monotonic() < end:
            time.sleep(_LOOK_SECONDS)

    def _is_same_everywhere(self, name: str) -> bool:
        """Return whether every worker holds of a model what this one holds."""
        own = {model.key: model.card.fingerprint for model in self._registry.loaded(name)}
        said = [{key: what for key, what in one.held.items() if key[0] == name} for one in self._registry.workers()]
        return all(one == own for one in said)

    def _model(self, name: str, version: int | None) -> LiveModel:
        try:
            return self._registry.get(name, "latest" if version is None else version)
        except UnknownModelError as error:
            raise _as_triton_says(name, version, error) from error


def _numbered(error: BadExampleError, total: int) -> ConvoyError:
    """Return the error of one example, with its place where there are several."""
    if total == 1:
        return error.error
    return type(error.error)(f"Element {error.index} of {total} cannot be answered. {error.message}")


def _as_triton_says(name: str, version: int | None, error: UnknownModelError) -> ConvoyError:
    what = f"'{name}'" if version is None else f"'{name}' version {version}"
    return UnknownModelError(f"Request for unknown model: {what} is not found. {error.message}")


def _check_plain_load(body: bytes) -> None:
    """Raise MisfitError where a load brings a model's files or configuration: they come from the models folder."""
    data: Any = parsed_json(body) if body.strip() else {}
    if not isinstance(data, dict):
        raise MalformedBodyError("The body must be empty or a JSON object.")
    if data.get("parameters"):
        raise MisfitError("Loading takes no config and no files: models come from the models folder. Send none.")


def _wants_ready(body: bytes) -> bool:
    data: Any = parsed_json(body) if body.strip() else {}
    if not isinstance(data, dict) or not isinstance(data.get("ready", False), bool):
        raise MalformedBodyError('The body must be empty or {"ready": true}.')
    return bool(data.get("ready", False))
