"""Owns `convoy models` and `convoy layers`: tables of what is there."""

from typing import Any

import click
import orjson

from service.cli.options import (
    as_json,
    existing_models_dir,
    progress,
    read_settings,
    settings,
    store_and_limits,
)
from service.cli.table import table
from service.model.hints import hints_of
from service.model.stack import maps_to_vector_text
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources
from service.serving.local import bundle_of, source_of


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@settings("cache_dir", "bundles_dir")
@as_json()
def models(models_dir: str | None, as_json: bool, **given: str | None) -> None:
    """List the saved models of a folder and whether each is built."""
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    store, _ = store_and_limits(read)
    rows = [_row(source, store) for source in find_sources(read.models_dir)]
    if as_json:
        click.echo(orjson.dumps({"models": rows}, option=orjson.OPT_INDENT_2))
        return
    click.echo(table(["name", "version", "file", "state"], [list(row.values()) for row in rows]))


def _row(source: Source, store: BundleStore) -> dict[str, Any]:
    return {
        "name": source.name,
        "version": source.version,
        "file": source.path.name,
        "state": _state(source, store),
    }


def _state(source: Source, store: BundleStore) -> str:
    if source.problem:
        return f"failed: {source.problem}"
    fingerprint = fingerprint_of(sha256_of(source.saved))
    if store.find(source.name, fingerprint):
        return "built"
    diagnosis = store.diagnosis(source.name, fingerprint)
    return f"failed: {diagnosis}" if diagnosis else "not built yet"


@click.command()
@click.argument("target", metavar="FILE|NAME")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def layers(target: str, as_json: bool, **given: str | None) -> None:
    """Show every layer of a model (type, output shape, parameters, receptive field) and what a look at them tells."""
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    bundle, _ = bundle_of(source_of(target, read.models_dir), store, limits, progress)
    found = bundle.facts.layers
    if as_json:
        full = None if found is None else [layer.full() for layer in found]
        click.echo(orjson.dumps({"layers": full}, option=orjson.OPT_INDENT_2))
        return
    if found is None:
        click.echo(bundle.facts.summary)
        return
    rows = [
        [one.name, one.type, _shape(one.output_shape), f"{one.parameters:,}", _field(one.receptive_field)]
        for one in found
    ]
    click.echo(table(["layer", "type", "output shape", "parameters", "sees"], rows))
    click.echo(f"\n{bundle.facts.parameters:,} parameters")
    for line in (maps_to_vector_text(found), *(f"hint: {one}" for one in hints_of(bundle.facts, {}))):
        click.echo(line)


def _shape(shape: Any) -> str:
    if shape and isinstance(shape[0], tuple):
        return " + ".join(map(_shape, shape))
    return "x".join("?" if axis is None else str(axis) for axis in (shape or ())[1:])


def _field(field: tuple[int, int] | None) -> str:
    return "" if field is None else f"{field[0]}x{field[1]}"
