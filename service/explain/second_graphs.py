"""Owns the second graphs that are loaded: on demand, few at a time, let go after a while that nobody asked."""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from service.engine.base import Arrays
from service.engine.litert import LiteRtEngine
from service.errors import BrokenModelError, MisfitError, ModelFailedError
from service.model.insight import output_names, weight_input, weighted_outputs
from service.repository.bundles import Bundle
from service.repository.seal import GraphSeal
from service.serving.admission import too_late
from service.serving.live_model import HELD_BYTES, LiveModel

MOST = 2
"""Graphs held at once; each holds its weights and the outputs of all layers."""
IDLE_SECONDS = 300.0
HELD_OUTPUTS = 2**26
"""Bytes that the outputs of all layers may take where a graph is held after a run: LiteRT keeps them with it."""
_DAMAGED = (
    "The second graph of the model {!r} was damaged on the server's disk; a restart of the server builds it again."
)


@dataclass(slots=True)
class SecondGraph:
    """One loaded second graph, into which one request at a time is let."""

    name: str
    engine: LiteRtEngine
    seal: GraphSeal
    is_mapped: bool
    used: float
    lock: threading.Lock = field(default_factory=threading.Lock)

    def run(self, inputs: Arrays, wanted: Sequence[str], *, deadline: float) -> dict[str, NDArray[Any]]:
        """Run the graph on one example; return what is wanted. Raises DeadlineExceededError, MisfitError."""
        if not self.lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise too_late()
        try:
            self._check_seal()
            return self.engine.run(inputs, only=wanted)
        except (RuntimeError, ValueError) as error:
            raise MisfitError(
                "The layers of the model cannot be run on an input of this size; send another."
            ) from error
        finally:
            self.lock.release()
            self._check_seal()

    def _check_seal(self) -> None:
        if self.is_mapped and self.seal.is_broken():
            raise ModelFailedError(_DAMAGED.format(self.name))


class SecondGraphs:
    """Those of one worker, by the folder of their bundle, the one used last at the end."""

    def __init__(self, *, idle_seconds: float = IDLE_SECONDS) -> None:
        self._idle_seconds = idle_seconds
        self._held: dict[Path, SecondGraph] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def of(self, model: LiveModel, *, deadline: float) -> SecondGraph:
        """Return the second graph of a model, loaded if need be; raises MisfitError where it has none."""
        if model.bundle is None or model.card.facts.insight.missing:
            raise MisfitError(model.card.facts.insight.missing or "The model was loaded without a bundle.")
        if not self._lock.acquire(timeout=max(0.0, deadline - time.monotonic())):
            raise too_late()
        try:
            graph = self._held.pop(model.bundle.path, None) or _load(model.card.name, model.bundle)
            graph.used = time.monotonic()
            self._held[model.bundle.path] = graph
            for path in list(self._held)[:-MOST]:
                del self._held[path]
            self._look_later()
        finally:
            self._lock.release()
        return graph

    def drop(self, graph: SecondGraph) -> None:
        """Let a graph go now rather than after a while."""
        with self._lock:
            self._held = {path: one for path, one in self._held.items() if one is not graph}

    def close(self) -> None:
        """Let all graphs go, and look after none any more."""
        with self._lock:
            self._held = {}
            if self._timer is not None:
                self._timer.cancel()

    def _look_later(self) -> None:
        if self._timer is None and self._held:
            self._timer = threading.Timer(self._idle_seconds, self._let_go)
            self._timer.daemon = True
            self._timer.start()

    def _let_go(self) -> None:
        """Drop what was not used for a while; what is at work goes when its request has ended."""
        with self._lock:
            limit = time.monotonic() - self._idle_seconds
            self._held = {path: graph for path, graph in self._held.items() if graph.used > limit}
            self._timer = None
            self._look_later()


def _load(name: str, bundle: Bundle) -> SecondGraph:
    facts = bundle.facts
    weighted = weighted_outputs([one.spec for one in facts.outputs]) if facts.insight.cams else {}
    try:
        seal = bundle.insight_seal()
        in_memory = seal.size <= HELD_BYTES
        engine = LiteRtEngine(
            bundle.insight_graph,
            inputs=[*(one.spec.name for one in facts.inputs), *map(weight_input, weighted)],
            outputs=output_names(facts.insight),
            in_memory=in_memory,
        )
    except (BrokenModelError, OSError) as error:
        raise ModelFailedError(_DAMAGED.format(name)) from error
    return SecondGraph(name, engine, seal, not in_memory, time.monotonic())
