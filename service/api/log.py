"""Owns the one line a request leaves in the log, and its id. Never a payload, never a key."""

import logging
import re
import time
import uuid

from flask import Flask, Response, g, request

log = logging.getLogger("convoy.access")
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")


def register(app: Flask) -> None:
    """Log each request once it is answered, and give the answer its `X-Request-ID`."""
    app.before_request(_begin)
    app.after_request(_end)


def _begin() -> None:
    given = request.headers.get("X-Request-ID", "")
    g.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
    g.began = time.monotonic()


def _end(response: Response) -> Response:
    request_id = g.get("request_id", "-")
    response.headers["X-Request-ID"] = request_id
    if log.isEnabledFor(logging.INFO):
        spent = (time.monotonic() - g.get("began", time.monotonic())) * 1000
        rule = request.url_rule.rule if request.url_rule else "-"
        log.info("%s %s %d %.1fms id=%s", request.method, rule, response.status_code, spent, request_id)
    return response
