"""Owns by when a request must be answered: the server's own limit, or a shorter one that the client asks for."""

import math

from flask import Request

from service.errors import MalformedBodyError
from service.serving.admission import deadline_in

HEADER = "X-Request-Timeout"
_IN_ENVIRON = "HTTP_X_REQUEST_TIMEOUT"


def deadline_of(request: Request, *, limit: float) -> float:
    """Return the `time.monotonic()` value by which a request must be answered.

    `limit` is the server's own in seconds; the header `X-Request-Timeout: SECONDS` may ask for less. Raises
    MalformedBodyError for a header that is no such number, DeadlineExceededError where the time is over already.
    """
    given = request.environ.get(_IN_ENVIRON)
    return deadline_in(limit if given is None else min(limit, _seconds(given)))


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise MalformedBodyError(f"{HEADER} is {text[:32]!r}; send a number of seconds over 0, such as 2.5.")
    return seconds
