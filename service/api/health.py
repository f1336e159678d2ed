"""Owns what orchestrators ask: `/healthz`, `/readyz`, and a signpost at `/`."""

from flask import Blueprint, Response

import service
from service.api.render import json_response
from service.serving.absence import RETRY_SECONDS
from service.serving.registry import Registry


def blueprint(registry: Registry, *, is_guarded: bool) -> Blueprint:
    """Return the routes of liveness and readiness; where keys are asked for elsewhere, they name no model."""
    health = Blueprint("health", __name__)

    @health.get("/healthz")
    def healthz() -> Response:
        return json_response({"status": "ok"})

    @health.get("/readyz")
    def readyz() -> Response:
        registry.refresh(wait=False)
        view = registry.view
        if view.ready:
            return json_response({"status": "ready"})
        body = {"status": "not ready"} | ({} if is_guarded else {"awaited": view.awaited})
        return json_response(body, status=503, headers={"Retry-After": str(RETRY_SECONDS)})

    @health.get("/")
    def signpost() -> Response:
        links = {"models": "/api/models", "predict": "/api/models/{name}/predict", "ready": "/readyz"}
        # NOTE: KServe's client asks here whether a server of its first protocol is alive.
        return json_response({"status": "alive", "service": "convoy", "version": service.__version__, "links": links})

    return health
