"""Owns reading a `:classify` or `:regress` body: `examples`, each an object of features, and their common context."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from service.api.encoded import is_b64
from service.api.room import Room
from service.api.tfserving.columns import images_in, picture_of
from service.api.tfserving.predict import Asked
from service.api.tfserving.tensors import dense_array
from service.api.tfserving.wording import format_error, place_error, shown, type_name
from service.errors import MalformedBodyError, MisfitError, RequestError
from service.model.card import ModelCard
from service.model.input_card import InputCard
from service.serving.examples import Example, Numbers, Part


def read_features(data: dict[str, Any], card: ModelCard, room: Room) -> Asked:
    """Return the examples of a `:classify` or `:regress` body; features are named after the model's inputs.

    The only feature for an only input may have any name: in TensorFlow Serving features have names of their own.
    Raises MalformedBodyError, MisfitError or TooLargeError, in TensorFlow Serving's words where it has some.
    """
    common = _features(data.get("context", {}))
    listed = _listed(data)
    room.check_examples(len(listed))
    examples = [_example(number, common | _features(one), card.inputs) for number, one in enumerate(listed)]
    room.check_images(images_in(examples))
    return Asked(examples, is_each=True, rows=len(examples))


def _listed(data: dict[str, Any]) -> list[Any]:
    if "examples" not in data:
        raise format_error(data, "When method is classify, key 'examples' is expected and was not found")
    examples = data["examples"]
    if not isinstance(examples, list):
        raise format_error(data, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise format_error(data, "'examples' value is an empty array")
    return examples


def _features(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise MalformedBodyError(f"Example must be JSON object but got JSON {type_name(value)}")
    return value


def _example(number: int, features: dict[str, Any], inputs: Sequence[InputCard]) -> Example:
    names = [one.spec.name for one in inputs]
    if len(names) == len(features) == 1:
        features = dict(zip(names, features.values(), strict=True))
    if features.keys() != set(names):
        raise MisfitError(
            f"Failed to process element: {number} of 'examples' list. JSON object: {shown(features)} keys must be "
            f"equal to: {','.join(sorted(names))}"
        )
    try:
        return Example({one.spec.name: _part(features[one.spec.name], one) for one in inputs})
    except RequestError as error:
        raise type(error)(place_error(f"{number} of 'examples' list", error.message)) from error


def _part(value: Any, card: InputCard) -> Part:
    only = value[0] if isinstance(value, list) and len(value) == 1 else value
    if is_b64(only):
        return picture_of(only, card)
    if only is None or isinstance(only, dict):
        raise MisfitError(f"Feature: {card.spec.name} has element with unexpected JSON type: {type_name(only)}")
    array = dense_array(value, card.spec.dtype)
    # A feature is a list: a single value and a list of one are the same.
    return Numbers(array.reshape((1,) * len(card.spec.shape)) if array.size == 1 else array[np.newaxis])
