"""Owns one loaded model: its card, its engine, and the lock that lets one request at a time into the engine."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays, Engine
from service.engine.litert import LiteRtEngine
from service.errors import BrokenModelError, DisagreementError, MisfitError, ModelNotReadyError
from service.model.agreement import largest_difference
from service.model.card import ModelCard, compose_card
from service.model.sidecar import Sidecar
from service.repository.bundles import Bundle
from service.repository.seal import GraphSeal
from service.serving.admission import check_deadline, too_late
from service.serving.live import ModelKey

CHUNK = 32
"""Examples run at once; LiteRT gives the same numbers whatever the chunk."""
WARM_BATCH = 1
HELD_BYTES = 16 * 2**20
"""Graphs up to this are read into memory, out of reach of whatever befalls the file; larger ones are mapped, which all
workers share, and watched."""
_RELOAD_SECONDS = 2


@dataclass(frozen=True, slots=True)
class LiveModel:
    """A loaded, warmed model. Requests that hold it keep it alive; the last one to let go unloads it."""

    card: ModelCard
    engine: Engine
    lock: threading.Lock = field(default_factory=threading.Lock)
    seal: GraphSeal | None = None

    @property
    def key(self) -> ModelKey:
        """Return the model's name and version."""
        return self.card.name, self.card.version

    @property
    def is_spoilt(self) -> bool:
        """Return whether its graph, which the engine may read at any time, was written to since it was loaded."""
        return self.seal is not None and self.seal.is_broken()

    def run(self, inputs: Arrays, *, deadline: float) -> tuple[dict[str, NDArray[Any]], float]:
        """Run a batch of any size in chunks; return outputs by name and the seconds spent waiting.

        `deadline` is a `time.monotonic()` value; raises DeadlineExceededError where it passes between chunks.
        """
        parts: list[dict[str, NDArray[Any]]] = []
        waited = 0.0
        size = len(next(iter(inputs.values())))
        for start in range(0, size, CHUNK):
            if start:
                check_deadline(deadline)
            chunk = {name: array[start : start + CHUNK] for name, array in inputs.items()}
            waited += self._enter(deadline)
            try:
                parts.append(self._run_chunk(chunk))
            finally:
                self.lock.release()
        return joined(parts), waited

    def _run_chunk(self, chunk: Arrays) -> dict[str, NDArray[Any]]:
        self._check_seal()
        try:
            outputs = self._outputs(chunk)
        finally:
            self._check_seal()  # written to meanwhile: neither an answer nor an error is worth anything
        return outputs

    def _check_seal(self) -> None:
        if self.is_spoilt:
            raise ModelNotReadyError(
                f"The files of the model {self.card.name!r} were damaged on the server's disk; try again in a moment, "
                "it is loaded or built again.",
                retry_after=_RELOAD_SECONDS,
            )

    def _outputs(self, chunk: Arrays) -> dict[str, NDArray[Any]]:
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


def joined(parts: Sequence[Arrays]) -> dict[str, NDArray[Any]]:
    """Return arrays by name as one batch, those of each part in turn; what is alone is not copied."""
    if len(parts) == 1:
        return dict(parts[0])
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def load_model(bundle: Bundle, sidecar: Sidecar, version: int, fingerprint: str) -> LiveModel:
    """Load a bundle, check that its probes come out on this CPU, and warm it.

    Raises SidecarError where the sidecar does not fit, BrokenModelError where the bundle is damaged,
    DisagreementError where this CPU gives other numbers than Keras gave when it was built.
    """
    facts = bundle.facts
    card = compose_card(facts, sidecar, version=version, fingerprint=fingerprint, engine=LiteRtEngine.name)
    seal = bundle.seal()
    in_memory = seal.size <= HELD_BYTES
    engine = LiteRtEngine(
        bundle.graph,
        inputs=[one.spec.name for one in facts.inputs],
        outputs=[one.spec.name for one in facts.outputs],
        in_memory=in_memory,
    )
    _check_probes(engine, bundle)
    if not bundle.is_untouched():
        raise BrokenModelError("The bundle was changed while it was loaded; it will be built again.")
    return LiveModel(card, engine, seal=None if in_memory else seal)


def relabelled(model: LiveModel, sidecar: Sidecar) -> LiveModel:
    """Return the same loaded engine under a card made with another sidecar."""
    old = model.card
    card = compose_card(old.facts, sidecar, version=old.version, fingerprint=old.fingerprint, engine=old.engine)
    return LiveModel(card, model.engine, model.lock, model.seal)


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
