"""Owns what is counted: each kind of series as a row of whole numbers, and which number is which."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Literal

NANOSECONDS = 1_000_000_000
Change = tuple[int, int]
"""A place in a row, and what is added there."""

_MIB = 2**20
_MS = NANOSECONDS // 1000
_SECONDS = tuple(
    int(_MS * one) for one in (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000)
)
_BUILD_SECONDS = tuple(NANOSECONDS * one for one in (5, 10, 20, 30, 60, 120, 300, 600, 1200))
_SIZES = (1, 2, 4, 8, 16, 32, 64, 128)
_MILLIONTHS = 1_000_000
_CONFIDENCES = tuple(int(_MILLIONTHS * one) for one in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 0.999))


@dataclass(frozen=True, slots=True)
class Histogram:
    """A histogram in a row from place `start` on: a count for each upper bound, one for what is over, and the sum.

    `bounds` and what is observed are whole numbers of which `scale` make one of the unit that is shown.
    """

    start: int
    bounds: tuple[int, ...]
    scale: int = 1
    end: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "end", self.start + len(self.bounds) + 2)

    def observed(self, value: int, *, times: int = 1) -> tuple[Change, ...]:
        """Return the changes that note `value`, this many times."""
        return (self.start + bisect_left(self.bounds, value), times), (self.end - 1, value * times)

    def sum(self, row: Sequence[int]) -> int:
        """Return the sum of what was observed, not scaled."""
        return row[self.end - 1]

    def cumulated(self, row: Sequence[int]) -> list[int]:
        """Return for each bound, and without one, how often something up to it was observed."""
        return list(accumulate(row[self.start : self.end - 1]))

    def count(self, row: Sequence[int]) -> int:
        """Return how often something was observed."""
        return sum(row[self.start : self.end - 1])


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of series: `width` numbers for each set of labels.

    How rows of several workers become one: "sum" adds them up, "now" those of living workers alone. The place `latest`
    holds a time, of which the highest counts. Rows of the kind take no more than `most_bytes` of a file, so that names
    which come and go for months leave room for kinds without such a limit, whose labels are few.
    """

    name: str
    labels: tuple[str, ...]
    width: int
    merge: Literal["sum", "now"] = "sum"
    latest: int | None = None
    most_bytes: int | None = None


HTTP_SECONDS = Histogram(0, _SECONDS, NANOSECONDS)
WAIT_SECONDS = Histogram(HTTP_SECONDS.end, _SECONDS, NANOSECONDS)
HTTP = Kind("http", ("method", "route", "status"), WAIT_SECONDS.end)

SUCCESSES, FAILURES, EXAMPLES, SUCCESS_NS, FAILURE_NS, LAST = range(6)
DECODE = Histogram(6, _SECONDS, NANOSECONDS)
QUEUE = Histogram(DECODE.end, _SECONDS, NANOSECONDS)
INFER = Histogram(QUEUE.end, _SECONDS, NANOSECONDS)
RENDER = Histogram(INFER.end, _SECONDS, NANOSECONDS)
BATCH = Histogram(RENDER.end, _SIZES)
MODEL = Kind("model", ("model", "version"), BATCH.end, latest=LAST, most_bytes=4 * _MIB)
"""What became of the requests to a version; `LAST` in milliseconds since 1970."""

REJECTED = Kind("rejected", ("model", "version", "reason"), 1, most_bytes=_MIB)
CONFIDENCE = Histogram(1, _CONFIDENCES, _MILLIONTHS)
CLASS = Kind("class", ("model", "version", "output", "index", "label"), CONFIDENCE.end, most_bytes=4 * _MIB)
"""How often a class was named, and how sure the model was of it."""

BUILD_SECONDS = Histogram(0, _BUILD_SECONDS, NANOSECONDS)
BUILD = Kind("build", ("model", "result"), BUILD_SECONDS.end, most_bytes=_MIB)

STARTED = Kind("started", (), 1)
IN_FLIGHT, WAITING, CONNECTIONS = range(3)
WORKER = Kind("worker", (), 3, merge="now")
"""What a worker is at."""

KINDS = {one.name: one for one in (HTTP, MODEL, REJECTED, CLASS, BUILD, STARTED, WORKER)}


def to_ns(seconds: float) -> int:
    """Return whole nanoseconds."""
    return int(seconds * NANOSECONDS)
