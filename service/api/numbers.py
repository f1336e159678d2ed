"""Owns JSON that may hold pixels: read within limits, nested lists of numbers made arrays at the speed of C."""

import json
from itertools import chain
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from service.errors import MalformedBodyError, MisfitError, TooLargeError

MAX_AXES = 8
MAX_VALUES = 10_000_000
"""Values a JSON body may hold: as objects they take some 32 bytes each."""
MAX_LISTS = 4_000_000
MAX_OBJECTS = 200_000
"""Objects a JSON body may hold: as dictionaries they take some 200 bytes each."""


def check_json_size(body: bytes) -> None:
    """Raise TooLargeError where JSON holds more values or lists than are taken, before any of them is made."""
    if body.count(b",") > MAX_VALUES or body.count(b"[") > MAX_LISTS:
        raise TooLargeError(f"The JSON holds more than {MAX_VALUES:,} values or {MAX_LISTS:,} lists; send an .npy.")
    if body.count(b"{") > MAX_OBJECTS:
        raise TooLargeError(f"The JSON holds more than {MAX_OBJECTS:,} objects; send fewer at a time.")


def parsed_json(body: bytes) -> Any:
    """Return the data of a JSON body, UTF-8; raises MalformedBodyError or TooLargeError."""
    check_json_size(body)
    try:
        return json.loads(body, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise MalformedBodyError("The JSON is nested too deeply; an image needs four levels at most.") from error
    except UnicodeDecodeError as error:
        raise MalformedBodyError("The JSON is not UTF-8 text; send it in that encoding.") from error
    except ValueError as error:
        raise MalformedBodyError(f"The body is no JSON: {error}.") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def flattened(nested: list[Any]) -> tuple[list[int], list[Any], set[type]]:
    """Return the shape of nested lists, their values row by row, and the types of those; each level in one go.

    Raises MisfitError where they are ragged or nested too deeply.
    """
    shape, flat = [len(nested)], nested
    while (kinds := set(map(type, flat))) == {list}:
        lengths = set(map(len, flat))
        if len(lengths) > 1 or len(shape) >= MAX_AXES:
            raise MisfitError("The numbers are ragged: every row must have as many values as the others.")
        shape.append(lengths.pop())
        flat = list(chain.from_iterable(flat))
    return shape, flat, kinds


def nested_array(nested: list[Any]) -> NDArray[Any]:
    """Return nested lists of numbers as an array.

    Raises MisfitError where they are ragged, no numbers, nested too deeply or over 64 bits.
    """
    shape, flat, kinds = flattened(nested)
    if not kinds <= {int, float, bool}:
        raise MisfitError(
            "The numbers are ragged or no numbers: every row must have as many values, all of them numbers."
        )
    array = np.array(flat).reshape(shape)
    if array.dtype.kind not in "biuf":
        raise MisfitError("The lists hold numbers larger than a 64-bit number.")
    return array
