"""Owns the rounds: every contestant's server is started anew in turn, A B C A B C …, timed, loaded, weighed, ended.

A round's servers follow one another and never run together, so that what else the machine does hits all alike.
"""

import math
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.contestants import CONTESTANTS, Contestant, Workplace
from benchmarks.exchange import first_answer, free_port
from benchmarks.load import PYTHON, Target, apply_load
from benchmarks.processes import (
    ChildFailedError,
    cpu_seconds,
    last_lines,
    memory_of,
    running,
    workers_of,
)
from benchmarks.samples import Answer, Measured, Sample

CONNECTIONS = (1, 8, 32)
_WARM_CONNECTIONS = 16
_WARM_SECONDS = 0.5
_QUIET_SECONDS = 0.2
_QUIET_SHARE = 0.1
_QUIET_DEADLINE = 20.0
_AGREE = 1e-3


@dataclass(frozen=True, slots=True)
class Plan:
    """How a run goes: `say` is told what happens."""

    rounds: int
    seconds: float
    generator: str
    with_load: bool
    say: Callable[[str], None]


def play(workplace: Workplace, plan: Plan) -> list[Sample]:
    """Play all rounds; raises ChildFailedError where a server fails or answers differ."""
    samples: list[Sample] = []
    answers: dict[str, Answer] = {}
    for number in range(1, plan.rounds + 1):
        for contestant in CONTESTANTS:
            plan.say(f"round {number}/{plan.rounds}: {contestant.name}")
            sample, answers[contestant.name] = _sample(contestant, number, workplace, plan)
            samples.append(sample)
        check_agreement(answers)
    return samples


def check_agreement(answers: dict[str, Answer]) -> None:
    """Raise ChildFailedError unless all answers have one label and nearly the same probabilities."""
    (first_name, first), *others = answers.items()
    for name, answer in others:
        pairs = zip(first.probabilities, answer.probabilities, strict=True)
        if answer.label != first.label or max(abs(a - b) for a, b in pairs) > _AGREE:
            raise ChildFailedError(f"{name} answers {answer.label!r} where {first_name} answers {first.label!r}.")


def _sample(contestant: Contestant, number: int, workplace: Workplace, plan: Plan) -> tuple[Sample, Answer]:
    with tempfile.TemporaryFile() as log:
        try:
            port = free_port()
            began = time.perf_counter()
            with running(contestant.command(workplace, port), log=log) as process:
                answer = first_answer(contestant, port, workplace.picture, is_alive=lambda: process.poll() is None)
                start = time.perf_counter() - began
                target = Target(port, contestant.path, workplace.picture, workplace.picture_file)
                loads = _loads(target, process, plan) if plan.with_load else ()
                memory = tuple(memory_of(pid) for pid in workers_of(process))
        except (ChildFailedError, OSError, ValueError) as error:
            log.seek(0)
            shown = last_lines(log.read().decode("utf-8", "replace"))
            raise ChildFailedError(f"{contestant.name}: {error}\n{shown}") from error
    return Sample(contestant.name, number, start, loads, memory), answer


def _loads(target: Target, process: subprocess.Popen[bytes], plan: Plan) -> tuple[Measured, ...]:
    _await_quiet(process)  # the other workers may still be loading
    apply_load(target, connections=_WARM_CONNECTIONS, seconds=_WARM_SECONDS, by=PYTHON)
    return tuple(_measured(target, process, plan, connections) for connections in CONNECTIONS)


def _measured(target: Target, process: subprocess.Popen[bytes], plan: Plan, connections: int) -> Measured:
    _await_quiet(process)
    before = _cpu(process)
    load = apply_load(target, connections=connections, seconds=plan.seconds, by=plan.generator)
    after = _cpu(process)
    used = [after[pid] - before.get(pid, 0.0) for pid in after]
    return Measured(connections, load, *_shares(used, load.requests))


def _shares(used: Sequence[float], requests: int) -> tuple[float, float]:
    total = sum(used)
    if not total or not requests:
        return math.nan, math.nan
    return total * 1000 / requests, max(used) / total


def _cpu(process: subprocess.Popen[bytes]) -> dict[int, float]:
    return {pid: cpu_seconds(pid) for pid in workers_of(process)}


def _await_quiet(process: subprocess.Popen[bytes]) -> None:
    """Wait until the workers hardly use the processor."""
    deadline = time.monotonic() + _QUIET_DEADLINE
    while time.monotonic() < deadline:
        before = sum(_cpu(process).values())
        time.sleep(_QUIET_SECONDS)
        if sum(_cpu(process).values()) - before < _QUIET_SECONDS * _QUIET_SHARE:
            return
