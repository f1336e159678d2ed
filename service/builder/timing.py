"""Owns timing the engines on a bundle's graph: those that give the stored probes, interleaved, the best of several."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays, Engine
from service.engine.engines import installed_engines, open_engine
from service.model.agreement import largest_difference
from service.model.description import Description
from service.model.tuning import CHUNK, FIRST_ENGINE, Timing, Tuning, has_fixed_size, is_worth_another, largest_chunk
from service.repository.bundles import Bundle

SECONDS = 3.0
"""How long is timed in all; loading comes on top, and every way is run a few times however slow it is."""
_BATCHES = (8, CHUNK)
_LEAST_ROUNDS = 3
_LEAST_SECONDS = 0.001
"""How long the clock runs at least: reading it may take as long as a small net."""
_SLICE = 0.02
"""Seconds that one way is run at a time, so that a slow moment of the machine hits all ways alike."""


@dataclass(slots=True)
class _Way:
    """One way to run a graph, with the least seconds that a call took; `before` is run before each turn.

    `worked` counts what all processors did for it: on a busy machine a thread waits more than it works.
    """

    engine: str
    threads: int
    batch: int
    call: Callable[[], object]
    before: Callable[[], object] | None = None
    least: float = float("inf")
    worked: float = float("inf")

    def turn(self) -> None:
        """Run for a moment, and keep the least time."""
        if self.before:
            self.before()
        end, times = time.perf_counter() + _SLICE, 1
        while time.perf_counter() < end:
            worked, began = time.process_time(), time.perf_counter()
            for _ in range(times):
                self.call()
            spent, worked = time.perf_counter() - began, time.process_time() - worked
            self.least = min(self.least, spent / times)
            if spent >= _LEAST_SECONDS:
                self.worked = min(self.worked, worked / times)
            else:
                times *= 2
        self.worked = min(self.worked, self.threads * self.least)


def time_engines(bundle: Bundle, *, cores: int, seconds: float = SECONDS) -> Tuning:
    """Return what an example takes with each engine that gives the probes, on one thread and on all cores.

    An engine that cannot run the graph, or is not worth its memory for a small net, is left out and said why.
    """
    found: list[_Way] = []
    left_out: dict[str, str] = {}
    versions = installed_engines()
    for engine in versions:
        why = _why_not(engine, bundle.facts, found)
        try:
            found += [] if why else _ways(engine, bundle, cores)
        except Exception as error:  # noqa: BLE001 - an engine that cannot run the graph is left out, whatever it raises
            why = f"It cannot run the graph: {_line(error)}"
        if why:
            left_out[engine] = why
    _interleave(found, seconds)
    return Tuning(tuple(_timings(found)), left_out, versions, cores)


def _why_not(engine: str, facts: Description, found: list[_Way]) -> str | None:
    """Return why an engine is not even tried, or None; the first one was run by then."""
    if engine == FIRST_ENGINE:
        return None
    if not has_fixed_size(facts):
        return "The model takes pictures of any size, and every size would have to be compiled."
    first = [way for way in found if way.batch == 1 and way.threads == 1]
    for way in first:
        way.turn()
    if not any(is_worth_another(way.worked * 1000) for way in first):
        return "The model takes under a millisecond: it is not worth another engine's memory."
    return None


def _ways(engine: str, bundle: Bundle, cores: int) -> list[_Way]:
    """Return every way to run an engine that gives the probes; raises ValueError where it gives other numbers."""
    most = largest_chunk(bundle.facts) if engine == FIRST_ENGINE else 1
    return [
        way
        for threads in sorted({1, cores})
        for way in _of_threads(engine, threads, bundle, [batch for batch in _BATCHES if batch <= most])
    ]


def _of_threads(engine: str, threads: int, bundle: Bundle, batches: list[int]) -> Iterator[_Way]:
    facts = bundle.facts
    opened = open_engine(
        engine,
        bundle.graph,
        inputs=[one.spec.name for one in facts.inputs],
        outputs=[one.spec.name for one in facts.outputs],
        threads=threads,
    )
    probes = bundle.probes()
    _check(opened, probes.inputs, probes.outputs)
    single = _call(opened, probes.inputs, 1)
    single()
    yield _Way(engine, threads, 1, single)
    for batch in batches:
        whole = _call(opened, probes.inputs, batch)
        # What a batch costs is what a request of that many costs: with going to its size, and back for the next one.
        yield _Way(engine, threads, batch, _both(whole, single), before=single)


def _check(engine: Engine, inputs: Arrays, expected: Arrays) -> None:
    rows = [_rows(inputs, [number]) for number in range(len(next(iter(inputs.values()))))]
    answers = [engine.run(row) for row in rows]
    found = {name: np.concatenate([answer[name] for answer in answers]) for name in expected}
    difference = largest_difference(found, expected)
    if not difference.is_allowed:
        raise ValueError(f"its numbers differ from Keras' by {difference.absolute:.3g}")


def _call(engine: Engine, inputs: Arrays, batch: int) -> Callable[[], object]:
    arrays = _rows(inputs, [number % len(next(iter(inputs.values()))) for number in range(batch)])
    return lambda: engine.run(arrays)


def _both(first: Callable[[], object], second: Callable[[], object]) -> Callable[[], object]:
    def call() -> None:
        first()
        second()

    return call


def _rows(inputs: Arrays, numbers: list[int]) -> dict[str, NDArray[Any]]:
    return {name: np.ascontiguousarray(array[numbers]) for name, array in inputs.items()}


def _interleave(ways: list[_Way], seconds: float) -> None:
    """Give every way a turn, round after round, for so many seconds and a few rounds at least."""
    end = time.perf_counter() + seconds
    rounds = 0
    while ways and (rounds < _LEAST_ROUNDS or time.perf_counter() < end):
        rounds += 1
        for way in ways:
            way.turn()


def _timings(ways: list[_Way]) -> Iterator[Timing]:
    singles = {(way.engine, way.threads): way for way in ways if way.batch == 1}
    for way in ways:
        # What the single one after a batch took is not the batch's; the clock's own noise is all that is left of none.
        after = singles[way.engine, way.threads]
        least, worked = (
            (way.least, way.worked) if way is after else (way.least - after.least, way.worked - after.worked)
        )
        yield Timing(way.engine, way.threads, way.batch, _milliseconds(least, way), _milliseconds(worked, way))


def _milliseconds(seconds: float, way: _Way) -> float:
    return round(max(seconds, 1e-9) * 1000 / way.batch, 6)


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
