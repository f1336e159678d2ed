"""Owns the answers that the server gives without the application: refusals, and to what is no HTTP request."""

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from service.metrics.metrics import MALFORMED, REFUSED, UNFINISHED
from service.server.framing import Refusal

RETRY_SECONDS = 1
_LONGEST_DETAIL = 300
_BUSY = Refusal(503, "Service Unavailable", "Too many requests wait for this server already; try again in a moment.")
_FULL = Refusal(503, "Service Unavailable", "Too many large requests are coming in already; try again in a moment.")
_TOO_SLOW = Refusal(408, "Request Timeout", "The rest of the request did not come; send it without long pauses.")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole response; `route` is what it is counted under."""

    status: int
    data: bytes
    route: str = REFUSED


class Answers:
    """The answers, with the headers that those of the application have as well."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        self.busy = self._made(_BUSY, REFUSED, retry_after=RETRY_SECONDS)
        self.full = self._made(_FULL, REFUSED, retry_after=RETRY_SECONDS)
        self.too_slow = self._made(_TOO_SLOW, UNFINISHED)

    def refusal(self, one: Refusal) -> Answer:
        """Return the answer to a request that is not read to its end."""
        return self._made(one, MALFORMED)

    def _made(self, one: Refusal, route: str, *, retry_after: int | None = None) -> Answer:
        """Return a problem; its member `error` is for clients of the other dialects, whose path is not known here."""
        detail = "".join(char if char.isprintable() else "?" for char in one.detail)[:_LONGEST_DETAIL] or one.title
        body = {"type": "about:blank", "title": one.title, "status": one.status, "detail": detail, "error": detail}
        data = orjson.dumps(body)
        retry = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
        head = (
            f"HTTP/1.1 {one.status} {one.title}\r\nContent-Type: application/problem+json\r\n{retry}{self._headers}"
            f"Connection: close\r\nContent-Length: {len(data)}\r\n\r\n"
        )
        return Answer(one.status, head.encode("latin-1", "replace") + data, route)
