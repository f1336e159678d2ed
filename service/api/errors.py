"""Owns which HTTP status an error has, and its form: `application/problem+json` (RFC 9457)."""

import logging
from typing import Any

import orjson
from flask import Flask, Response
from marshmallow import ValidationError
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from service.errors import (
    ConvoyError,
    DeadlineExceededError,
    MalformedBodyError,
    MisfitError,
    ModelFailedError,
    ModelNotReadyError,
    TooLargeError,
    UnavailableError,
    UndecodableImageError,
    UnknownModelError,
    UnsupportedBodyError,
)

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_STATUS: dict[type[ConvoyError], tuple[int, str]] = {
    MalformedBodyError: (400, "Malformed body"),
    UndecodableImageError: (400, "Image cannot be decoded"),
    UnknownModelError: (404, "No such model"),
    TooLargeError: (413, "Too large"),
    UnsupportedBodyError: (415, "Unsupported body"),
    MisfitError: (422, "Does not fit the model"),
    ModelNotReadyError: (503, "Model not ready"),
    ModelFailedError: (503, "Model failed"),
    DeadlineExceededError: (504, "Deadline exceeded"),
}


def register(app: Flask) -> None:
    """Have every error of the application, Flask's and Werkzeug's own too, answered as a problem."""
    app.register_error_handler(ConvoyError, _domain)
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(BlockingIOError, _stalled)
    app.register_error_handler(TimeoutError, _stalled)
    app.register_error_handler(Exception, _unforeseen)


def problem(error: ConvoyError) -> dict[str, Any]:
    """Return the problem object of one of our errors: type, title, status, detail."""
    status, title = _STATUS.get(type(error), (500, "Internal error"))
    if status == 500:
        return _problem(500, title, "Something went wrong on our side; the log has the details.")
    return _problem(status, title, error.message)


def problem_response(body: dict[str, Any], *, headers: dict[str, str] | None = None) -> Response:
    """Return a problem object as a response with its own status."""
    return Response(orjson.dumps(body), status=body["status"], mimetype=PROBLEM, headers=headers)


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    # A lone surrogate from somebody's JSON cannot be written as UTF-8.
    detail = detail.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def _domain(error: ConvoyError) -> Response:
    body = problem(error)
    if body["status"] == 500:
        log.error("unmapped error", exc_info=error)
    retry_after = error.retry_after if isinstance(error, UnavailableError) else None
    return problem_response(body, headers={"Retry-After": str(retry_after)} if retry_after else None)


def _invalid(error: ValidationError) -> Response:
    details = "; ".join(f"{name}: {' '.join(map(str, _flat(texts)))}" for name, texts in _by_field(error).items())
    return problem_response(_problem(422, "Invalid request", details))


def _by_field(error: ValidationError) -> dict[str, Any]:
    messages = error.messages
    return messages if isinstance(messages, dict) else {"request": messages}


def _flat(texts: Any) -> list[Any]:
    if isinstance(texts, dict):
        return [one for value in texts.values() for one in _flat(value)]
    return texts if isinstance(texts, list) else [texts]


def _http(error: HTTPException) -> Response:
    if isinstance(error, ClientDisconnected):
        return _stalled(error)
    status = error.code or 500
    detail = _HINTS.get(status) or error.description or error.name
    if isinstance(error, RequestEntityTooLarge):
        detail = "The body is larger than this server takes (or has too many parts); send less at a time."
    body = _problem(status, error.name, detail)
    kept = [(name, value) for name, value in error.get_headers() if name.lower() in ("allow", "location")]
    return problem_response(body, headers=dict(kept))


_HINTS = {
    404: "There is nothing at this address; GET /api/models lists models, POST /api/models/{name}/predict asks one.",
    405: "This address does not take that method; the Allow header says which it takes.",
    500: "Something went wrong on our side; the log has the details.",
}


def _stalled(_: Exception) -> Response:
    detail = "The rest of the request did not come; send it without long pauses."
    return problem_response(_problem(408, "Request timeout", detail), headers={"Connection": "close"})


def _unforeseen(error: Exception) -> Response:
    log.error("unforeseen error", exc_info=error)
    return problem_response(_problem(500, "Internal error", _HINTS[500]))
