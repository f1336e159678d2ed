"""Owns what is printed: medians over the rounds, and Convoy's ratio to each other in every round. Nothing is judged."""

import math
import statistics
from collections.abc import Callable, Iterable, Sequence

from benchmarks.contestants import CONTESTANTS, CONVOY
from benchmarks.rounds import CONNECTIONS
from benchmarks.samples import LITERT, EngineSample, Measured, Sample
from service.cli.table import table

_NONE = "–"


def http_table(samples: Sequence[Sample]) -> str:
    """Return requests/s, latency and processor time by connections and contestant."""
    header = (
        *("connections", "server", "requests/s", "p50 ms", "p99 ms", "CPU ms/request", "busiest worker", "errors"),
        "Convoy's requests/s over it: median (rounds)",
    )
    rows = [_http_row(samples, connections, one.name) for connections in CONNECTIONS for one in CONTESTANTS]
    return table(header, rows)


def _http_row(samples: Sequence[Sample], connections: int, name: str) -> list[str]:
    loads = _loads(samples, connections, name)
    ours = _loads(samples, connections, CONVOY.name)
    return [
        str(connections),
        name,
        number(_median(one.load.per_second for one in loads)),
        number(_median(one.load.p50_ms for one in loads)),
        number(_median(one.load.p99_ms for one in loads)),
        number(_median(one.cpu_ms for one in loads)),
        percent(_median(one.busiest for one in loads)),
        str(sum(one.load.errors for one in loads)),
        ratios([one.load.per_second for one in ours], [one.load.per_second for one in loads], name),
    ]


def _loads(samples: Sequence[Sample], connections: int, name: str) -> list[Measured]:
    mine = [one for one in samples if one.contestant == name]
    return [load for sample in mine for load in sample.loads if load.connections == connections]


def memory_table(samples: Sequence[Sample]) -> str:
    """Return the memory of a worker after the load; each round counts with the mean of its workers."""
    header = ("server", "RSS MiB", "PSS MiB", "its RSS over Convoy's: median (rounds)")
    return table(header, [_memory_row(samples, one.name) for one in CONTESTANTS])


def _memory_row(samples: Sequence[Sample], name: str) -> list[str]:
    mine, ours = _resident(samples, name), _resident(samples, CONVOY.name)
    shared = [
        statistics.mean(worker.proportional for worker in one.memory) for one in samples if one.contestant == name
    ]
    return [name, number(_median(mine)), number(_median(shared)), ratios(mine, ours, name)]


def _resident(samples: Sequence[Sample], name: str) -> list[float]:
    return [statistics.mean(worker.resident for worker in one.memory) for one in samples if one.contestant == name]


def start_table(samples: Sequence[Sample]) -> str:
    """Return the seconds from process start to the first answered prediction."""
    header = ("server", "seconds", "its seconds over Convoy's: median (rounds)")
    rows = []
    for name in (one.name for one in CONTESTANTS):
        mine, ours = (_starts(samples, who) for who in (name, CONVOY.name))
        rows.append([name, number(_median(mine)), ratios(mine, ours, name)])
    return table(header, rows)


def _starts(samples: Sequence[Sample], name: str) -> list[float]:
    return [one.start_seconds for one in samples if one.contestant == name]


def engine_table(samples: Sequence[EngineSample]) -> str:
    """Return ms for one picture by batch and way."""
    header = ("batch", "way", "ms/image", "its ms over LiteRT's: median (rounds)")
    rows = []
    for batch in dict.fromkeys(one.batch for one in samples):
        for way in dict.fromkeys(one.way for one in samples):
            mine, ours = (_spent(samples, batch, one) for one in (way, LITERT))
            rows.append([str(batch), way, number(_median(mine)), ratios(mine, ours, way, itself=LITERT)])
    return table(header, rows)


def _spent(samples: Sequence[EngineSample], batch: int, way: str) -> list[float]:
    return [one.ms_per_image for one in samples if one.batch == batch and one.way == way]


def ratios(above: Sequence[float], below: Sequence[float], name: str, *, itself: str = CONVOY.name) -> str:
    """Return the median of the ratios round by round, and each of them."""
    if name == itself:
        return "1"
    each = [a / b for a, b in zip(above, below, strict=True) if b]
    if not each:
        return _NONE
    return f"{number(statistics.median(each))} ({' '.join(number(one) for one in each)})"


def number(value: float) -> str:
    """Return a number with three significant digits, whole from 100 on."""
    if math.isnan(value):
        return _NONE
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def percent(value: float) -> str:
    """Return a part of 1 in whole percent."""
    return _NONE if math.isnan(value) else f"{value:.0%}"


def _median(values: Iterable[float]) -> float:
    known = [one for one in values if not math.isnan(one)]
    return statistics.median(known) if known else math.nan


TABLES: dict[str, tuple[str, Callable[[Sequence[Sample]], str]]] = {
    "http": ("Requests: one 28x28 PNG each, keep-alive; medians over rounds", http_table),
    "memory": ("Memory of one worker after the load; medians over rounds", memory_table),
    "start": ("Process start to first answered prediction, bundle present; medians over rounds", start_table),
}
ENGINE_TITLE = "The bare engine in one process, without HTTP; LiteRT has one thread, TensorFlow its default"
