"""Owns how long a request may take, counted from when its connection was handed to this worker."""

import time
from contextvars import ContextVar

from service.errors import DeadlineExceededError

arrived_at: ContextVar[float | None] = ContextVar("arrived_at", default=None)
"""When the request at hand was queued, on `time.monotonic()`; set by the server before the application runs."""


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
    """Raise DeadlineExceededError where `deadline`, a `time.monotonic()` value, has passed."""
    if time.monotonic() > deadline:
        raise too_late()


def too_late() -> DeadlineExceededError:
    """Return the error of a request whose time ran out while it was worked on."""
    return DeadlineExceededError("The answer was not ready in time; send fewer images, or try again later.")
