"""Owns the counters of what was answered, over all workers of a server: a file of integers each, summed on demand.

A worker adds to its own file alone, which is mapped into memory; whoever asks reads all of them. The files of workers
that have ended stay, so that nothing counted is lost while the server lives.
"""

import json
import logging
import mmap
import os
import shutil
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from service.serving.examples import Timings

log = logging.getLogger(__name__)

_FOLDER = "statistics"
_ROWS = 512
_NANOSECONDS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Counts:
    """What was answered: requests, rows, and nanoseconds spent in each stage; `last` in milliseconds since 1970.

    `examples` counts rows of successful requests, `executions` requests that ran the engine.
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


_NAMES = tuple(one.name for one in fields(Counts))
_PLACES = {name: place for place, name in enumerate(_NAMES)}
_LAST = _PLACES["last"]
_BYTES = 8
Key = tuple[str, int]
"""A model's name and version."""


class Recorder(Protocol):
    """Whoever wants to know of every request that reached a model."""

    def succeeded(self, key: Key, timings: Timings, *, examples: int, seconds: float) -> None:
        """Take note of an answered request of `examples` rows that took `seconds` in all."""

    def failed(self, key: Key, *, seconds: float) -> None:
        """Take note of a request that could not be answered."""


@contextmanager
def recorded(recorder: Recorder | None, key: Key) -> Iterator[Callable[[int, Timings], None]]:
    """Tell `recorder` of a request: answered where the block calls what it gets with rows and timings, else failed."""
    began = time.monotonic()
    answered: list[tuple[int, Timings]] = []
    try:
        yield lambda examples, timings: answered.append((examples, timings))
    finally:
        if recorder is not None:
            _tell(recorder, key, answered, time.monotonic() - began)


def _tell(recorder: Recorder, key: Key, answered: list[tuple[int, Timings]], seconds: float) -> None:
    if not answered or not answered[0][0]:
        recorder.failed(key, seconds=seconds)
        return
    examples, timings = answered[0]
    recorder.succeeded(key, timings, examples=examples, seconds=seconds)


def remove_statistics(runtime_dir: Path) -> None:
    """Remove what an earlier server counted."""
    shutil.rmtree(runtime_dir / _FOLDER, ignore_errors=True)


class Statistics:
    """The counters of one worker, and the sums over all of them."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / _FOLDER
        self._folder.mkdir(parents=True, exist_ok=True)
        self._stem = f"{os.getpid()}-{time.time_ns()}"
        self._lock = threading.Lock()
        self._rows: dict[Key, int] = {}
        self._numbers = _mapped(self._folder / f"{self._stem}.bin")

    def succeeded(self, key: Key, timings: Timings, *, examples: int, seconds: float) -> None:
        """Count an answered request of `examples` rows that took `seconds` in all."""
        self._add(
            key,
            successes=1,
            examples=examples,
            executions=1,
            queue_ns=_ns(timings.wait),
            input_ns=_ns(timings.decode),
            infer_ns=_ns(timings.infer),
            total_ns=_ns(seconds),
        )

    def failed(self, key: Key, *, seconds: float) -> None:
        """Count a request that could not be answered."""
        self._add(key, failures=1, failure_ns=_ns(seconds))

    def _add(self, key: Key, **amounts: int) -> None:
        with self._lock:
            try:
                row = self._row(key)
            except OSError as error:  # a full disk: the answer is worth more than its count
                log.error("what is answered cannot be counted: %s", error.strerror)
                return
            if row is None:
                return
            start = row * len(_NAMES)
            for name, amount in amounts.items():
                self._numbers[start + _PLACES[name]] += amount
            self._numbers[start + _LAST] = time.time_ns() // 1_000_000

    def _row(self, key: Key) -> int | None:
        """Return the row of a model, a new one where it has none; None where all are taken."""
        if key not in self._rows and len(self._rows) < _ROWS:
            listed = self._folder / f"{self._stem}.json"
            fresh = listed.with_suffix(".new")
            fresh.write_text(json.dumps([*self._rows, key]), encoding="utf-8")
            fresh.replace(listed)
            self._rows[key] = len(self._rows)
        return self._rows.get(key)

    def totals(self) -> dict[Key, Counts]:
        """Return the sums over all workers, of those that have ended too."""
        found: dict[Key, list[NDArray[np.int64]]] = defaultdict(list)
        for listed in sorted(self._folder.glob("*.json")):
            for key, row in _read(listed):
                found[key].append(row)
        return {key: _summed(np.stack(rows)) for key, rows in found.items()}


def _ns(seconds: float) -> int:
    return int(seconds * _NANOSECONDS)


def _mapped(path: Path) -> memoryview:
    size = _ROWS * len(_NAMES) * _BYTES
    with path.open("w+b") as file:
        os.posix_fallocate(file.fileno(), 0, size)  # a disk that fills later must not end the worker
        mapped = mmap.mmap(file.fileno(), size)
    return memoryview(mapped).cast("q")


def _read(listed: Path) -> Iterator[tuple[Key, NDArray[np.int64]]]:
    keys = json.loads(listed.read_text(encoding="utf-8"))
    count = len(keys) * len(_NAMES)
    rows = np.fromfile(listed.with_suffix(".bin"), np.int64, count=count).reshape(-1, len(_NAMES))
    yield from (((name, version), row) for (name, version), row in zip(keys, rows, strict=True))


def _summed(rows: NDArray[np.int64]) -> Counts:
    totals = rows.sum(axis=0)
    totals[_LAST] = rows[:, _LAST].max()
    return Counts(*map(int, totals))
