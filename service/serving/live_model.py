"""Owns one loaded model: its card, its engine, and the lock that lets one request at a time into the engine."""

import threading
import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays, Engine
from service.engine.litert import LiteRtEngine
from service.errors import BrokenModelError, DisagreementError, MisfitError
from service.model.agreement import largest_difference
from service.model.card import ModelCard, compose_card
from service.model.sidecar import Sidecar
from service.repository.bundles import Bundle
from service.serving.admission import too_late

CHUNK = 32
"""Examples run at once; LiteRT gives the same numbers whatever the chunk."""
WARM_BATCH = 1


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A loaded, warmed model. Requests that hold it keep it alive; the last one to let go unloads it."""

    card: ModelCard
    engine: Engine
    lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def key(self) -> tuple[str, int]:
        """Return the model's name and version."""
        return self.card.name, self.card.version

    def run(self, inputs: Arrays, *, deadline: float) -> tuple[dict[str, NDArray[Any]], float]:
        """Run a batch of any size in chunks; return outputs by name and the seconds spent waiting.

        `deadline` is a `time.monotonic()` value; raises DeadlineExceededError where it passes between chunks.
        """
        parts: list[dict[str, NDArray[Any]]] = []
        waited = 0.0
        size = len(next(iter(inputs.values())))
        for start in range(0, size, CHUNK):
            chunk = {name: array[start : start + CHUNK] for name, array in inputs.items()}
            waited += self._enter(deadline)
            try:
                parts.append(self._run_chunk(chunk))
            finally:
                self.lock.release()
        return _joined(parts), waited

    def _run_chunk(self, chunk: Arrays) -> dict[str, NDArray[Any]]:
        try:
            return self.engine.run(chunk)
        except (RuntimeError, ValueError) as error:
            if not any(None in one.spec.item_shape for one in self.card.inputs):
                raise
            shapes = ", ".join(f"{name} {list(array.shape[1:])}" for name, array in chunk.items())
            raise MisfitError(
                f"The model cannot run on an input of this size ({shapes}); send a larger one."
            ) from error

    def _enter(self, deadline: float) -> float:
        began = time.monotonic()
        if began > deadline or not self.lock.acquire(timeout=max(0.0, deadline - began)):
            raise too_late()
        return time.monotonic() - began


def _joined(parts: list[dict[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    if len(parts) == 1:
        return parts[0]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def load_model(bundle: Bundle, sidecar: Sidecar, version: int, fingerprint: str) -> LiveModel:
    """Load a bundle, check that its probes come out on this CPU, and warm it.

    Raises SidecarError where the sidecar does not fit, BrokenModelError where the bundle is damaged,
    DisagreementError where this CPU gives other numbers than Keras gave when it was built.
    """
    facts = bundle.facts
    card = compose_card(facts, sidecar, version=version, fingerprint=fingerprint, engine=LiteRtEngine.name)
    engine = LiteRtEngine(
        bundle.graph,
        inputs=[one.spec.name for one in facts.inputs],
        outputs=[one.spec.name for one in facts.outputs],
    )
    _check_probes(engine, bundle)
    return LiveModel(card, engine)


def relabelled(model: LiveModel, sidecar: Sidecar) -> LiveModel:
    """Return the same loaded engine under a card made with another sidecar."""
    old = model.card
    card = compose_card(old.facts, sidecar, version=old.version, fingerprint=old.fingerprint, engine=old.engine)
    return LiveModel(card, model.engine, model.lock)


def _check_probes(engine: Engine, bundle: Bundle) -> None:
    probes = bundle.probes()
    try:
        found = engine.run(probes.inputs)
        engine.run({name: array[:WARM_BATCH] for name, array in probes.inputs.items()})
    except (RuntimeError, ValueError, KeyError) as error:
        raise BrokenModelError("The bundle's graph cannot be run; it will be built again.") from error
    difference = largest_difference(found, probes.outputs)
    if not difference.is_allowed:
        raise DisagreementError(
            "On this CPU the bundle does not give the outputs Keras gave when it was built: they differ by "
            f"{difference.absolute:.3g}. Delete it from the cache and build it here."
        )
