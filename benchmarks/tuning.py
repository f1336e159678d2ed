"""Owns the measurements of engines behind docs/tuning.md; each prints its best times, all taken in turns.

`python -m benchmarks.tuning batches FILE|NAME`: LiteRT, so many examples at once.
`python -m benchmarks.tuning memory FILE|NAME`: what each engine takes in a process of its own.
`python -m benchmarks.tuning spread FILE|NAME COUNT`: one request on one interpreter, on two in threads, on two threads.
"""

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.cli.options import progress, read_settings, store_and_limits
from service.engine.base import Engine
from service.engine.engines import installed_engines, open_engine
from service.repository.bundles import Bundle
from service.serving.local import bundle_of, source_of

SECONDS = 6.0
LEAST_SECONDS = 0.002
SIDE = 224
BATCHES = (1, 2, 4, 8, 16, 32)
CHUNKS = {True: 8, False: 1}
"""Examples at once, by whether the net is small."""
SMALL_MS = 1.0
Ways = Mapping[str, Callable[[], object]]
Clock = Callable[[], float]


def best_times(ways: Ways, *, seconds: float = SECONDS, clock: Clock = time.perf_counter) -> dict[str, float]:
    """Return the least seconds of each way, all in turns."""
    least = dict.fromkeys(ways, float("inf"))
    for call in ways.values():
        call()
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        for name, call in ways.items():
            least[name] = min(least[name], timed(call, clock))
    return least


def timed(call: Callable[[], object], clock: Clock) -> float:
    """Return the seconds of a call, of as many as it takes to be longer than reading the clock."""
    times = 1
    while True:
        began = clock()
        for _ in range(times):
            call()
        spent = clock() - began
        if spent >= LEAST_SECONDS:
            return spent / times
        times *= 4


def show(title: str, times: Mapping[str, float]) -> None:
    first = next(iter(times.values()))
    print(title)
    for name, seconds in times.items():
        print(f"  {name:<34} {seconds * 1000:9.3f} ms  {seconds / first:5.2f}")


def opened(target: str, *, threads: int = 1, count: int = 1) -> tuple[Bundle, list[Engine]]:
    read = read_settings()
    store, limits = store_and_limits(read)
    bundle, _ = bundle_of(source_of(target, read.models_dir), store, limits, progress)
    inputs, outputs = ([one.spec.name for one in side] for side in (bundle.facts.inputs, bundle.facts.outputs))
    return bundle, [
        open_engine("litert", bundle.graph, inputs=inputs, outputs=outputs, threads=threads) for _ in range(count)
    ]


def random_rows(bundle: Bundle, count: int) -> NDArray[np.float32]:
    shape = [axis or SIDE for axis in bundle.facts.inputs[0].spec.item_shape]
    return np.random.default_rng(0).random((count, *shape), np.float32)


def run_rows(bundle: Bundle, engine: Engine, rows: NDArray[np.float32], chunk: int) -> None:
    name = bundle.facts.inputs[0].spec.name
    for start in range(0, len(rows), chunk):
        engine.run({name: rows[start : start + chunk]})


def batches(target: str) -> None:
    bundle, engines = opened(target, count=len(BATCHES))
    rows = random_rows(bundle, BATCHES[-1])
    ways = {
        f"{size} at once": partial(run_rows, bundle, engine, rows[:size], size)
        for size, engine in zip(BATCHES, engines, strict=True)
    }
    times = best_times(ways, clock=time.process_time, seconds=2 * SECONDS)
    show(
        f"{target} on one thread, per example",
        {name: times[name] / size for name, size in zip(ways, BATCHES, strict=False)},
    )


def memory(target: str) -> None:
    read = read_settings()
    store, limits = store_and_limits(read)
    bundle, _ = bundle_of(source_of(target, read.models_dir), store, limits, progress)
    for engine in installed_engines():
        # A process of its own each: an engine keeps what it once took.
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            before, after, seconds = pool.submit(cost_of, engine, bundle).result()
        print(f"{target} with {engine}: {after - before:.0f} MB private, ready after {seconds:.2f} s of processor time")


def cost_of(engine: str, bundle: Bundle) -> tuple[float, float, float]:
    """Return the private memory of this process in MB before and after it ran an example, and the seconds it took."""
    before, began = private_mb(), time.process_time()
    inputs, outputs = ([one.spec.name for one in side] for side in (bundle.facts.inputs, bundle.facts.outputs))
    made = open_engine(engine, bundle.graph, inputs=inputs, outputs=outputs)
    run_rows(bundle, made, random_rows(bundle, 1), 1)
    return before, private_mb(), time.process_time() - began


def private_mb() -> float:
    lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines())
    return sum(int(words[1]) for words in lines if words[0].startswith("Private_")) / 1000


def spread(target: str, count: str) -> None:
    bundle, (one, left, right) = opened(target, count=3)
    _, (both,) = opened(target, threads=2)
    rows = random_rows(bundle, int(count))
    single = best_times({"one": lambda: run_rows(bundle, one, rows[:1], 1)}, seconds=1)["one"]
    chunk = CHUNKS[single * 1000 < SMALL_MS]
    half = len(rows) // 2
    with ThreadPoolExecutor(2) as pool:

        def in_threads() -> None:
            parts = [(left, rows[:half]), (right, rows[half:])]
            list(pool.map(lambda part: run_rows(bundle, part[0], part[1], chunk), parts))

        ways: Ways = {
            "one interpreter": lambda: run_rows(bundle, one, rows, chunk),
            "two interpreters in threads": in_threads,
            "one interpreter of two threads": lambda: run_rows(bundle, both, rows, chunk),
        }
        show(f"{target}, {count} in one request, {chunk} at once", best_times(ways))


COMMANDS: Mapping[str, Callable[..., None]] = {
    "batches": batches,
    "memory": memory,
    "spread": spread,
}


def main(words: Sequence[str]) -> None:
    if not words or words[0] not in COMMANDS:
        raise SystemExit(__doc__)
    COMMANDS[words[0]](*words[1:])


if __name__ == "__main__":
    main(sys.argv[1:])
