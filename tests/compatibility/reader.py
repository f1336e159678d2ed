"""Owns reading: one saved file through Convoy's builder and engine, and what is wrong with what came of it."""

import json
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from service.builder.process import BuildLimits
from service.errors import BuildInterruptedError, ModelError
from service.model.card import ModelCard
from service.model.head import to_class_values
from service.repository.bundles import BundleStore
from service.repository.sources import Source, find_sources
from service.serving.live_model import LiveModel
from service.serving.local import open_model
from tests.compatibility.catalogue import (
    Architecture,
    Format,
    keeps_loss,
    models_folder,
    predictions_file,
    saved_path,
)
from tests.compatibility.writer import REPORT

ALLOWED = 1e-5
"""How far a probability may be from what the writer predicted; logits are made probabilities first."""
_LIMITS = BuildLimits(seconds=300, memory=8 * 2**30, allow_saved_model=True)
_SECONDS = 60

Build = Callable[[Source, BundleStore], None]


@dataclass(frozen=True, slots=True)
class Cell:
    """What came of one file: `faults` are empty where all is as it must be.

    `difference` is to the writer's own predictions; `exported` that of the graph to the Keras that loaded the
    file, as a share of what the builder allows; both None where it was not read. `unwritten` says why the
    writer could not save it.
    """

    writer: str
    form: Format
    architecture: str
    loaded_by: str = ""
    repairs: tuple[str, ...] = ()
    head: str = ""
    difference: float | None = None
    exported: float | None = None
    faults: tuple[str, ...] = ()
    unwritten: str = ""


@dataclass(frozen=True, slots=True)
class Written:
    """One writer's folder of files, with the report it left there."""

    writer: str
    folder: Path

    @property
    def report(self) -> dict[str, Any]:
        """Return the versions, and for each architecture its parameters, its formats and those that failed."""
        found: dict[str, Any] = json.loads((self.folder / REPORT).read_text(encoding="utf-8"))
        return found


def read(written: Written, form: Format, name: str, architecture: Architecture, *, build: Build | None = None) -> Cell:
    """Read one file; whatever goes wrong is in the cell. `build` builds it, by default the real child process does."""
    blank = Cell(written.writer, form, name)
    said = written.report["architectures"][name]
    if form in said["failures"]:
        return replace(blank, unwritten=said["failures"][form])
    try:
        with tempfile.TemporaryDirectory(prefix="convoy-compatibility-") as cache:
            live = opened(models_folder(written.folder, form), name, Path(cache), build=build)
            difference = distance(live, architecture, predictions_file(written.folder, name))
    except (ModelError, BuildInterruptedError) as error:
        return replace(blank, faults=(f"{type(error).__name__}: {error}",))
    head = architecture.head_found(with_loss=keeps_loss(saved_path(written.folder, form, name)))
    wrong = list(faults(live.card, architecture, head=head, parameters=said["parameters"]))
    if difference > ALLOWED:
        wrong.append(f"differs from its writer by {difference:.2g}")
    return _filled(blank, live.card, difference=difference, faults=tuple(wrong))


def _filled(cell: Cell, card: ModelCard, *, difference: float, faults: tuple[str, ...]) -> Cell:
    return replace(
        cell,
        loaded_by=card.facts.source.loaded_by,
        repairs=card.facts.source.repairs,
        head=card.outputs[0].head,
        difference=difference,
        exported=card.facts.verification[0].max_relative,
        faults=faults,
    )


def opened(models: Path, name: str, cache: Path, *, build: Build | None = None) -> LiveModel:
    """Build one model of a models folder, in the real child process by default, and load it; raises ModelError."""
    (source,) = (one for one in find_sources(models) if one.name == name)
    if source.problem:
        raise ModelError(source.problem)
    store = BundleStore(cache)
    if build is not None:
        build(source, store)
    return open_model(source, store=store, limits=_LIMITS, progress=lambda step: None)


def distance(live: LiveModel, architecture: Architecture, predictions: Path) -> float:
    """Return how far the served probabilities are from the writer's own at most; infinity for another shape."""
    stored = dict(np.load(predictions))
    expected = stored.pop("predictions")
    # NOTE: by shape, not by name: a SavedModel names its inputs as it likes.
    by_shape = {architecture.inputs[name]: array for name, array in stored.items()}
    fed = {one.spec.name: by_shape[one.spec.item_shape] for one in live.card.inputs}
    (found,) = live.run(fed, deadline=time.monotonic() + _SECONDS)[0].values()
    if found.shape != expected.shape:
        return float("inf")
    values = [to_class_values(outputs, architecture.head) for outputs in (found, expected)]
    return float(np.abs(values[0] - values[1]).max())


def faults(card: ModelCard, architecture: Architecture, *, head: str, parameters: int) -> Iterator[str]:
    """Yield in words what a card says otherwise than the architecture; what Keras 3 exports has no layers to show."""
    output = card.outputs[0]
    yield from _unequal("head", output.head, head)
    yield from _unequal("classes", len(output.labels), architecture.classes)
    inputs = {one.spec.name: one.spec.item_shape for one in card.inputs}
    if not card.facts.layers:
        yield from _unequal("input shapes", {*inputs.values()}, {*architecture.inputs.values()})
        return
    yield from _unequal("inputs", list(inputs.items()), list(architecture.inputs.items()))
    weighted = sum(1 for layer in card.facts.layers if layer.parameters)
    yield from _unequal("layers with weights", weighted, architecture.weighted)
    yield from _unequal("parameters", card.facts.parameters, parameters)


def _unequal(what: str, found: object, expected: object) -> Iterator[str]:
    if found != expected:
        yield f"{what}: {found} instead of {expected}"
