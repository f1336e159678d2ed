"""Owns KServe's `:explain`: the body of `:predict` in, a heat map with its class and method for each instance out."""

from collections.abc import Iterator
from typing import Any

from flask import Response

from service.api.reasons import asked_in, explanation_body
from service.api.render import json_response
from service.api.tfserving.predict import Asked
from service.api.tfserving.wording import place_error
from service.errors import RequestError, TooLargeError
from service.explain.explainer import Explainer
from service.serving.examples import Example, Numbers
from service.serving.live_model import LiveModel

MOST_INSTANCES = 16
"""Examples in one request: each of them may take a second or two."""


def explained(
    model: LiveModel, asked: Asked, query: dict[str, Any], explainer: Explainer, *, deadline: float
) -> Response:
    """Return `{"explanations": [...]}`, one entry for each instance; `query` is that of the native `…/explain`.

    Raises the error of the first instance that cannot be explained, with its place; TooLargeError for too many.
    """
    examples = list(_one_by_one(asked))
    found = [_explained(number, one, model, query, explainer, deadline) for number, one in enumerate(examples)]
    return json_response({"explanations": found})


def _explained(
    number: int, example: Example, model: LiveModel, query: dict[str, Any], explainer: Explainer, deadline: float
) -> dict[str, Any]:
    try:
        return explanation_body(explainer.explain(model, example, asked_in(query), deadline=deadline))
    except RequestError as error:
        raise type(error)(place_error(f"{number} of 'instances' list", error.message)) from error


def _one_by_one(asked: Asked) -> Iterator[Example]:
    """Yield each example of a request; a batch of numbers is taken apart."""
    _check(len(asked.examples) if asked.is_each else max(map(_rows, asked.examples)))
    for example in asked.examples:
        yield from [example] if asked.is_each else _apart(example)


def _check(count: int) -> None:
    if count > MOST_INSTANCES:
        raise TooLargeError(f"{count} instances in one request; at most {MOST_INSTANCES} are explained. Send fewer.")


def _rows(example: Example) -> int:
    return max((len(part.array) for part in example.parts.values() if isinstance(part, Numbers)), default=1)


def _apart(example: Example) -> Iterator[Example]:
    parts = {name: part.array for name, part in example.parts.items() if isinstance(part, Numbers)}
    for row in range(_rows(example)):
        yield Example({name: Numbers(array[row : row + 1]) for name, array in parts.items()})
