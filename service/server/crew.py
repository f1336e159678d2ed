"""Owns the threads that work for a worker's loop: a queue that can be counted, and as many threads as are asked for."""

import threading
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_Job = tuple[Callable[[Any], None], Any] | None


class Crew:
    """Runs jobs in the order they came. Lighter than a ThreadPoolExecutor: no future is made for a job."""

    def __init__(self, size: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Return how many jobs wait for a thread."""
        return self._jobs.qsize()

    def submit(self, job: Callable[[Any], None], what: Any) -> None:
        """Have `job(what)` run; it must not raise."""
        self._jobs.put((job, what))

    def shutdown(self, *, wait: bool = True) -> None:
        """End each thread after the job it is at; with `wait`, return when all have ended."""
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads if wait else ():
            thread.join()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            work, what = job
            work(what)
