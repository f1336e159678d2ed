"""Owns preparing large pictures of one request side by side: decoders let go of the GIL, and cores may be idle."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from service.machine import usable_cores
from service.serving.admission import too_late
from service.serving.examples import Example, Picture
from service.serving.preparation import Prepared

LARGE = 128 * 2**10
"""Bytes of an encoded picture from which decoding takes milliseconds: half a megapixel as a JPEG, or so."""
_MOST_THREADS = 4
Prepare = Callable[[Example], Prepared]


@dataclass(slots=True)
class Coming:
    """An example that is being prepared, or will be when it is asked for."""

    example: Example
    _prepare: Prepare
    _future: Future[Prepared] | None = None

    def prepared(self, deadline: float) -> Prepared:
        """Return the example as inputs; raises its RequestError, DeadlineExceededError after `time.monotonic()`."""
        if self._future is None:
            return self._prepare(self.example)
        try:
            return self._future.result(timeout=max(0.0, deadline - time.monotonic()))
        except TimeoutError as error:
            raise too_late() from error

    def begin(self, pool: ThreadPoolExecutor) -> None:
        """Have it prepared in a thread where that is worth one."""
        if self._future is None and _is_large(self.example):
            self._future = pool.submit(self._prepare, self.example)

    def drop(self) -> None:
        """Leave it, where nobody began with it yet: its request has ended."""
        if self._future is not None:
            self._future.cancel()


class Ahead:
    """The threads that prepare large pictures of any request of this process; none is started before the first."""

    def __init__(self, threads: int | None = None) -> None:
        self._threads = threads or min(_MOST_THREADS, usable_cores())
        self._pool = ThreadPoolExecutor(self._threads, thread_name_prefix="decode")

    def coming(self, examples: Iterable[Example], prepare: Prepare) -> Iterator[Coming]:
        """Yield examples in their order, large pictures a few ahead of the one at hand; one alone needs no thread."""
        window: deque[Coming] = deque()
        try:
            for example in examples:
                window.append(Coming(example, prepare))
                if len(window) > 1:
                    for one in window:
                        one.begin(self._pool)
                if len(window) > self._threads:
                    yield window.popleft()
        except Exception:  # those before the one that cannot be read come first
            yield from _drained(window)
            raise
        else:
            yield from _drained(window)
        finally:
            for one in window:
                one.drop()


def _drained(window: deque[Coming]) -> Iterator[Coming]:
    while window:
        yield window.popleft()


def _is_large(example: Example) -> bool:
    return any(isinstance(part, Picture) and len(part.data) >= LARGE for part in example.parts.values())
