"""Owns `convoy predict`: answers without a server."""

import sys
import time
from pathlib import Path

import click
import numpy as np
import orjson

from service.app import image_limits
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.errors import RequestError, UndecodableImageError
from service.image.npy import is_npy, read_npy
from service.model.head import Answer, PlainNumbers
from service.serving.examples import Example, Numbers, Part, Picture, Prediction, Unusable
from service.serving.local import open_model, source_of
from service.serving.predictor import Predictor


@click.command()
@click.argument("target", metavar="FILE|NAME")
@click.argument("images", metavar="IMAGE...", nargs=-1, required=True)
@click.option("--top-k", type=click.IntRange(1), default=3, show_default=True, help="Classes to show per image.")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def predict(target: str, images: tuple[str, ...], top_k: int, as_json: bool, **given: str | None) -> None:
    """Classify pictures with a saved file or a model of the models folder, without a server.

    Numbers come as .npy files. Exit status 1 where one of the files could not be answered.
    """
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    model = open_model(source_of(target, read.models_dir), store=store, limits=limits, progress=progress)
    predictor = Predictor(limits=image_limits(read), max_examples=max(read.max_examples, len(images)))
    examples = [Example.of(read_part(name)) for name in images]
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


def read_part(name: str) -> Part:
    """Return the picture or the numbers in a file, or the error that there are none."""
    try:
        data = Path(name).read_bytes()
        return Numbers(read_npy(data), name) if is_npy(data) else Picture(data, name)
    except OSError as error:
        return Unusable(UndecodableImageError(f"{name} cannot be read: {error.strerror}."))
    except RequestError as error:
        return Unusable(error)


def _line(prediction: Prediction) -> str:
    if prediction.error is not None:
        return f"{prediction.origin.filename or 'picture'}: {prediction.error.message}"
    answers = (
        _numbers(answer) if isinstance(answer, PlainNumbers) else _ranking(answer)
        for answer in prediction.answers.values()
    )
    return f"{prediction.origin.filename}: {' | '.join(answers)}"


def _ranking(answer: Answer) -> str:
    ranked = answer.top if answer.chosen is None else answer.chosen
    return "  ".join(f"{one.label} {'n/a' if one.value is None else f'{one.value:.4f}'}" for one in ranked)


def _numbers(answer: PlainNumbers) -> str:
    shape = "x".join(map(str, answer.values.shape))
    finite = answer.values[np.isfinite(answer.values)]
    extent = f"from {finite.min():.4g} to {finite.max():.4g}" if finite.size else "none of them finite"
    return f"{shape} numbers {extent}"


def _notes(prediction: Prediction) -> list[str]:
    return [*prediction.warnings, *(note for answer in prediction.answers.values() for note in answer.warnings)]
