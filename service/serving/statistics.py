"""Owns what is noted of each request to a model, and the sums over all workers that the statistics extension gives."""

import logging
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from service.errors import (
    MalformedBodyError,
    MisfitError,
    RequestError,
    TooLargeError,
    UndecodableImageError,
    UnsupportedBodyError,
)
from service.metrics import kinds
from service.metrics.counters import Counters
from service.metrics.kinds import Change, to_ns
from service.serving.examples import Timings
from service.serving.live import ModelKey
from service.serving.predicted import Predicted

log = logging.getLogger(__name__)

CLASSES = 100
"""Classes of a model that are counted one by one; those behind them are counted together, as `other`."""
OTHER = "other"
_LONGEST_LABEL = 100
_REASONS: dict[type[RequestError], str] = {
    MalformedBodyError: "malformed",
    MisfitError: "misfit",
    TooLargeError: "too_large",
    UndecodableImageError: "undecodable",
    UnsupportedBodyError: "unsupported",
}
"""How an error of an example is called where it is counted."""


@dataclass(frozen=True, slots=True)
class Counts:
    """What was answered: requests, rows, and nanoseconds spent in each stage; `last` in milliseconds since 1970.

    `examples` counts rows of successful requests, `executions` runs of the engine for them.
    """

    successes: int = 0
    failures: int = 0
    examples: int = 0
    executions: int = 0
    failure_ns: int = 0
    queue_ns: int = 0
    input_ns: int = 0
    infer_ns: int = 0
    total_ns: int = 0
    last: int = 0


@dataclass(slots=True)
class Account:
    """What became of one request to a model: `examples` are its answered rows, none where it failed.

    `runs` says by the number of rows that the engine was given at once how many times that was. `rejected` has the
    errors of examples that could not be answered, `seconds` is what it took in all, and `ended` when that was, on
    `time.monotonic()`. One that `is_counted` is a prediction; another looks into a model, and is only logged and timed.
    """

    key: ModelKey
    timings: Timings = field(default_factory=Timings)
    examples: int = 0
    runs: dict[int, int] = field(default_factory=dict)
    rejected: list[RequestError] = field(default_factory=list)
    predicted: Iterable[Predicted] = ()
    seconds: float = 0.0
    ended: float = 0.0
    is_counted: bool = True


class Recorder(Protocol):
    """Whoever wants to know of every request that reached a model."""

    def record(self, account: Account) -> None:
        """Take note of a request that was answered or has failed."""


class recorded:  # noqa: N801 - used as a function: one made by contextlib takes four times as long
    """Time the request that the block answers, and tell `recorder` of it; what goes wrong there is logged alone."""

    __slots__ = ("_account", "_began", "_recorder")

    def __init__(self, recorder: Recorder | None, account: Account) -> None:
        self._recorder = recorder
        self._account = account

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        account = self._account
        account.ended = time.monotonic()
        account.seconds = account.ended - self._began
        if self._recorder is not None:
            _tell(self._recorder, account)


def _tell(recorder: Recorder, account: Account) -> None:
    try:
        recorder.record(account)
    except Exception:
        log.exception("a request to %s version %d could not be counted", *account.key)


class Statistics:
    """Counts what a worker's models are asked, and adds it up over all workers."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters

    def record(self, account: Account) -> None:
        """Count a request that was answered or has failed."""
        labels = _labels(account.key)
        changes = _answered(account) if account.examples else _failed(account)
        self._counters.add(kinds.MODEL, labels, changes, at_ms=time.time_ns() // 1_000_000)
        for error in account.rejected:
            self._counters.add(kinds.REJECTED, (*labels, _REASONS.get(type(error), OTHER)), ((0, 1),))
        for one in account.predicted:
            self._count_class(labels, one)

    def rendered(self, key: ModelKey, seconds: float) -> None:
        """Count how long it took to write an answer, once its predictions were there."""
        self._counters.add(kinds.MODEL, _labels(key), kinds.RENDER.observed(to_ns(seconds)))

    def totals(self) -> dict[ModelKey, Counts]:
        """Return the sums over all workers, of those that have ended too."""
        rows = self._counters.totals(kinds.MODEL)
        return {(name, int(version)): _counts(row) for (name, version), row in rows.items()}

    def _count_class(self, labels: tuple[str, str], one: Predicted) -> None:
        name = (str(one.index), one.label[:_LONGEST_LABEL]) if one.index < CLASSES else (OTHER, OTHER)
        changes: tuple[Change, ...] = ((0, 1),)
        if one.confidence is not None:
            changes += kinds.CONFIDENCE.observed(round(one.confidence * kinds.CONFIDENCE.scale))
        self._counters.add(kinds.CLASS, (*labels, one.output, *name), changes)


def _labels(key: ModelKey) -> tuple[str, str]:
    name, version = key
    return name, str(version)


def _failed(account: Account) -> list[Change]:
    return [(kinds.FAILURES, 1), (kinds.FAILURE_NS, to_ns(account.seconds))]


def _answered(account: Account) -> list[Change]:
    timings = account.timings
    changes = [
        (kinds.SUCCESSES, 1),
        (kinds.EXAMPLES, account.examples),
        (kinds.SUCCESS_NS, to_ns(account.seconds)),
        *kinds.DECODE.observed(to_ns(timings.decode)),
        *kinds.QUEUE.observed(to_ns(timings.wait)),
        *kinds.INFER.observed(to_ns(timings.infer)),
    ]
    for size, times in account.runs.items():
        changes += kinds.BATCH.observed(size, times=times)
    return changes


def _counts(row: tuple[int, ...]) -> Counts:
    return Counts(
        successes=row[kinds.SUCCESSES],
        failures=row[kinds.FAILURES],
        examples=row[kinds.EXAMPLES],
        executions=kinds.BATCH.count(row),
        failure_ns=row[kinds.FAILURE_NS],
        queue_ns=kinds.QUEUE.sum(row),
        input_ns=kinds.DECODE.sum(row),
        infer_ns=kinds.INFER.sum(row),
        total_ns=row[kinds.SUCCESS_NS],
        last=row[kinds.LAST],
    )
