"""Owns `/openapi.json`, and `/docs`: the page of Swagger UI, whose files come from an installed package."""

from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import orjson
from flask import Blueprint, Response, abort, current_app, render_template, request, send_file

from service.api.openapi.document import document

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_SWAGGER_UI, _OWN = "flask_swagger_ui", __package__
_ASSETS = {
    "swagger-ui.css": (_SWAGGER_UI, "dist", "text/css"),
    "swagger-ui-bundle.js": (_SWAGGER_UI, "dist", "text/javascript"),
    "favicon-32x32.png": (_SWAGGER_UI, "dist", "image/png"),
    "start.js": (_OWN, "static", "text/javascript"),
}
_AN_HOUR = 3600


def blueprint() -> Blueprint:
    """Return the routes of the description and of its page."""
    api = Blueprint("openapi", __name__, template_folder="templates")
    api.add_url_rule("/openapi.json", "document", _Document().view)
    api.add_url_rule("/docs", "docs", _docs)
    api.add_url_rule("/docs/<asset>", "asset", _asset)
    return api


class _Document:
    """Makes the document when it is first asked for: the routes are all there by then."""

    def __init__(self) -> None:
        self._made = lru_cache(maxsize=4)(self._make)

    def view(self) -> Response:
        return Response(self._made(request.script_root or "/"), mimetype="application/json")

    def _make(self, base: str) -> bytes:
        return orjson.dumps(document(current_app, base=base))


def _docs() -> Response:
    response = Response(render_template("docs.html"), mimetype="text/html")
    response.headers["Content-Security-Policy"] = POLICY
    return response


def _asset(asset: str) -> Response:
    if asset not in _ASSETS:
        abort(404)
    package, folder, kind = _ASSETS[asset]
    path = Path(str(files(package).joinpath(folder, asset)))
    return send_file(path, mimetype=kind, max_age=_AN_HOUR)
