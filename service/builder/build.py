"""Owns the order of a build: copy, scan, load, inspect, export, verify, write. Runs in the child process only."""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import service
from service.builder.export import export_litert
from service.builder.inspect import input_facts, layers_of, output_facts, output_layers
from service.builder.load import load_scanned
from service.builder.scan import ScanReport, scan_source
from service.builder.verify import make_probes, verify_litert
from service.errors import BuildInterruptedError
from service.model.description import Description, SourceFacts, Verification
from service.repository.bundles import GRAPH, fingerprint_of, write_bundle

_CHUNK = 2**20
_COPY = "source"


def build(
    source: Path, staged: Path, *, name: str, version: int, fingerprint: str, progress: Callable[[str], None]
) -> Description:
    """Build `source` into the folder `staged`; return what was read off it.

    Raises ModelError with a diagnosis, BuildInterruptedError where the file is no longer the one that
    `fingerprint` was taken of.
    """
    copy, sha256 = _private_copy(source, staged)
    if fingerprint_of(sha256) != fingerprint:
        raise BuildInterruptedError("The saved file changed while it was being read.")
    progress("scanning")
    report = scan_source(copy)
    progress("loading with Keras")
    model, loaded_by = load_scanned(copy, report)
    progress("reading layers")
    facts = describe(model, report, name=name, version=version)
    progress("exporting to LiteRT")
    export_litert(model, staged / GRAPH)
    progress("comparing with Keras")
    verification = verify_litert(
        model, staged / GRAPH, inputs=facts.inputs, outputs=facts.outputs, layers=output_layers(model)
    )
    progress("writing the bundle")
    shutil.rmtree(staged / _COPY)
    origin = SourceFacts(source.name, report.size, sha256, report.written_with, loaded_by)
    facts = _completed(facts, origin, verification)
    write_bundle(staged, facts, make_probes(model, inputs=facts.inputs, outputs=facts.outputs))
    return facts


def describe(model: Any, report: ScanReport, *, name: str, version: int) -> Description:
    """Return what can be read off a loaded model; source and verification are still blank."""
    inputs = input_facts(model)
    return Description(
        name=name,
        version=version,
        inputs=inputs,
        outputs=output_facts(model, loss=report.loss),
        layers=layers_of(model, order=inputs[0].order),
        summary=_summary(model),
        source=SourceFacts("", report.size, "", report.written_with, ""),
    )


def _private_copy(source: Path, staged: Path) -> tuple[Path, str]:
    """Copy the source, so that what is scanned is what is loaded; return the copy and its SHA-256."""
    copy = staged / _COPY / source.name
    copy.parent.mkdir()
    digest = hashlib.sha256()
    with source.open("rb") as read, copy.open("wb") as write:
        while chunk := read.read(_CHUNK):
            digest.update(chunk)
            write.write(chunk)
    return copy, digest.hexdigest()


def _summary(model: Any) -> str:
    lines: list[str] = []
    model.summary(print_fn=lines.append, expand_nested=True, line_length=88)
    return "\n".join(lines)


def _completed(facts: Description, source: SourceFacts, verification: Verification) -> Description:
    import keras
    import tensorflow

    return Description(
        name=facts.name,
        version=facts.version,
        inputs=facts.inputs,
        outputs=facts.outputs,
        layers=facts.layers,
        summary=facts.summary,
        source=source,
        verification=(verification,),
        built_with={
            "convoy": service.__version__,
            "keras": keras.__version__,
            "tensorflow": tensorflow.__version__,
        },
    )
