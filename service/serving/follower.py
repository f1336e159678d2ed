"""Owns keeping this worker's registry up with `live.json` while nobody asks for anything."""

import logging
import threading

from service.serving.registry import Registry

log = logging.getLogger(__name__)


_LONGEST = 0.5


def follow_seconds(poll_seconds: float) -> float:
    """Return the seconds after which every worker has seen a change of the shared files."""
    return min(poll_seconds / 2, _LONGEST)


class Follower:
    """Refreshes the registry every so many seconds, in a thread."""

    def __init__(self, registry: Registry, *, seconds: float) -> None:
        self._registry = registry
        self._seconds = seconds
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def start(self) -> None:
        """Start following."""
        self._thread.start()

    def stop(self) -> None:
        """Stop following."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.wait(self._seconds):
            try:
                self._registry.refresh()
            except Exception:
                log.exception("catching up with live.json failed")
