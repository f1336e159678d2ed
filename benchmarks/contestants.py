"""Owns who is compared: how each server is started, where it takes a picture, and how its answer is read."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.samples import Answer

ROOT = Path(__file__).resolve().parent.parent
THREADS = 4


@dataclass(frozen=True, slots=True)
class Workplace:
    """What a run is made with: a models folder that holds `mnist` alone, its bundle, one picture, the worker count."""

    models: Path
    cache: Path
    picture: bytes
    picture_file: Path
    workers: int

    @property
    def saved(self) -> Path:
        """Return the saved model's file."""
        return self.models / "mnist" / "1" / "model.keras"


@dataclass(frozen=True, slots=True)
class Contestant:
    """One server: `command(workplace, port)` starts it, pictures are posted to `path`, `read` takes its JSON."""

    name: str
    path: str
    command: Callable[[Workplace, int], Sequence[str]]
    read: Callable[[Any], Answer]


def convoy_command(workplace: Workplace, port: int) -> list[str]:
    """Return `convoy serve` as a user types it, with the threads it has by default."""
    return [
        *(sys.executable, "-m", "service.cli", "serve", str(workplace.models)),
        *("--cache-dir", str(workplace.cache), "--port", str(port), "--workers", str(workplace.workers)),
    ]


def build_command(workplace: Workplace) -> list[str]:
    """Return the command that makes the bundle."""
    return [
        *(sys.executable, "-m", "service.cli", "build", str(workplace.models)),
        *("--cache-dir", str(workplace.cache)),
    ]


def _baseline_command(kind: str) -> Callable[[Workplace, int], list[str]]:
    def command(workplace: Workplace, port: int) -> list[str]:
        return [
            *(sys.executable, "-m", "gunicorn", "--worker-class", "gthread", "--no-control-socket"),
            *("--workers", str(workplace.workers), "--threads", str(THREADS), "--timeout", "120"),
            *("--bind", f"127.0.0.1:{port}", f"benchmarks.baseline:create_app({kind!r}, {str(workplace.saved)!r})"),
        ]

    return command


def _read_convoy(body: Any) -> Answer:
    first = body["predictions"][0]
    return Answer(first["label"], tuple(first["probabilities"]))


def _read_baseline(body: Any) -> Answer:
    return Answer(body["label"], tuple(body["probabilities"]))


CONVOY = Contestant("Convoy", "/api/models/mnist/predict", convoy_command, _read_convoy)
PREDICT = Contestant("Flask + model.predict", "/predict", _baseline_command("predict"), _read_baseline)
FUNCTION = Contestant("Flask + tf.function", "/predict", _baseline_command("function"), _read_baseline)
CONTESTANTS = (CONVOY, PREDICT, FUNCTION)
