"""Owns reading a `:predict` body: `instances`, one entry an example, or `inputs`, one tensor an input."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from service.api.encoded import is_b64
from service.api.room import Room
from service.api.tfserving.columns import Column, column_of, examples_of, is_named, part_of
from service.api.tfserving.tensors import dense_array
from service.api.tfserving.wording import format_error, place_error, shown
from service.errors import MalformedBodyError, MisfitError
from service.model.card import ModelCard
from service.model.input_card import InputCard
from service.serving.examples import Example, Numbers

SIGNATURES = ("serving_default", "serve")
"""Names of the one signature a model has here: Keras 3 exports it under both."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What a request asks: examples; `is_each` where each of them is one entry of the request.

    `rows` is the number of entries in row format, whose answer has as many; None in column format.
    """

    examples: Sequence[Example]
    is_each: bool
    rows: int | None = None


def check_signature(data: dict[str, Any], names: Sequence[str], unknown: str) -> None:
    """Raise MalformedBodyError where a request names another signature than `names`; `unknown` words it."""
    name = data.get("signature_name", "")
    if not isinstance(name, str):
        raise format_error(data, "not formatted correctly. 'signature_name' key must be a string value.")
    if name and name not in names:
        raise MalformedBodyError(unknown.format(name))


def read_predict(data: dict[str, Any], card: ModelCard, room: Room) -> Asked:
    """Return what a `:predict` body asks of the model of `card`.

    Raises MalformedBodyError, MisfitError or TooLargeError, in TensorFlow Serving's words where it has some.
    """
    check_signature(data, SIGNATURES, 'Serving signature name: "{}" not found in signature def')
    if "instances" in data:
        return _rows(data, card.inputs, room)
    if "inputs" in data:
        return _columns(data["inputs"], card.inputs, room)
    raise MalformedBodyError("Missing 'inputs' or 'instances' key")


def _rows(data: dict[str, Any], inputs: Sequence[InputCard], room: Room) -> Asked:
    instances = data["instances"]
    if "inputs" in data:
        raise format_error(data, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    if not isinstance(instances, list):
        raise format_error(data, "Expecting 'instances' to be an list/array")
    if not instances:
        raise format_error(data, "No values in 'instances' array")
    room.check_examples(len(instances))
    columns = _named_rows(instances, inputs) if is_named(instances[0]) else _plain_rows(instances, inputs)
    examples, is_each = examples_of(columns, inputs, room)
    return Asked(examples, is_each, rows=len(instances))


def _plain_rows(instances: list[Any], inputs: Sequence[InputCard]) -> dict[str, Column]:
    if len(inputs) > 1:
        raise MisfitError(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    named = next((number for number, one in enumerate(instances) if is_named(one)), None)
    if named is not None:
        raise MisfitError(f"Expecting value/list but got object at item {named} of input list")
    return {inputs[0].spec.name: column_of(instances, inputs[0], _place_in_list)}


def _named_rows(instances: list[Any], inputs: Sequence[InputCard]) -> dict[str, Column]:
    names = [one.spec.name for one in inputs]
    for number, one in enumerate(instances):
        _check_keys(number, one, names)
    return {
        name: column_of([one[name] for one in instances], card, partial(_place_of_key, name))
        for name, card in zip(names, inputs, strict=True)
    }


def _check_keys(number: int, one: Any, names: Sequence[str]) -> None:
    if not is_named(one):
        raise MisfitError(f"Expecting object but got list at item {number} of input list")
    unknown = next((key for key in one if key not in names), None)
    if unknown is not None:
        raise MisfitError(_place_of_key(unknown, number, f"JSON object: does not have named input: {unknown}"))
    if len(one) < len(names):
        raise MisfitError(
            f"Failed to process element: {number} of 'instances' list. JSON object: {shown(one)} keys must be equal "
            f"to: {','.join(sorted(names))}"
        )


def _place_in_list(number: int, text: str) -> str:
    return place_error(f"{number} of 'instances' list", text)


def _place_of_key(key: str, number: int, text: str) -> str:
    return place_error(f"{number} key: {key} of 'instances' list", text)


def _columns(value: Any, inputs: Sequence[InputCard], room: Room) -> Asked:
    values = value if is_named(value) else {inputs[0].spec.name: value}
    if values is not value and len(inputs) > 1:
        raise MisfitError(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    missing = next((one.spec.name for one in inputs if one.spec.name not in values), None)
    if missing is not None:
        raise MisfitError(f"Missing named input: {missing} in 'inputs' object.")
    columns = {one.spec.name: _column(values[one.spec.name], one, room) for one in inputs}
    if all(not isinstance(column, list) for column in columns.values()):
        return Asked([_batch(columns)], is_each=False)
    return Asked(*examples_of(columns, inputs, room))


def _column(value: Any, card: InputCard, room: Room) -> Column:
    if is_b64(value):
        return [part_of(value, card)]
    if isinstance(value, list) and dict in set(map(type, value)):
        room.check_examples(len(value))
        return column_of(value, card, lambda number, text: f"Element {number} of input {card.spec.name}: {text}")
    return dense_array(value, card.spec.dtype)


def _batch(columns: dict[str, Column]) -> Example:
    return Example({name: Numbers(column) for name, column in columns.items() if not isinstance(column, list)})
