"""Owns KServe's `:explain`: the body of `:predict` in, a heat map with its class and method for each instance out."""

from collections.abc import Iterator, Sequence
from typing import Any

from flask import Response

from service.api.reasons import asked_in, check_json, explanation_body
from service.api.render import json_response
from service.api.tfserving.predict import Asked
from service.api.tfserving.wording import place_error
from service.errors import RequestError, TooLargeError
from service.explain.explainer import Explainer, Explanation
from service.image.reshape import numbers_to_batch
from service.model.card import ModelCard
from service.serving.examples import Example, Numbers
from service.serving.live_model import LiveModel
from service.serving.preparation import check_counts

MOST_INSTANCES = 16
"""Examples in one request: each of them may take a second or two."""


def explained(
    model: LiveModel, asked: Asked, query: dict[str, Any], explainer: Explainer, *, deadline: float
) -> Response:
    """Return `{"explanations": [...]}`, one entry for each instance; `query` is that of the native `…/explain`.

    Raises the error of the first instance that cannot be explained, with its place; TooLargeError for too many.
    """
    examples = _one_by_one(asked, model.card)
    found = [_explained(number, one, model, query, explainer, deadline) for number, one in enumerate(examples)]
    check_json(found)
    return json_response({"explanations": list(map(explanation_body, found))})


def _explained(
    number: int, example: Example, model: LiveModel, query: dict[str, Any], explainer: Explainer, deadline: float
) -> Explanation:
    try:
        return explainer.explain(model, example, asked_in(query), deadline=deadline)
    except RequestError as error:
        raise type(error)(place_error(f"{number} of 'instances' list", error.message)) from error


def _one_by_one(asked: Asked, card: ModelCard) -> Sequence[Example]:
    """Return each example of a request; a batch of numbers is read as a prediction reads it, and taken apart."""
    if asked.is_each:
        _check(len(asked.examples))
        return asked.examples
    return [one for example in asked.examples for one in _apart(example, card)]


def _check(count: int) -> None:
    if count > MOST_INSTANCES:
        raise TooLargeError(f"{count} instances in one request; at most {MOST_INSTANCES} are explained. Send fewer.")


def _apart(example: Example, card: ModelCard) -> Iterator[Example]:
    parts = {name: part.array for name, part in example.parts.items() if isinstance(part, Numbers)}
    batches = {one.spec.name: numbers_to_batch(parts[one.spec.name], one.spec, one.layout) for one in card.inputs}
    check_counts({name: len(batch) for name, batch in batches.items()})
    count = len(next(iter(batches.values())))
    _check(count)
    for row in range(count):
        yield Example({name: Numbers(batch[row : row + 1]) for name, batch in batches.items()})
