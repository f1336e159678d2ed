"""Owns parsing the JSON of a request as RapidJSON does for TensorFlow Serving.

NaN and infinities are numbers, what follows the first value is ignored, and errors say where they are.
"""

import json
import re
from json.decoder import JSONDecodeError
from typing import Any

import orjson

from service.api.numbers import MAX_LISTS, check_json_size
from service.api.tfserving.wording import format_error
from service.errors import MalformedBodyError, TooLargeError

_DECODER = json.JSONDecoder()
_BLANK = re.compile(r"[ \t\n\r]*")
_STRING = r'"(?:[^"\\]++|\\.)*+(?:"|\Z)'  # taken as a whole, so that a long one left open is walked once
_SHORT_INFINITY = re.compile(rf"{_STRING}|-NaN\b|\bInf\b", re.DOTALL)
_BRACKET = re.compile(rf"{_STRING}|[\[\]{{}}]", re.DOTALL)
_WALKED = 1_000_000
_ARRAY_COMMA = "Missing a comma or ] after an array element."
_OBJECT_COMMA = "Missing a comma or } after an object member."
_MESSAGES = {
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}


def parse_document(body: bytes) -> dict[str, Any]:
    """Return the JSON object a request's body begins with.

    Raises MalformedBodyError in TensorFlow Serving's words, TooLargeError where it holds more than is taken.
    """
    if not body:
        raise MalformedBodyError("JSON Parse error: The document is empty")
    check_json_size(body)
    if body.count(b"{") > MAX_LISTS:
        raise TooLargeError(f"The JSON holds more than {MAX_LISTS:,} objects; send fewer at a time.")
    data = _parsed(body)
    if not isinstance(data, dict):
        raise format_error(data, "Is not object")
    return data


def _parsed(body: bytes) -> Any:
    try:
        return orjson.loads(body)  # three times as fast, and stricter than RapidJSON is told to be
    except ValueError:
        return _leniently(body.decode("utf-8-sig", "surrogateescape"))


def _leniently(text: str) -> Any:
    try:
        return _first_value(text)
    except JSONDecodeError as error:
        return _with_short_infinity(text, error)


def _with_short_infinity(text: str, error: JSONDecodeError) -> Any:
    """Try again with `Inf` and `-NaN`, which RapidJSON knows, written as Python reads them."""
    if text.startswith(("Inf", "-Inf", "-NaN"), error.pos):
        try:
            return _first_value(_SHORT_INFINITY.sub(_longer, text))
        except JSONDecodeError as second:
            error = second
    raise _parse_error(_message(error), error) from error


def _longer(found: re.Match[str]) -> str:
    return {"-NaN": "NaN", "Inf": "Infinity"}.get(found[0], found[0])


def _first_value(text: str) -> Any:
    start = _BLANK.match(text)
    try:
        return _DECODER.raw_decode(text, start.end() if start else 0)[0]
    except RecursionError as error:
        raise MalformedBodyError("JSON Parse error: nested too deeply; an image needs four levels at most.") from error
    except JSONDecodeError:
        raise
    except ValueError as error:  # an integer of thousands of digits
        raise MalformedBodyError("JSON Parse error: Number too big to be stored in double.") from error


def _parse_error(message: str, error: JSONDecodeError) -> MalformedBodyError:
    offset = len(error.doc[: error.pos].encode("utf-8", "surrogateescape"))
    return MalformedBodyError(f"JSON Parse error: {message} at offset: {offset}")


def _message(error: JSONDecodeError) -> str:
    if error.msg == "Expecting ',' delimiter":
        return _missing_comma(error.doc[: error.pos])
    if not error.doc[error.pos :].strip() and not error.doc[: error.pos].strip():
        return "The document is empty."
    return _MESSAGES.get(error.msg, "Invalid value.")


def _missing_comma(before: str) -> str:
    if len(before) > _WALKED:
        return _ARRAY_COMMA
    opened: list[str] = []
    for found in _BRACKET.finditer(before):
        if found[0] in "[{":
            opened.append(found[0])
        elif found[0] in "]}":
            opened.pop()
    return _OBJECT_COMMA if opened[-1:] == ["{"] else _ARRAY_COMMA
