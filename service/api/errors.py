"""Owns which HTTP status an error has, and its form: `application/problem+json` (RFC 9457), or a dialect's own."""

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson
from flask import Flask, Response, current_app, request
from marshmallow import ValidationError
from werkzeug.exceptions import ClientDisconnected, HTTPException, RequestEntityTooLarge

from service.errors import (
    BusyError,
    ClientGoneError,
    ConvoyError,
    DeadlineExceededError,
    ForbiddenError,
    MalformedBodyError,
    MisfitError,
    ModelFailedError,
    ModelNotReadyError,
    TooLargeError,
    UnauthorizedError,
    UnavailableError,
    UndecodableImageError,
    UnknownLayerError,
    UnknownModelError,
    UnknownUnitError,
    UnsupportedBodyError,
)
from service.serving.inference import BadExampleError

log = logging.getLogger(__name__)

PROBLEM = "application/problem+json"
_STATUS: dict[type[ConvoyError], tuple[int, str]] = {
    MalformedBodyError: (400, "Malformed body"),
    UndecodableImageError: (400, "Image cannot be decoded"),
    UnauthorizedError: (401, "Key needed"),
    ForbiddenError: (403, "Not allowed"),
    UnknownModelError: (404, "No such model"),
    UnknownLayerError: (404, "No such layer"),
    UnknownUnitError: (404, "No such unit"),
    TooLargeError: (413, "Too large"),
    ClientGoneError: (499, "Client closed request"),  # nginx's number; nobody reads it but the log
    UnsupportedBodyError: (415, "Unsupported body"),
    MisfitError: (422, "Does not fit the model"),
    ModelNotReadyError: (503, "Model not ready"),
    ModelFailedError: (503, "Model failed"),
    BusyError: (503, "Busy"),
    DeadlineExceededError: (504, "Deadline exceeded"),
}


ErrorForm = Callable[[dict[str, Any]], Response]
"""Makes a dialect's answer of a problem object (type, title, status, detail)."""

_FORMS = "convoy.error_forms"


def register(app: Flask, forms: Mapping[str, ErrorForm]) -> None:
    """Have every error of the application, Flask's and Werkzeug's own too, answered as a problem.

    `forms` gives another form to the paths that begin with a prefix such as "/v2".
    """
    app.extensions[_FORMS] = dict(forms)
    app.register_error_handler(ConvoyError, _domain)
    app.register_error_handler(ValidationError, _invalid)
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(BlockingIOError, _stalled)
    app.register_error_handler(TimeoutError, _stalled)
    app.register_error_handler(Exception, _unforeseen)


def register_malformed(app: Flask, error: type[Exception]) -> None:
    """Have an error of the server's own, raised while a body is read, answered as a malformed body."""

    def malformed(_: Exception) -> Response:
        told = MalformedBodyError("The body's chunks are malformed or break off; send it whole.")
        return problem_response(problem(told), headers={"Connection": "close"})

    app.register_error_handler(error, malformed)


def error_object(body: dict[str, Any]) -> Response:
    """Return a problem as `{"error": detail}`, the form of TensorFlow Serving and the Open Inference Protocol.

    They know neither 415 nor 422: what is wrong with a request is a 400.
    """
    status = 400 if body["status"] in (415, 422) else body["status"]
    return Response(orjson.dumps({"error": body["detail"]}), status=status, mimetype="application/json")


def problem(error: ConvoyError) -> dict[str, Any]:
    """Return the problem object of one of our errors: type, title, status, detail."""
    known = error.error if isinstance(error, BadExampleError) else error
    status, title = _STATUS.get(type(known), (500, "Internal error"))
    if status == 500:
        return _problem(500, title, "Something went wrong on our side; the log has the details.")
    return _problem(status, title, error.message)


def problem_response(body: dict[str, Any], *, headers: dict[str, str] | None = None) -> Response:
    """Return a problem object as a response with its own status, in the form that the path at hand asks for."""
    response = _form()(body)
    response.headers.update(headers or {})
    return response


def _form() -> ErrorForm:
    forms: Mapping[str, ErrorForm] = current_app.extensions[_FORMS]
    path = request.path.lower()
    return next((form for prefix, form in forms.items() if _is_under(path, prefix)), _as_problem)


def _is_under(path: str, prefix: str) -> bool:
    return path == prefix or path.startswith(f"{prefix}/")


def _as_problem(body: dict[str, Any]) -> Response:
    return Response(orjson.dumps(body), status=body["status"], mimetype=PROBLEM)


def _problem(status: int, title: str, detail: str) -> dict[str, Any]:
    # A lone surrogate from somebody's JSON cannot be written as UTF-8.
    detail = detail.encode("utf-8", "backslashreplace").decode("utf-8")
    return {"type": "about:blank", "title": title, "status": status, "detail": detail}


def _domain(error: ConvoyError) -> Response:
    body = problem(error)
    if body["status"] == 500:
        log.error("unmapped error", exc_info=error)
    return problem_response(body, headers=_headers(error))


def _headers(error: ConvoyError) -> dict[str, str]:
    if isinstance(error, UnavailableError) and error.retry_after:
        return {"Retry-After": str(error.retry_after)}
    return {"WWW-Authenticate": "Bearer"} if isinstance(error, UnauthorizedError) else {}


def _invalid(error: ValidationError) -> Response:
    found = _by_field(error)
    shown = [f"{str(name)[:64]}: {' '.join(map(str, _flat(found[name])))[:400]}" for name in list(found)[:8]]
    rest = len(found) - len(shown)
    details = "; ".join([*shown, *([f"and {rest} more"] if rest else [])])
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
