"""Owns a reload without a gap, and a stop without a reset: old workers go when new ones accept, or nobody comes."""

import contextlib
import ctypes
import socket
import struct
import time
from typing import Any

from gunicorn.arbiter import Arbiter

from service.server.share import Loads

_LONGEST_WAIT = 60.0
"""Seconds that new workers may take to load their models before the old ones go all the same."""
_LOOK_SECONDS = 0.05
_SO_ATTACH_FILTER = 26  # asm-generic/socket.h
_DROP_ALL = struct.pack("HBBI", 0x06, 0, 0, 0)  # the BPF instruction `ret #0` (socket(7), linux/filter.h)


class PatientArbiter(Arbiter):  # type: ignore[misc] # gunicorn has no types
    """gunicorn's arbiter, which would end the old workers as soon as it has forked the new ones."""

    def __init__(self, app: Any, loads: Loads) -> None:
        self._loads = loads
        self._reloading_since: int | None = None
        super().__init__(app)

    def reload(self) -> None:
        """Replace every worker."""
        self._reloading_since = self.worker_age
        try:
            super().reload()
        finally:
            self._reloading_since = None

    def stop(self, graceful: bool = True) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Stop every worker; from now on nobody else comes, so that a worker that has taken all takes all."""
        for listener in self.LISTENERS:
            _hold_off(listener)
        super().stop(graceful)

    def manage_workers(self) -> None:
        """Start and end workers until there are as many as there should be."""
        if self._reloading_since is not None:
            self._await_new_workers(self._reloading_since)
            self._reloading_since = None
        super().manage_workers()

    def _await_new_workers(self, last_age: int) -> None:
        """Wait until every worker younger than `last_age` accepts; a signal ends the wait."""
        end = time.monotonic() + _LONGEST_WAIT
        while time.monotonic() < end and self.SIG_QUEUE.empty():
            self.reap_workers()
            new = [worker.age for worker in self.WORKERS.values() if worker.age > last_age]
            if len(new) < self.num_workers or all(self._loads.accepts(age) for age in new):
                return
            time.sleep(_LOOK_SECONDS)


def _hold_off(listener: Any) -> None:
    """Have the kernel drop what would connect: it tries again, and is refused once the listener is closed.

    Without it, a connection made between a worker's last look and the close of its listener would be reset.
    """
    instruction = ctypes.create_string_buffer(_DROP_ALL)
    program = struct.pack("HL", 1, ctypes.addressof(instruction))
    with contextlib.suppress(OSError):  # not every kernel has it
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)
