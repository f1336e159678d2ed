"""Owns `convoy build`."""

import sys
from pathlib import Path

import click

from service.app import image_limits
from service.cli.options import (
    as_json,
    existing_models_dir,
    progress,
    read_settings,
    settings,
    store_and_limits,
)
from service.errors import BuildInterruptedError, ConvoyError, CustomCodeError, ModelError, SettingsError
from service.repository.bundles import fingerprint_of
from service.repository.golden import find_golden
from service.repository.saved import sha256_of
from service.repository.shipment import Shipment
from service.repository.sources import Source, find_sources
from service.serving.golden import replayed
from service.serving.live_model import LiveModel
from service.serving.local import open_model
from service.serving.supply import Supply
from service.settings import Settings


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@settings("cache_dir", "bundles_dir", "models_lock", "build_timeout", "build_memory", "allow_saved_model")
@click.option(
    "--trust-code",
    metavar="FILE.py",
    help="Python file that defines your own layers and functions: it is run here and now, to build. A server then "
    "serves the bundle and never runs it.",
)
@click.option(
    "--out",
    metavar="DIR",
    help="Folder to write that is served without the saved files, and without TensorFlow: CONVOY_MODELS_DIR and "
    "CONVOY_BUNDLES_DIR both name it then. Takes what else lies in MODELS_DIR along.",
)
@as_json()
def build(models_dir: str | None, trust_code: str | None, out: str | None, as_json: bool, **given: str | None) -> None:
    """Build bundles only, without a server; exit status 1 where a model could not be built.

    A bundle that is there already costs nothing, unless it was built with --trust-code and that is given again. Golden
    samples beside a model are replayed. Where there is a models.lock, what is not in it is not built.
    """
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    trusted = None if trust_code is None else _python_file(trust_code)
    sources = find_sources(read.models_dir)
    if not sources:
        click.echo(f"{read.models_dir} holds no saved model.", err=True)
    supply = Supply(read.models_dir, path=read.models_lock)
    supply.look()
    shipment = None if out is None else Shipment(read.models_dir, Path(out).absolute())
    if shipment:
        shipment.add_rest(sources)
    results = [
        _built(source, read, trusted, supply, shipment) for source in sorted(sources, key=lambda one: one.stamp.size)
    ]
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


def _built(
    source: Source, read: Settings, trusted: Path | None, supply: Supply, shipment: Shipment | None
) -> dict[str, object]:
    store, limits = store_and_limits(read)
    click.echo(f"{source.name} version {source.version} ({source.path.name})", err=True)
    try:
        if source.problem:
            raise ModelError(source.problem)
        _check_lock(source, supply)
        model = open_model(source, store=store, limits=limits, progress=progress, trusted=trusted)
        samples = _replayed(source, model, read)
        if shipment and model.bundle:
            shipment.add(source, model.bundle)
    except (ModelError, BuildInterruptedError) as error:
        diagnosis = _diagnosis(error, trusted)
        click.echo(f"  failed: {diagnosis}", err=True)
        return {"name": source.name, "version": source.version, "fingerprint": None, "diagnosis": diagnosis}
    verified = model.card.facts.verification[0]
    click.echo(
        f"  ready; differs from Keras by at most {verified.max_difference:.2g} ({verified.compared}){samples}",
        err=True,
    )
    return {
        "name": source.name,
        "version": source.version,
        "fingerprint": model.card.fingerprint,
        "diagnosis": None,
    }


def _check_lock(source: Source, supply: Supply) -> None:
    """Raise ModelError where the lock does not have this very source; its files are not hashed where it has none."""
    refusal = supply.refusal(source, held=None)
    if not refusal and supply.is_locked:
        refusal = supply.refusal(source, fingerprint_of(sha256_of(source.saved)), held=None)
    if refusal:
        raise ModelError(refusal.diagnosis)


def _replayed(source: Source, model: LiveModel, read: Settings) -> str:
    """Return what to say of the golden samples; raises ModelError where the model does not answer them as expected."""
    golden = find_golden(source)
    if golden is None:
        return ""
    replay = replayed(model, golden, limits=image_limits(read))
    if replay.problem:
        raise ModelError(replay.problem)
    return f"; golden samples answered as expected: {replay.pictures}"


def _diagnosis(error: ConvoyError, trusted: Path | None) -> str:
    """Return in one line why a build failed; what the user's own code raised may have several."""
    text = " ".join(error.message.split())
    if trusted is not None and isinstance(error, CustomCodeError):
        return f"{text} {trusted.name} was run, and does not define it."
    return text
