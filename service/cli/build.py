"""Owns `convoy build`."""

import sys
from pathlib import Path

import click

from service.cli.options import (
    as_json,
    existing_models_dir,
    progress,
    read_settings,
    settings,
    store_and_limits,
)
from service.errors import BuildInterruptedError, ConvoyError, CustomCodeError, ModelError, SettingsError
from service.repository.sources import Source, find_sources
from service.serving.local import open_model
from service.settings import Settings


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@settings("cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@click.option(
    "--trust-code",
    metavar="FILE.py",
    help="Python file that defines your own layers and functions: it is run here and now, to build. A server then "
    "serves the bundle and never runs it.",
)
@as_json()
def build(models_dir: str | None, trust_code: str | None, as_json: bool, **given: str | None) -> None:
    """Build bundles only, without a server; exit status 1 where a model could not be built.

    A bundle that is there already costs nothing, unless it was built with --trust-code and that is given again.
    """
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    trusted = None if trust_code is None else _python_file(trust_code)
    sources = find_sources(read.models_dir)
    if not sources:
        click.echo(f"{read.models_dir} holds no saved model.", err=True)
    results = [_built(source, read, trusted) for source in sorted(sources, key=lambda one: one.stamp.size)]
    if as_json:
        import orjson

        click.echo(orjson.dumps({"builds": results}, option=orjson.OPT_INDENT_2))
    if any(result["diagnosis"] for result in results):
        sys.exit(1)


def _python_file(name: str) -> Path:
    path = Path(name).absolute()
    if path.suffix != ".py" or not path.is_file():
        raise SettingsError(f"--trust-code {name} is no Python file; name the .py file that defines your layers.")
    return path


def _built(source: Source, read: Settings, trusted: Path | None) -> dict[str, object]:
    store, limits = store_and_limits(read)
    click.echo(f"{source.name} version {source.version} ({source.path.name})", err=True)
    try:
        if source.problem:
            raise ModelError(source.problem)
        model = open_model(source, store=store, limits=limits, progress=progress, trusted=trusted)
    except (ModelError, BuildInterruptedError) as error:
        diagnosis = _diagnosis(error, trusted)
        click.echo(f"  failed: {diagnosis}", err=True)
        return {"name": source.name, "version": source.version, "fingerprint": None, "diagnosis": diagnosis}
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


def _diagnosis(error: ConvoyError, trusted: Path | None) -> str:
    """Return in one line why a build failed; what the user's own code raised may have several."""
    text = " ".join(error.message.split())
    if trusted is not None and isinstance(error, CustomCodeError):
        return f"{text} {trusted.name} was run, and does not define it."
    return text
