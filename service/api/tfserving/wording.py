"""Owns how TensorFlow Serving words what is wrong with JSON (`util/json_tensor.cc`); clients search for these texts."""

import json
from collections.abc import Iterator
from typing import Any

from service.errors import MalformedBodyError, MisfitError

_SHOWN = 256
"""Characters of a value after which an error text shows no more of it."""
_INDENT = "    "
_TYPES = {dict: "Object", list: "Array", str: "String", bool: "False", type(None): "Null"}
_TF_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


def shown(value: Any) -> str:
    """Return a JSON value as text: arrays on one line, one member of an object a line, cut after a while."""
    text = ""
    for piece in _pieces(value, "\n"):
        text += piece[:_SHOWN]
        if len(text) >= _SHOWN:
            break
    return text[:_SHOWN]


def _pieces(value: Any, newline: str) -> Iterator[str]:
    if isinstance(value, list):
        yield "["
        for number, one in enumerate(value):
            yield ", " if number else ""
            yield from _pieces(one, newline)
        yield "]"
    elif isinstance(value, dict):
        yield from _object_pieces(value, newline)
    else:
        yield json.dumps(value[:_SHOWN] if isinstance(value, str) else value, ensure_ascii=False)


def _object_pieces(value: dict[str, Any], newline: str) -> Iterator[str]:
    yield "{"
    for number, (key, one) in enumerate(value.items()):
        yield f"{',' if number else ''}{newline}{_INDENT}{json.dumps(key[:_SHOWN], ensure_ascii=False)}: "
        yield from _pieces(one, newline + _INDENT)
    yield newline + "}" if value else "}"


def type_name(value: Any) -> str:
    """Return the name of a JSON value's type."""
    return "True" if value is True else _TYPES.get(type(value), "Number")


def tf_name(dtype: str) -> str:
    """Return what TensorFlow calls a NumPy dtype in its messages."""
    return _TF_NAMES.get(dtype, dtype)


def type_error(value: Any, dtype: str) -> MisfitError:
    """Return the error of a value that is none of an input's dtype: the text that people search for."""
    return MisfitError(f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: {tf_name(dtype)}")


def format_error(value: Any, text: str) -> MalformedBodyError:
    """Return the error of a document that is not of the form it should have."""
    return MalformedBodyError(f"JSON Value: {shown(value)} {text}")


def place_error(place: str, text: str) -> str:
    """Return the text of an error at a place such as `0 of 'instances' list`."""
    return f"Failed to process element: {place}. Error: INVALID_ARGUMENT: {text}"
