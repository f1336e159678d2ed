"""Owns how long a request may take, counted from when it had come whole, and whether anybody waits for its answer."""

import time
from collections.abc import Callable
from contextvars import ContextVar

from service.errors import ClientGoneError, DeadlineExceededError

arrived_at: ContextVar[float | None] = ContextVar("arrived_at", default=None)
"""When the request at hand was queued, on `time.monotonic()`; set by the server before the application runs."""
was_predicted: ContextVar[bool] = ContextVar("was_predicted", default=False)
"""Whether the request at hand was a prediction and got its answer; the application tells the server."""
client_gone: ContextVar[Callable[[], bool] | None] = ContextVar("client_gone", default=None)
"""Says whether the client of the request at hand has gone; set by the server as well."""


_PATIENCE = 0.25
"""Seconds a client is taken to wait without being looked at."""


def deadline_in(seconds: float) -> float:
    """Return the `time.monotonic()` value by which the request at hand must be answered.

    Raises DeadlineExceededError where it has waited that long already: nobody waits for its answer any more.
    """
    now = time.monotonic()
    deadline = (arrived_at.get() or now) + seconds
    if deadline <= now:
        raise DeadlineExceededError("The request waited too long for its turn; try again later.")
    return deadline


def check_deadline(deadline: float) -> None:
    """Raise where going on is no use: DeadlineExceededError, or ClientGoneError for one that has waited for long.

    `deadline` is a `time.monotonic()` value.
    """
    now = time.monotonic()
    if now > deadline:
        raise too_late()
    has_gone, arrived = client_gone.get(), arrived_at.get()
    if has_gone and arrived and now - arrived > _PATIENCE and has_gone():
        raise ClientGoneError("The client has closed the connection before it had the answer.")


def too_late() -> DeadlineExceededError:
    """Return the error of a request whose time ran out while it was worked on."""
    return DeadlineExceededError("The answer was not ready in time; send fewer images, or try again later.")
