"""Owns the metrics of what is there now: models and their states, the server, its worker processes."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

from prometheus_client.metrics_core import Metric

import service
from service.api.metrics.making import Labels, gauge
from service.metrics.counters import Counters
from service.model.card import ModelCard
from service.serving.live import LiveView, State
from service.serving.registry import Registry

_STATES: tuple[State, ...] = get_args(State)
_INFO = ("model", "version", "fingerprint", "format", "engine")


def living_families(registry: Registry, counters: Counters) -> Iterator[Metric]:
    """Yield the metrics of this moment, as the worker that is asked sees it."""
    view = registry.view
    yield gauge("convoy_info", "The server's version.", ("version",), [((service.__version__,), 1)])
    yield gauge("convoy_ready", "1 once every model that was there at start is live.", (), [((), int(view.ready))])
    yield gauge(
        "convoy_model_state", "1 for the state that a version is in.", ("model", "version", "state"), _states(view)
    )
    cards = [model.card for name in view.models for model in registry.loaded(name)]
    infos = [(_info(card), 1.0) for card in cards]
    yield gauge("convoy_model_info", "1 for each live version: what it is.", _INFO, infos)
    yield from _processes(counters.living())


def _states(view: LiveView) -> list[tuple[Labels, float]]:
    return [
        ((name, str(version), state), int(found.state == state))
        for name, versions in view.models.items()
        for version, found in versions.items()
        for state in _STATES
    ]


def _info(card: ModelCard) -> Labels:
    kind = Path(card.facts.source.file).suffix.lstrip(".") or "saved_model"
    return card.name, str(card.version), card.fingerprint, kind, card.engine


def _processes(living: list[int]) -> Iterator[Metric]:
    yield gauge("convoy_workers", "Workers that live.", (), [((), len(living))])
    found = [((str(pid),), _resident_bytes(pid)) for pid in living]
    yield gauge(
        "convoy_worker_resident_bytes",
        "Memory of a worker process.",
        ("pid",),
        [(labels, size) for labels, size in found if size is not None],
    )


def _resident_bytes(pid: int) -> int | None:
    """Return a process's resident memory, None where it cannot be read (it has ended, or this is no Linux)."""
    try:
        pages = Path(f"/proc/{pid}/statm").read_text("ascii").split()[1]
    except OSError:
        return None
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
