"""Owns `convoy diff`: two models, or two versions of one, on the same pictures."""

from pathlib import Path

import click
import orjson

from service.app import image_limits
from service.cli.diff_text import diff_text
from service.cli.meter import meter
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.offline.answering import output_with_classes
from service.offline.comparison import Side, compare
from service.offline.pairing import find_pictures
from service.repository.pictures import check_folder
from service.serving.live_model import CHUNK
from service.serving.local import open_model, source_of
from service.serving.predictor import Predictor
from service.settings import Settings

_SIDES = 2


@click.command()
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--limit", type=click.IntRange(1), help="Take this many pictures, spread evenly.")
@click.option("--worst", type=click.IntRange(0), default=10, show_default=True, help="Shifts to list.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def diff(
    first: str, second: str, folder: Path, limit: int | None, worst: int, as_json: bool, **given: str | None
) -> None:
    """Compare two models on a folder of pictures: saved files, or names such as flowers/1 and flowers/2.

    Shows how often they agree, which answers flip, and whose probabilities move most. Where the sub-folders are
    classes, both accuracies too, and whether their difference can be chance.
    """
    check_folder(folder)  # before a build that may take minutes
    read = read_settings(**given)
    one, other = _side(first, read), _side(second, read)
    pictures = find_pictures(folder, one.output, limit=limit)
    predictor = Predictor(limits=image_limits(read), max_examples=CHUNK)
    with meter("comparing", _SIDES * len(pictures.files), is_shown=not as_json) as tick:
        found = compare(one, other, pictures, predictor=predictor, worst=worst, tick=tick)
    if as_json:
        names = {"first": _name(one), "second": _name(other)}
        click.echo(orjson.dumps({**names, **found.to_json()}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(diff_text(first, second, found, folder=folder))


def _side(target: str, read: Settings) -> Side:
    store, limits = store_and_limits(read)
    model = open_model(source_of(target, read.models_dir), store=store, limits=limits, progress=progress)
    return Side(model, output_with_classes(model))


def _name(side: Side) -> dict[str, object]:
    return {"name": side.model.card.name, "version": side.model.card.version}
