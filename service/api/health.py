"""Owns what orchestrators ask: `/healthz`, `/readyz`, and a signpost at `/`, where browsers are shown the page."""

from collections.abc import Callable

from flask import Blueprint, Request, Response, request

import service
from service.api.render import json_response
from service.serving.absence import RETRY_SECONDS
from service.serving.registry import Registry

Page = Callable[[Request], Response | None]


def blueprint(registry: Registry, *, is_guarded: bool, page: Page) -> Blueprint:
    """Return the routes of liveness and readiness; where keys are asked for elsewhere, they name no model.

    `page` returns the page to a client that would rather have that than JSON, None to any other.
    """
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
        body = {"status": "alive", "service": "convoy", "version": service.__version__, "links": links}
        answer = page(request) or json_response(body)
        answer.vary.add("Accept")
        return answer

    return health
