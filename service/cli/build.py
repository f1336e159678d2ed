"""Owns `convoy build`."""

import sys

import click

from service.cli.options import (
    as_json,
    existing_models_dir,
    progress,
    read_settings,
    settings,
    store_and_limits,
)
from service.errors import BuildInterruptedError, ModelError
from service.repository.sources import Source, find_sources
from service.serving.local import open_model
from service.settings import Settings


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@settings("cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def build(models_dir: str | None, as_json: bool, **given: str | None) -> None:
    """Build bundles only, without a server; exit status 1 where a model could not be built.

    A bundle that is there already costs nothing.
    """
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    sources = find_sources(read.models_dir)
    if not sources:
        click.echo(f"{read.models_dir} holds no saved model.", err=True)
    results = [_built(source, read) for source in sorted(sources, key=lambda one: one.stamp.size)]
    if as_json:
        import orjson

        click.echo(orjson.dumps({"builds": results}, option=orjson.OPT_INDENT_2))
    if any(result["diagnosis"] for result in results):
        sys.exit(1)


def _built(source: Source, read: Settings) -> dict[str, object]:
    store, limits = store_and_limits(read)
    click.echo(f"{source.name} version {source.version} ({source.path.name})", err=True)
    try:
        if source.problem:
            raise ModelError(source.problem)
        model = open_model(source, store=store, limits=limits, progress=progress)
    except (ModelError, BuildInterruptedError) as error:
        click.echo(f"  failed: {error.message}", err=True)
        return {"name": source.name, "version": source.version, "fingerprint": None, "diagnosis": str(error)}
    verified = model.card.facts.verification[0]
    click.echo(
        f"  ready; differs from Keras by at most {verified.max_difference:.2g} ({verified.compared})",
        err=True,
    )
    return {
        "name": source.name,
        "version": source.version,
        "fingerprint": model.card.fingerprint,
        "diagnosis": None,
    }
