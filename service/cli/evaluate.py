"""Owns `convoy evaluate`: how well a model does on labelled pictures."""

from pathlib import Path

import click
import orjson

from service.app import image_limits
from service.cli.evaluation_text import evaluation_text
from service.cli.meter import meter
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.offline.answering import output_with_classes
from service.offline.evaluation import Evaluation
from service.offline.evaluation import evaluate as evaluated
from service.repository.labelled import read_labelled
from service.repository.pictures import check_folder
from service.serving.live_model import CHUNK, LiveModel
from service.serving.local import open_model, source_of
from service.serving.predictor import Predictor


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.argument("folder", metavar="LABELLED_DIR", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Take this many pictures, spread evenly over the classes.")
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, help="Mistakes to list.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def evaluate(target: str, folder: Path, limit: int | None, worst: int, as_json: bool, **given: str | None) -> None:
    """Measure a model on a folder of pictures with one sub-folder for each class.

    Pictures go through the preprocessing that the server uses: what comes out is what its users get. A file that
    cannot be read is listed and left out.
    """
    check_folder(folder)  # before a build that may take minutes
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    model = open_model(source_of(target, read.models_dir), store=store, limits=limits, progress=progress)
    output = output_with_classes(model)
    labelled = read_labelled(folder, output, limit=limit)
    predictor = Predictor(limits=image_limits(read), max_examples=CHUNK)
    with meter("evaluating", len(labelled.pictures), is_shown=not as_json) as tick:
        found = evaluated(model, labelled, predictor=predictor, output=output, worst=worst, tick=tick)
    if as_json:
        click.echo(orjson.dumps(_body(model, found), option=orjson.OPT_INDENT_2))
    else:
        click.echo(evaluation_text(model.card, found, folder=folder))


def _body(model: LiveModel, found: Evaluation) -> dict[str, object]:
    return {"model": {"name": model.card.name, "version": model.card.version}, **found.to_json()}
