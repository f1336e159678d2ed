"""Owns how many heat maps a worker makes at a time: each is hundreds of runs, and predictions want threads too."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from service.errors import BusyError

_SHARE = 0.5
"""The part of a request's time that it may wait for its turn: the rest is for its own heat map."""
_RETRY_SECONDS = 5


class Turns:
    """One heat map at a time; `waiting` more may wait for their turn, each of which holds a thread."""

    def __init__(self, *, waiting: int = 1) -> None:
        self._room = threading.BoundedSemaphore(waiting + 1)
        self._one = threading.Lock()

    @contextmanager
    def turn(self, *, deadline: float) -> Iterator[None]:
        """Hold the turn; `deadline` is a `time.monotonic()` value. Raises BusyError where it does not come soon."""
        if not self._room.acquire(blocking=False):
            raise _busy()
        try:
            if not self._one.acquire(timeout=max(0.0, _SHARE * (deadline - time.monotonic()))):
                raise _busy()
            try:
                yield
            finally:
                self._one.release()
        finally:
            self._room.release()


def _busy() -> BusyError:
    return BusyError(
        "Other heat maps are being made, and this one had to wait for too long; send it again in a moment.",
        retry_after=_RETRY_SECONDS,
    )
