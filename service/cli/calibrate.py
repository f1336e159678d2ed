"""Owns `convoy calibrate`: which recipe fits a model."""

from pathlib import Path
from typing import Any

import click
import orjson

from service.app import image_limits
from service.cli.calibration_text import calibration_text, written_text
from service.cli.init import place_of
from service.cli.meter import meter
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.errors import SettingsError
from service.offline.answering import output_with_classes
from service.offline.calibration import calibrate as calibrated
from service.offline.finding import Calibration
from service.offline.recording import check_evidence, write_recipe
from service.repository.labelled import read_labelled
from service.repository.pictures import check_folder
from service.repository.sources import Source
from service.serving.live_model import LiveModel
from service.serving.local import open_model, source_of

_STAGES = 3


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.argument("folder", metavar="LABELLED_DIR", type=click.Path(path_type=Path))
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=500,
    show_default=True,
    help="Take this many pictures, spread evenly over the classes.",
)
@click.option("--write", is_flag=True, help="Write the recommended recipe into the model.toml beside the model.")
@click.option("--force", is_flag=True, help="With --write: even where the evidence is too thin to choose.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def calibrate(
    target: str, folder: Path, limit: int, write: bool, force: bool, as_json: bool, **given: str | None
) -> None:
    """Find the preprocessing that fits a model, from a folder of pictures with one sub-folder for each class.

    Tries scales, colour orders and polarity, then decoders, resizes and fits, and ranks them by accuracy and log loss.
    Says which of them the pictures cannot tell apart.
    """
    if force and not write:
        raise SettingsError("--force goes with --write; alone it does nothing.")
    check_folder(folder)  # before a build that may take minutes
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    source = source_of(target, read.models_dir)
    model = open_model(source, store=store, limits=limits, progress=progress)
    output = output_with_classes(model)
    labelled = read_labelled(folder, output, limit=limit)
    with meter("calibrating", _STAGES * len(labelled.pictures), is_shown=not as_json) as tick:
        found = calibrated(model, labelled, output=output, limits=image_limits(read), tick=tick)
    if not as_json:
        click.echo(calibration_text(model.card, found, folder=folder))
    is_written = write and (force or not found.too_thin)
    file = _written(found, source, model) if is_written else None
    if as_json:
        click.echo(orjson.dumps(_body(model, found, file), option=orjson.OPT_INDENT_2))
    elif file is not None:
        click.echo(written_text(found, file))
    if write and not is_written:
        check_evidence(found)


def _written(found: Calibration, source: Source, model: LiveModel) -> Path:
    path = place_of(source)
    write_recipe(found, source, model, path)
    return path


def _body(model: LiveModel, found: Calibration, file: Path | None) -> dict[str, Any]:
    name = {"name": model.card.name, "version": model.card.version}
    return {"model": name, **found.to_json(), "written": str(file) if file else None}
