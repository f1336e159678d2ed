"""Owns who watches: one worker at a time, by file lock; where it dies, another takes over."""

import fcntl
import logging
import os
import threading
from collections.abc import Callable
from pathlib import Path

from service.serving.watcher import Watcher

log = logging.getLogger(__name__)

LOCK_FILE = "watcher.lock"


class WatchLoop:
    """Runs the watcher in a thread of the worker that holds the lock; the others wait for it to become free."""

    def __init__(self, make_watcher: Callable[[], Watcher], *, lock_dir: Path, poll_seconds: float) -> None:
        self._make = make_watcher
        self._lock_path = lock_dir / LOCK_FILE
        self._poll = poll_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._watcher: Watcher | None = None
        self._descriptor = -1
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Take the first look at once where this worker gets the lock; then go on in a thread."""
        if self._is_watcher():
            self._look()
        self._thread.start()

    def wake(self) -> None:
        """Have the next look taken now: a build has ended."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and let another worker watch."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._poll)
            self._wake.clear()
            if not self._stopping.is_set() and self._is_watcher():
                self._look()

    def _look(self) -> None:
        try:
            if self._watcher is None:
                self._watcher = self._make()
            self._watcher.look()
        except Exception:
            log.exception("a look at the models folder failed")

    def _is_watcher(self) -> bool:
        if self._descriptor >= 0:
            return True
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
