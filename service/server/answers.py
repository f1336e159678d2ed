"""Owns the answers that the server gives by itself, ready to be sent: refusals, and what is no HTTP request."""

from typing import Any

import orjson

from service.server.framing import Refusal

RETRY_SECONDS = 1
_LONGEST_DETAIL = 300


def refusal(one: Refusal, *, retry_after: int | None = None) -> bytes:
    """Return a refusal as a whole response; `error` is for clients of the other dialects, whose path is not known."""
    detail = "".join(char if char.isprintable() else "?" for char in one.detail)[:_LONGEST_DETAIL] or one.title
    body = {"type": "about:blank", "title": one.title, "status": one.status, "detail": detail, "error": detail}
    return _response(f"{one.status} {one.title}", body, retry_after)


def _response(status: str, body: dict[str, Any], retry_after: int | None) -> bytes:
    data = orjson.dumps(body)
    retry = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: application/problem+json\r\n{retry}"
        f"X-Content-Type-Options: nosniff\r\nConnection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode("ascii", "replace") + data


BUSY = refusal(
    Refusal(503, "Service Unavailable", "Too many requests wait for this server already; try again in a moment."),
    retry_after=RETRY_SECONDS,
)
FULL = refusal(
    Refusal(503, "Service Unavailable", "Too many large requests are being received already; try again in a moment."),
    retry_after=RETRY_SECONDS,
)
TOO_SLOW = refusal(
    Refusal(408, "Request Timeout", "The rest of the request did not come; send it without long pauses.")
)
