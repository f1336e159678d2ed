"""Owns what a run yields, as plain values: every round of everything, before any summary."""

from dataclasses import dataclass

LITERT = "LiteRT (service.engine.litert)"


@dataclass(frozen=True, slots=True)
class Answer:
    """What every contestant must agree on."""

    label: str
    probabilities: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Load:
    """What came back: answers with status 200, their latency, and everything else as `errors`.

    `requests` and the latencies take in what was under way when the time was over; `per_second` does not.
    """

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    errors: int


@dataclass(frozen=True, slots=True)
class Memory:
    """Resident memory of one process in MiB; `proportional` shares pages mapped several times among their users."""

    resident: float
    proportional: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One load: what the client saw, the workers' processor time for an answer, and the busiest worker's part of it.

    With several connections and workers alike, a part near 1 says that all connections fell to one worker.
    """

    connections: int
    load: Load
    cpu_ms: float
    busiest: float


@dataclass(frozen=True, slots=True)
class Sample:
    """One contestant in one round; `memory` has an entry for each worker, taken after the last load."""

    contestant: str
    round: int
    start_seconds: float
    loads: tuple[Measured, ...]
    memory: tuple[Memory, ...]


@dataclass(frozen=True, slots=True)
class EngineSample:
    """One way to run the model in one round: the median ms for each picture of a batch."""

    way: str
    batch: int
    round: int
    ms_per_image: float
