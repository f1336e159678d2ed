"""Owns `convoy init`: a `model.toml` to start from, with what was inferred and from where."""

from dataclasses import replace
from pathlib import Path

import click
import orjson

from service.cli.draft import sidecar_draft
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.errors import SettingsError
from service.model.card import ModelCard
from service.repository.saved import stem_of
from service.repository.sources import SIDECAR, Source, find_sources
from service.serving.local import open_model, source_of
from service.settings import Settings


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.option("--stdout", "to_stdout", is_flag=True, help="Print the text instead of writing a file.")
@click.option("--force", is_flag=True, help="Replace a file that is there; what it says is lost.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def init(target: str, to_stdout: bool, force: bool, as_json: bool, **given: str | None) -> None:
    """Write a commented model.toml of what was inferred about a model, and from where, beside its file.

    Every line is a comment that says what is in force already, so the file changes nothing until you edit it. CHECK
    marks guesses and defaults: what the saved file could not tell.
    """
    read = read_settings(**given)
    source = _as_served(source_of(target, read.models_dir), read)
    path = place_of(source)
    is_written = not to_stdout
    if is_written and path.exists() and not force:
        raise SettingsError(f"{path} is there already; --force replaces it, --stdout only prints.")
    text = sidecar_draft(_card(source, read, without=path))
    if is_written:
        _write(path, text)
    if as_json:
        click.echo(orjson.dumps({"file": str(path), "written": is_written, "text": text}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"{path} is written; look at the lines marked CHECK." if is_written else text, nl=is_written)


def _as_served(source: Source, read: Settings) -> Source:
    """Return a source as the models folder has it, where it lies in there: its name and sidecars differ."""
    served = find_sources(read.models_dir) if read.models_dir.is_dir() else []
    path = source.path.resolve()
    return next((one for one in served if one.problem is None and one.path.resolve() == path), source)


def place_of(source: Source) -> Path:
    """Return where a sidecar of this source is looked for, whether it is served alone or in a models folder.

    That is `flowers.toml` beside `flowers.keras`, and `model.toml` in the folder of a model or of a version.
    """
    is_named_after_file = stem_of(source.path) == source.name
    return next(one for one in reversed(source.sidecars) if is_named_after_file or one.name == SIDECAR)


def _card(source: Source, read: Settings, *, without: Path) -> ModelCard:
    """Build the model if need be and return its card, as if there were no sidecar at the place of the new one."""
    store, limits = store_and_limits(read)
    others = replace(source, sidecars=tuple(one for one in source.sidecars if one != without))
    return open_model(others, store=store, limits=limits, progress=progress).card


def _write(path: Path, text: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}; --stdout prints the text.") from error
