"""Owns who watches: one worker at a time, by file lock; where it dies, another takes over."""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

from service.serving.watcher import Watcher

log = logging.getLogger(__name__)

LOCK_FILE = "watcher.lock"
LARGEST_SHARE = 0.05
LONGEST_PAUSE = 30.0


class Pace:
    """Says how long to rest between looks, so that looking takes a small share of one core however much there is."""

    def __init__(self, poll_seconds: float) -> None:
        self.pause = poll_seconds
        self._poll = poll_seconds
        self._before = 0.0

    def note(self, seconds: float) -> None:
        """Note the processor time of a look; one look that took long, as for a new file, changes nothing."""
        steady = min(seconds, self._before)
        self._before = seconds
        self.pause = max(self._poll, min(LONGEST_PAUSE, steady / LARGEST_SHARE))


class WatchLoop:
    """Runs the watcher in a thread of the worker that holds the lock; the others wait for it to become free."""

    def __init__(self, make_watcher: Callable[[], Watcher], *, lock_dir: Path, poll_seconds: float) -> None:
        self._make = make_watcher
        self._lock_path = lock_dir / LOCK_FILE
        self._pace = Pace(poll_seconds)
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._watcher: Watcher | None = None
        self._descriptor = -1
        self._complaint: str | None = None
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Take the first look at once where this worker gets the lock; then go on in a thread."""
        self._turn()
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
        self._let_go()

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._pace.pause)
            self._wake.clear()
            if not self._stopping.is_set():
                self._turn()

    def _turn(self) -> None:
        """Take a look where it is this worker's part."""
        began = time.thread_time()
        try:
            if self._is_watcher():
                self._look()
        except Exception as error:  # noqa: BLE001 - whatever it is, the next look may do better
            self._complain(error)
        else:
            self._complaint = None
        self._pace.note(time.thread_time() - began)

    def _look(self) -> None:
        if self._watcher is None:
            self._watcher = self._make()
        self._watcher.look()

    def _complain(self, error: Exception) -> None:
        """Log why a look failed, once for each reason: it is tried again every second."""
        reason = f"{type(error).__name__}: {getattr(error, 'strerror', None) or error}"
        if reason != self._complaint:
            unforeseen = None if isinstance(error, OSError) else error
            log.error("a look at the models folder failed (%s); trying again", reason, exc_info=unforeseen)
        self._complaint = reason

    def _is_watcher(self) -> bool:
        if self._descriptor >= 0 and not self._is_lock_in_place():
            self._let_go()  # another worker may hold a lock on the file that is there now
        return self._descriptor >= 0 or self._takes_lock()

    def _is_lock_in_place(self) -> bool:
        try:
            return os.path.samestat(self._lock_path.stat(), os.fstat(self._descriptor))
        except OSError:
            return False

    def _takes_lock(self) -> bool:
        self._lock_path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)  # somebody may have tidied it away
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def _let_go(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
            self._watcher = None  # it knows only what it wrote itself
