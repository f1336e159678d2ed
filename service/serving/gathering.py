"""Owns the way of a request's examples to the engine: prepared one by one, gathered, run a batch at a time."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from service.errors import TooLargeError
from service.serving.admission import check_deadline
from service.serving.ahead import Coming
from service.serving.live_model import LiveModel, joined
from service.serving.preparation import Prepared
from service.serving.statistics import Account

GATHERED_BYTES = 64 * 2**20
"""Decoded inputs held at a time; a request with more is run in several batches."""
Batch = Mapping[str, NDArray[Any]]
"""The inputs, or the outputs, of several examples by name, each (N, *item)."""
Answering = Callable[[Batch, Sequence[Prepared]], None]


class Gathering:
    """Examples of one request, all those held of one shape; `answer` is given batch after batch, in their order.

    Raises TooLargeError for more than `max_examples`; `deadline` is a `time.monotonic()` value. What is spent and what
    is run is noted in `account`.
    """

    def __init__(
        self, model: LiveModel, answer: Answering, account: Account, *, max_examples: int, deadline: float
    ) -> None:
        self.account = account
        self._model = model
        self._answer = answer
        self._room = max_examples
        self._deadline = deadline
        self._gathered: list[Prepared] = []
        self._held = 0

    def prepared(self, coming: Coming, *, check: Callable[[Prepared], Prepared]) -> Prepared:
        """Return an example as the model's inputs, after `check`; raises RequestError or DeadlineExceededError."""
        check_deadline(self._deadline)
        began = time.monotonic()
        try:
            return check(coming.prepared(self._deadline))
        finally:
            self.account.timings.decode += time.monotonic() - began

    def take(self, prepared: Prepared) -> None:
        """Add an example to those that wait; what waits is run first where they do not go together."""
        self._room -= prepared.count
        if self._room < 0:
            raise TooLargeError("The request holds more examples than are taken at a time; send fewer per request.")
        if self._gathered and self._gathered[0].shapes != prepared.shapes:
            self.flush()
        self._gathered.append(prepared)
        self._held += prepared.nbytes
        if self._held > GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Have what waits answered."""
        gathered, self._gathered, self._held = self._gathered, [], 0
        if gathered:
            self._answer(joined([one.arrays for one in gathered]), gathered)

    def run(self, batch: Batch) -> dict[str, NDArray[Any]]:
        """Return the model's outputs for a batch."""
        began = time.monotonic()
        outputs, waited = self._model.run(batch, deadline=self._deadline)
        timings = self.account.timings
        timings.wait += waited
        timings.infer += time.monotonic() - began - waited
        runs = self.account.runs
        for size, times in self._model.runs_of(len(next(iter(batch.values())))):
            runs[size] = runs.get(size, 0) + times
        return outputs
