"""Owns which connections a worker's loop watches, for what, and until when."""

import selectors
from collections.abc import Callable
from functools import partial
from typing import Any

from service.server.connection import Connection

Then = Callable[[Connection, object], None]


class Watch:
    """The connections that are waited for; used by the loop's thread alone."""

    def __init__(self, poller: selectors.BaseSelector) -> None:
        self._poller = poller
        self._all: set[Connection] = set()

    def add(self, conn: Connection, events: int, then: Then) -> None:
        """Have `then(conn, …)` called on each of `events`, in place of what was waited for before."""
        if conn.watched_for == (events, then):
            return
        self.remove(conn)
        conn.watched_for = (events, then)
        self._poller.register(conn.socket, events, partial(then, conn))
        self._all.add(conn)

    def remove(self, conn: Connection) -> None:
        """Wait for nothing."""
        if conn.watched_for:
            conn.watched_for = None
            self._all.discard(conn)
            self._poller.unregister(conn.socket)

    def idle(self) -> list[Connection]:
        """Return the connections that no thread is at work for."""
        return [one for one in self._all if not one.is_busy]

    def overdue(self, now: float) -> list[Connection]:
        """Return those whose deadline has passed."""
        return [one for one in self._all if not one.is_busy and one.deadline <= now]


def reads(conn: Connection) -> bool:
    """Return whether more of a request is waited for."""
    found: Any = conn.watched_for
    return bool(found) and found[0] == selectors.EVENT_READ and not conn.is_lingering
