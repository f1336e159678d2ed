"""Owns the form of an inference request's JSON: what must be there, and how much of it."""

from collections.abc import Mapping
from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate

from service.api.numbers import MAX_AXES
from service.errors import MalformedBodyError, MisfitError
from service.model.card import ModelCard

_LONGEST_AXIS = 2**31
_MOST_COMPLAINTS = 3
_LONGEST_NAME = 64


class _InputSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    name = fields.String(required=True)
    shape = fields.List(
        fields.Integer(strict=True, validate=validate.Range(0, _LONGEST_AXIS)),
        required=True,
        validate=validate.Length(max=MAX_AXES),
    )
    datatype = fields.String(required=True)
    parameters = fields.Dict(load_default=dict)
    data = fields.Raw()


class _OutputSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    name = fields.String(required=True)
    parameters = fields.Dict(load_default=dict)


class _RequestSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    id = fields.String()
    parameters = fields.Dict(load_default=dict)
    inputs = fields.List(fields.Nested(_InputSchema), required=True, validate=validate.Length(min=1))
    outputs = fields.List(fields.Nested(_OutputSchema))


def loaded_form(data: Any, card: ModelCard) -> dict[str, Any]:
    """Return the parts of a request for the model of `card`; raises MalformedBodyError or MisfitError."""
    if not isinstance(data, dict):
        raise MalformedBodyError('The request must be a JSON object with "inputs".')
    _check_count(data.get("inputs"), len(card.inputs), "inputs")
    _check_count(data.get("outputs"), len(card.outputs), "outputs")
    try:
        loaded: dict[str, Any] = _RequestSchema().load(data)
    except ValidationError as error:
        raise MalformedBodyError(f"The request is not of the protocol's form: {_shown(error.messages)}.") from error
    return loaded


def _check_count(given: Any, most: int, what: str) -> None:
    """Raise MisfitError where more are named than the model has, before each of them is looked at."""
    if isinstance(given, list) and len(given) > most:
        raise MisfitError(f"expected {most} {what} at most but got {len(given)}; name each once.")


def _shown(messages: Any) -> str:
    if isinstance(messages, Mapping):
        shown = [f"{str(key)[:_LONGEST_NAME]}: {_shown(messages[key])}" for key in list(messages)[:_MOST_COMPLAINTS]]
        rest = len(messages) - len(shown)
        return "; ".join([*shown, *([f"and {rest} more"] if rest else [])])
    return " ".join(map(str, messages)).rstrip(".")
