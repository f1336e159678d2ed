"""Owns `convoy predict`: answers without a server."""

import sys
import time
from pathlib import Path

import click
import orjson

from service.app import image_limits
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.errors import UndecodableImageError
from service.serving.examples import Example, Part, Picture, Prediction, Unusable
from service.serving.local import open_model, source_of
from service.serving.predictor import Predictor


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Classes to show per image.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory")
@as_json()
def predict(target: str, images: tuple[str, ...], top_k: int, as_json: bool, **given: str | None) -> None:
    """Classify pictures with a saved file or a model of the models folder, without a server.

    Exit status 1 where a picture could not be answered.
    """
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    model = open_model(source_of(target, read.models_dir), store=store, limits=limits, progress=progress)
    predictor = Predictor(limits=image_limits(read), max_examples=len(images))
    examples = [Example.of(_picture(name)) for name in images]
    deadline = time.monotonic() + 3600
    result = predictor.predict(model, examples, top_k=top_k, deadline=deadline)
    if as_json:
        from service.api.render import result_body

        body = result_body(result, layers="shapes", probabilities=True)
        click.echo(orjson.dumps(body, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_INDENT_2))
    else:
        for prediction in result.predictions:
            click.echo(_line(prediction))
        for note in dict.fromkeys(note for one in result.predictions for note in _notes(one)):
            click.echo(f"note: {note}", err=True)
    if result.answered < len(result.predictions):
        sys.exit(1)


def _picture(name: str) -> Part:
    try:
        return Picture(Path(name).read_bytes(), name)
    except OSError as error:
        return Unusable(UndecodableImageError(f"{name} cannot be read: {error.strerror}."))


def _line(prediction: Prediction) -> str:
    if prediction.error is not None:
        return f"{prediction.origin.filename or 'picture'}: {prediction.error.message}"
    answers = []
    for answer in prediction.answers.values():
        ranked = answer.top if answer.chosen is None else answer.chosen
        answers.append("  ".join(f"{one.label} {'n/a' if one.value is None else f'{one.value:.4f}'}" for one in ranked))
    return f"{prediction.origin.filename}: {' | '.join(answers)}"


def _notes(prediction: Prediction) -> list[str]:
    return [*prediction.warnings, *(note for answer in prediction.answers.values() for note in answer.warnings)]
