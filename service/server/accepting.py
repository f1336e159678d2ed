"""Owns who accepts a connection: the worker that has fewest, and one that ends takes what waits for it still."""

import contextlib
import errno
import socket
import time
from typing import Any

from gunicorn.workers.gthread import ThreadWorker

from service.server.share import Loads

_LEAVE_TO_OTHERS_SECONDS = 0.002
LONGEST_TURN = 0.25
"""Seconds after which the loop looks at its clocks, whatever happens."""


class AcceptingWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A gthread worker that accepts a connection where no other worker has fewer."""

    loads: Loads

    def init_process(self) -> None:
        """Start the worker."""
        self._accept_again: float | None = None
        super().init_process()

    def open(self, listener: Any, sock: socket.socket, client: Any) -> None:
        """Begin with a connection that was accepted."""
        raise NotImplementedError

    def make_room(self) -> None:
        """Close some connections: there are too many."""
        raise NotImplementedError

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Start or stop accepting; a worker that ends takes what waits for it, then closes its listeners."""
        if enabled and self._accept_again:  # paused; the loop asks at every turn
            return
        super().set_accept_enabled(enabled)
        self.note_load()
        if not enabled and not self.alive:
            self._stop_listening()

    def _stop_listening(self) -> None:
        self.loads.leave(self.age)
        for listener in self.sockets:
            with contextlib.suppress(OSError):
                while True:
                    self._take_or_pass_over(listener)
            listener.close()

    def _take_or_pass_over(self, listener: Any) -> None:
        """Take a connection, or pass over one that has ended already; raises BlockingIOError where there is none."""
        with contextlib.suppress(ConnectionAbortedError):
            self.open(listener, *listener.accept())

    def accept(self, listener: Any) -> None:
        """Accept a connection, unless another worker has fewer of them: then leave it to that one for a moment."""
        if self.loads.is_ahead(self.age):
            self._pause_accepting()
        else:
            self._take_one(listener)

    def _take_one(self, listener: Any) -> None:
        try:
            self.open(listener, *listener.accept())
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self.make_room()
                self._pause_accepting()

    def _pause_accepting(self) -> None:
        super().set_accept_enabled(False)
        self._accept_again = time.monotonic() + _LEAVE_TO_OTHERS_SECONDS

    def _end_pause(self) -> None:
        """Accept again; what waits still was not taken by the others."""
        self._accept_again = None
        self.set_accept_enabled(True)
        for listener in self.sockets:
            self._take_one(listener)

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; accept again where that was left to others and they did not."""
        pause = _LEAVE_TO_OTHERS_SECONDS if self._accept_again else LONGEST_TURN
        super().wait_for_and_dispatch_events(min(timeout, pause))
        if self.alive and self._accept_again and time.monotonic() >= self._accept_again:
            self._end_pause()

    def note_load(self) -> None:
        """Tell the other workers how many connections this one has."""
        if self.alive:
            self.loads.note(self.age, self.nr_conns)
