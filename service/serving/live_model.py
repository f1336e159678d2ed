"""Owns one loaded model: its card, its engine, and the lock that lets one request at a time into the engine."""

import logging
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays, Engine
from service.engine.engines import open_engine
from service.errors import BrokenModelError, DisagreementError, MisfitError, ModelNotReadyError
from service.model.agreement import largest_difference
from service.model.card import ModelCard, compose_card
from service.model.regions.cost import bytes_per_number
from service.model.sidecar import Sidecar
from service.model.tuning import CHUNK as CHUNK
from service.model.tuning import FIRST_ENGINE, Choice, default_choice
from service.repository.bundles import Bundle
from service.repository.seal import GraphSeal
from service.serving.admission import check_deadline, too_late
from service.serving.free_size import KEPT_BYTES, MOST_BYTES, check_items
from service.serving.live import ModelKey

log = logging.getLogger(__name__)

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
    bundle: Bundle | None = None
    """Where it was loaded from: its second graph is loaded on demand."""
    choice: Choice = Choice()
    """How it is to be run. `card.engine` is the engine that it has, where the one chosen could not be had."""

    bytes_per_number: float = field(init=False)
    """What a run takes for each number of an example, of a model of free size; 0 for others."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bytes_per_number", bytes_per_number(self.card.facts))

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

        The engine gives the same numbers whatever the chunk.
        `deadline` is a `time.monotonic()` value; raises DeadlineExceededError where it passes between chunks, and
        TooLargeError where an example would take too much memory.
        """
        parts: list[dict[str, NDArray[Any]]] = []
        waited = 0.0
        size = len(next(iter(inputs.values())))
        cost = self._bytes_of_one(inputs)
        rows = self.choice.chunk if cost * self.choice.chunk <= MOST_BYTES else max(1, int(MOST_BYTES / cost))
        for start in range(0, size, rows):
            if start:
                check_deadline(deadline)
            chunk = {name: array[start : start + rows] for name, array in inputs.items()}
            waited += self._enter(deadline)
            try:
                parts.append(self._run_chunk(chunk))
            finally:
                if cost * min(rows, size) > KEPT_BYTES:
                    self.engine.release()
                self.lock.release()
        return joined(parts), waited

    def _bytes_of_one(self, inputs: Arrays) -> float:
        if not self.bytes_per_number:
            return 0.0
        items = {name: array.shape[1:] for name, array in inputs.items()}
        return check_items(items, bytes_per_number=self.bytes_per_number)

    def runs_of(self, rows: int) -> tuple[tuple[int, int], ...]:
        """Return how a batch of so many rows is run: pairs of the rows of a chunk and how many there are of it."""
        whole, rest = divmod(rows, self.choice.chunk)
        return tuple(run for run in ((self.choice.chunk, whole), (rest, 1)) if all(run))

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


def load_model(
    bundle: Bundle, sidecar: Sidecar, version: int, fingerprint: str, choice: Choice | None = None
) -> LiveModel:
    """Load a bundle as `choice` or the default has it, check that its probes come out on this CPU, and warm it.

    Raises SidecarError where the sidecar does not fit, BrokenModelError where the bundle is damaged,
    DisagreementError where this CPU gives other numbers than Keras gave when it was built.
    """
    facts = bundle.facts
    choice = choice or default_choice(facts)
    card = compose_card(facts, sidecar, version=version, fingerprint=fingerprint, engine=choice.engine)
    seal = bundle.seal()
    in_memory = seal.size <= HELD_BYTES
    engine = _chosen_engine(bundle, choice, in_memory=in_memory)
    if not bundle.is_untouched():
        raise BrokenModelError("The bundle was changed while it was loaded; it will be built again.")
    card = replace(card, engine=engine.name)
    return LiveModel(card, engine, seal=None if in_memory else seal, bundle=bundle, choice=choice)


def relabelled(model: LiveModel, sidecar: Sidecar) -> LiveModel:
    """Return the same loaded engine under a card made with another sidecar."""
    old = model.card
    card = compose_card(old.facts, sidecar, version=old.version, fingerprint=old.fingerprint, engine=old.engine)
    return replace(model, card=card)


def rechosen(model: LiveModel, choice: Choice) -> LiveModel | None:
    """Return the same loaded engine, run in chunks of another size; None where another engine has to be loaded."""
    if (choice.engine, choice.threads) != (model.choice.engine, model.choice.threads):
        return None
    return replace(model, choice=choice)


def _chosen_engine(bundle: Bundle, choice: Choice, *, in_memory: bool) -> Engine:
    """Return a loaded engine that gives the probes: the chosen one, or the first where that one does not."""
    if choice.engine != FIRST_ENGINE:
        try:
            return _proved_engine(bundle, choice, in_memory=in_memory)
        except Exception as error:  # noqa: BLE001 - what may make a model faster never keeps it from being served
            log.warning("%s cannot be run with %s: %s", bundle.facts.name, choice.engine, error)
            choice = replace(choice, engine=FIRST_ENGINE)
    return _proved_engine(bundle, choice, in_memory=in_memory)


def _proved_engine(bundle: Bundle, choice: Choice, *, in_memory: bool) -> Engine:
    engine = open_engine(
        choice.engine,
        bundle.graph,
        inputs=[one.spec.name for one in bundle.facts.inputs],
        outputs=[one.spec.name for one in bundle.facts.outputs],
        threads=choice.threads,
        in_memory=in_memory,
    )
    _check_probes(engine, bundle)
    return engine


def _check_probes(engine: Engine, bundle: Bundle) -> None:
    """Check the probes one by one, as most requests come: so that a net of many megabytes is laid out but once."""
    probes = bundle.probes()
    count = len(next(iter(probes.inputs.values())))
    try:
        found = joined(
            [engine.run({name: array[row : row + 1] for name, array in probes.inputs.items()}) for row in range(count)]
        )
    except (RuntimeError, ValueError, KeyError) as error:
        raise BrokenModelError("The bundle's graph cannot be run; it will be built again.") from error
    difference = largest_difference(found, probes.outputs)
    if not difference.is_allowed:
        raise DisagreementError(
            "On this CPU the bundle does not give the outputs Keras gave when it was built: they differ by "
            f"{difference.absolute:.3g}. Delete it from the cache and build it here."
        )
