"""Owns which engine runs a model, on how many threads, and how many examples at once: by rule, or by measured times."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from service.model.description import Description

CHUNK = 32
"""Most examples that are run at once."""
FIRST_ENGINE = "litert"
"""The engine every bundle is verified with, and which every worker has."""
_CACHE_BYTES = 2**20
"""Activations of a chunk that still lie in a core's cache: a larger batch is slower per example than a single one."""
_MOST_BYTES = 64 * 2**20
"""Activations that a chunk may hold, however fast it is."""
_BYTES_PER_INPUT_BYTE = 32
"""What two neighbouring layers hold for each byte of the input, where the layers are not known."""
_CLEARLY = 0.8
"""Share of the first engine's time that another one must stay within: it costs memory, and time to start."""
_LEAST_MS = 1.0
"""Milliseconds an example under which no other engine than the first is worth its memory."""
_NOTICEABLY = 0.95
"""Share of the time that more threads, or a larger chunk, must stay within."""


@dataclass(frozen=True, slots=True)
class Choice:
    """How a model is run."""

    engine: str = FIRST_ENGINE
    threads: int = 1
    chunk: int = CHUNK

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Timing:
    """What an example takes: the least milliseconds seen, with this engine, on so many threads, `batch` at a time.

    `processor` counts what all processors worked for it, in milliseconds, waiting left out. For a batch of several,
    going to that size and back to 1 is part of both.
    """

    engine: str
    threads: int
    batch: int
    milliseconds: float
    processor: float

    def cost(self, profile: str) -> float:
        """Return what counts for a profile: until an answer is there, or until a core is free again."""
        return self.milliseconds if profile == "latency" else self.processor


@dataclass(frozen=True, slots=True)
class Tuning:
    """The table of one model on one machine: its timings, and by engine why one is not among them.

    `versions` are those of the engines, `cores` how many the process could use.
    """

    timings: tuple[Timing, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)
    versions: Mapping[str, str] = field(default_factory=dict)
    cores: int = 1

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "timings": [asdict(one) for one in self.timings],
            "left_out": dict(self.left_out),
            "versions": dict(self.versions),
            "cores": self.cores,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Tuning":
        """Read what `to_json` wrote; raises KeyError or TypeError where it is none."""
        timings = tuple(Timing(**one) for one in data["timings"])
        return cls(timings, dict(data["left_out"]), dict(data["versions"]), int(data["cores"]))

    def choice(self, facts: Description, *, profile: str) -> Choice:
        """Return the best way for a profile: `latency` may take all cores for one request, `throughput` one thread."""
        most = self.cores if profile == "latency" else 1
        singles = [one for one in self.timings if one.batch == 1 and one.threads <= most]
        if not singles:
            return default_choice(facts)
        best = self._best_single(singles, profile)
        batches = [one for one in self.timings if (one.engine, one.threads) == (best.engine, best.threads)]
        return Choice(best.engine, best.threads, _first_good(batches, profile, key=lambda one: one.batch).batch)

    def _best_single(self, singles: list[Timing], profile: str) -> Timing:
        """Return the fastest way for one example; what needs another engine or more threads must be worth it."""
        by_engine = {
            engine: _first_good([one for one in singles if one.engine == engine], profile, key=lambda one: one.threads)
            for engine in {one.engine for one in singles}
        }
        first = by_engine.get(FIRST_ENGINE)
        fastest = min(by_engine.values(), key=lambda one: one.cost(profile))
        if first is None or not is_worth_another(first.cost(profile)):
            return first or fastest
        return fastest if fastest.cost(profile) <= _CLEARLY * first.cost(profile) else first


def _first_good(timings: Iterable[Timing], profile: str, *, key: Callable[[Timing], int]) -> Timing:
    """Return the first by `key` that no later one beats noticeably."""
    best, *others = sorted(timings, key=key)
    for one in others:
        if one.cost(profile) <= _NOTICEABLY * best.cost(profile):
            best = one
    return best


def is_worth_another(milliseconds: float) -> bool:
    """Return whether a model that takes so long for an example may be worth another engine than the first."""
    return milliseconds >= _LEAST_MS


def default_choice(facts: Description) -> Choice:
    """Return how a model is run of which nothing was measured here."""
    return Choice(chunk=_fitting(facts, _CACHE_BYTES))


def largest_chunk(facts: Description) -> int:
    """Return how many examples may be run at once without taking much memory; 1 where sizes are free."""
    return _fitting(facts, _MOST_BYTES)


def has_fixed_size(facts: Description) -> bool:
    """Return whether every input has but one size."""
    return not any(None in one.spec.item_shape for one in facts.inputs)


def _fitting(facts: Description, room: int) -> int:
    held = activation_bytes(facts)
    return 1 if held is None else max(1, min(CHUNK, room // max(1, held)))


def activation_bytes(facts: Description) -> int | None:
    """Return what one example holds while it is run, in bytes: the two largest outputs of layers, at a time.

    By the size of the inputs where the layers do not tell; None where sizes are free.
    """
    if not has_fixed_size(facts):
        return None
    known = sorted(layer.activation_bytes or 0 for layer in facts.layers or ())
    inputs = sum(4 * math.prod(axis or 1 for axis in one.spec.item_shape) for one in facts.inputs)
    return sum(known[-2:]) or _BYTES_PER_INPUT_BYTE * inputs
