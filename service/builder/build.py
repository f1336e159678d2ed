"""Owns the order of a build: copy, scan, load, inspect, export, verify, write. Runs in the child process only."""

import hashlib
import importlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import service
from service.builder.join import joined
from service.builder.load import load_scanned
from service.builder.order import BuildOrder
from service.builder.program import Facts, Program
from service.builder.saved_model import load_saved_model, scan_saved_model
from service.builder.scan import ScanReport, scan_source
from service.builder.trusted import custom_objects
from service.builder.verify import make_probes, verify_litert
from service.errors import BuildInterruptedError
from service.model.description import Description, SourceFacts, Verification
from service.repository.bundle_files import GRAPH, write_bundle
from service.repository.bundles import fingerprint_of
from service.repository.saved import Saved, combined_sha256
from service.repository.sources import printable

Progress = Callable[[str], None]
_CHUNK = 2**20
_COPY = "source"


@dataclass(frozen=True, slots=True)
class Built:
    """A model whose bundle is written, as it was loaded: what its second graph is made of."""

    program: Program
    facts: Facts


def build(order: BuildOrder, *, progress: Progress, found: Callable[[ScanReport], None] = lambda _: None) -> Built:
    """Carry out a build order, all but the second graph; `found` is told what the scan saw.

    Raises ModelError with a diagnosis, NextLoader where another loader may do better, BuildInterruptedError where the
    files are no longer those that the fingerprint was taken of.
    """
    copy, sha256 = _private_copy(order.saved, order.staged / _COPY)
    if fingerprint_of(sha256) != order.fingerprint:
        raise BuildInterruptedError("The saved file changed while it was being read.")
    progress("scanning")
    custom = _custom_objects(order)
    path = joined(copy)
    scan, load = (scan_saved_model, load_saved_model) if copy.is_program else (scan_source, load_scanned)
    report = scan(path, trusted=frozenset(custom))
    found(report)
    program = load(path, report, order=order, custom=custom, progress=progress)
    facts, verification = _exported(program, report, order, progress)
    progress("writing the bundle")
    shutil.rmtree(order.staged / _COPY)
    origin = SourceFacts(
        file=printable(order.saved.path.name),
        bytes=report.size,
        sha256=sha256,
        written_by=report.written_with,
        loaded_by=program.loaded_by,
        repairs=program.repairs,
        trusted_code=order.trusted.name if order.trusted and report.needs_code else None,
    )
    description = _description(order, facts, origin, verification)
    write_bundle(order.staged, description, make_probes(program, inputs=facts.inputs))
    return Built(program, facts)


def _custom_objects(order: BuildOrder) -> dict[str, Any]:
    # The library takes seconds to import: where nothing is trusted, a file is scanned, and refused, without it.
    return custom_objects(order.trusted, library=importlib.import_module(order.loader)) if order.trusted else {}


def _exported(
    program: Program, report: ScanReport, order: BuildOrder, progress: Progress
) -> tuple[Facts, Verification]:
    progress("reading layers")
    facts = program.facts(loss=report.loss)
    progress("exporting to LiteRT")
    program.export(order.staged / GRAPH)
    progress("comparing with the model as loaded")
    return facts, verify_litert(program, order.staged / GRAPH, inputs=facts.inputs, outputs=facts.outputs)


def _private_copy(saved: Saved, folder: Path) -> tuple[Saved, str]:
    """Copy the source, so that what is scanned is what is loaded; return the copy and its SHA-256."""
    hashes = {name: _copied(path, folder / name) for name, path in saved.files.items()}
    if saved.is_program:
        return Saved(folder), combined_sha256(hashes)
    architecture = saved.architecture and folder / saved.architecture.name
    return Saved(folder / saved.path.name, architecture), combined_sha256(hashes)


def _copied(source: Path, copy: Path) -> str:
    copy.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with source.open("rb") as read, copy.open("wb") as write:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
            write.write(chunk)
    return digest.hexdigest()


def _description(order: BuildOrder, facts: Facts, source: SourceFacts, verification: Verification) -> Description:
    import keras
    import tensorflow

    return Description(
        name=order.name,
        version=order.version,
        inputs=facts.inputs,
        outputs=facts.outputs,
        layers=facts.layers,
        weights=facts.weights,
        summary=facts.summary,
        source=source,
        verification=(verification,),
        built_with={
            "convoy": service.__version__,
            "keras": keras.__version__,
            "tensorflow": tensorflow.__version__,
        },
    )
