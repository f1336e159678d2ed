"""Owns the threads that work for a worker's loop: a queue that can be counted, and as many threads as are asked for."""

import threading
import time
from collections.abc import Callable
from queue import SimpleQueue
from typing import Any

_NEWEST_SHARE = 0.2
"""Weight of the newest interval in the pace; those before it fade."""
_Job = tuple[Callable[[Any], object], Any] | None


class Crew:
    """Runs jobs in the order they came. Lighter than a ThreadPoolExecutor: no future is made for a job."""

    def __init__(self, size: int, name: str) -> None:
        self._jobs: SimpleQueue[_Job] = SimpleQueue()
        self._counting = threading.Lock()
        self._pace = 0.0
        self._last_end: float | None = None
        self._given = 0
        self._done = 0
        self._threads = [threading.Thread(target=self._run, name=f"{name}-{n}", daemon=True) for n in range(size)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Return how many jobs wait for a thread."""
        return self._jobs.qsize()

    @property
    def is_idle(self) -> bool:
        """Return whether no job waits or is at work; to be asked by whoever gives the jobs."""
        return self._given == self._done

    @property
    def expected_wait(self) -> float:
        """Return the seconds that a job given now may wait, at the pace at which those before it were done."""
        return self._pace * self._jobs.qsize()

    def submit(self, job: Callable[[Any], object], what: Any) -> None:
        """Have `job(what)` run; it must not raise."""
        self._given += 1
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
            del job, work, what  # nothing of it is kept while the thread waits
            with self._counting:
                self._done += 1
            self._note_end()

    def _note_end(self) -> None:
        """Measure the time from one end to the next while jobs wait: how fast the queue grows shorter."""
        # NOTE: two threads may end at once and one of two intervals be lost: an estimate does not need it.
        now, last = time.monotonic(), self._last_end
        is_waited_for = self._jobs.qsize() > 0
        if is_waited_for and last is not None:
            self._pace += (_NEWEST_SHARE if self._pace else 1.0) * (now - last - self._pace)
        self._last_end = now if is_waited_for else None
