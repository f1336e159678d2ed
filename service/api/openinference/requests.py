"""Owns reading an inference request: JSON alone, JSON with binary tensors behind it, or one raw tensor."""

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from flask import Request
from numpy.typing import NDArray

from service.api.encoded import base64_image
from service.api.numbers import nested_array, parsed_json
from service.api.openinference.datatypes import (
    ACCEPTED,
    BYTES,
    ONLY_BINARY,
    datatype_of,
    dtype_of,
    elements,
    from_bytes,
)
from service.api.openinference.form import loaded_form
from service.api.room import Room
from service.errors import MalformedBodyError, MisfitError, TooLargeError, UnsupportedBodyError
from service.model.card import ModelCard
from service.serving.examples import Example, Numbers, Part, Picture

HEADER_LENGTH = "Inference-Header-Content-Length"
_MOST_ELEMENTS = 2**31
_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True)
class WantedOutput:
    """How one output is to be answered: in binary or in JSON, and as that many classes where `classes` is not 0."""

    name: str
    is_binary: bool
    classes: int = 0


@dataclass(frozen=True, slots=True)
class InferRequest:
    """An inference request: examples for the model, the outputs to answer with, and the seconds it may take."""

    examples: tuple[Example, ...]
    outputs: tuple[WantedOutput, ...]
    id: str | None = None
    timeout: float | None = None


def read_request(request: Request, card: ModelCard, *, max_bytes: int, room: Room) -> InferRequest:
    """Return what a request asks of the model of `card`; `max_bytes` bounds a compressed body's own size.

    Raises MalformedBodyError, MisfitError, TooLargeError or UnsupportedBodyError.
    """
    body = memoryview(_inflated(request, max_bytes))
    length = _header_length(request, len(body))
    if length == 0:
        return _raw_request(body, card)
    head = body if length is None else body[:length]
    tail = body[0:0] if length is None else body[length:]
    asked = loaded_form(parsed_json(bytes(head)), card)
    parts = _parts(asked["inputs"], tail, card, room)
    return InferRequest(_examples(parts), _wanted(asked, card), _identifier(asked), _timeout(asked["parameters"]))


def _timeout(parameters: Mapping[str, Any]) -> float | None:
    """Return the seconds that the parameter `timeout` (microseconds, 0 for none) allows."""
    given = parameters.get("timeout", 0)
    if isinstance(given, bool) or not isinstance(given, int) or given < 0:
        raise MalformedBodyError("The parameter timeout must be a whole number of microseconds, 0 for none.")
    return given / _MICROSECONDS if given else None


def _identifier(asked: Mapping[str, Any]) -> str | None:
    found: str | None = asked.get("id")
    if found is not None and not found.isprintable():
        raise MalformedBodyError("The id must be of printable characters.")
    return found


def _inflated(request: Request, max_bytes: int) -> bytes:
    encoding = (request.content_encoding or "identity").strip().lower()
    data = request.get_data(cache=False)
    if encoding in ("", "identity"):
        return data
    if encoding not in ("gzip", "deflate"):
        raise UnsupportedBodyError(f"Content-Encoding {encoding} is not taken; send gzip, deflate or none.")
    inflater = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16 if encoding == "gzip" else zlib.MAX_WBITS)
    try:
        inflated = inflater.decompress(data, max_bytes + 1)
    except zlib.error as error:
        raise MalformedBodyError(f"The body is no {encoding} data.") from error
    if len(inflated) > max_bytes:
        raise TooLargeError(f"The body has more than {max_bytes:,} bytes once inflated; send less at a time.")
    if not inflater.eof:
        raise MalformedBodyError(f"The {encoding} data breaks off; send the body whole.")
    return inflated


def _header_length(request: Request, total: int) -> int | None:
    given = request.headers.get(HEADER_LENGTH)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 12) or int(given) > total:
        raise MalformedBodyError(f"inference header size should be in range (0, {total}), got: {given[:32]}")
    return int(given)


def _raw_request(body: memoryview, card: ModelCard) -> InferRequest:
    """Return the request of a body that is nothing but the tensor of the only input, with a batch of one."""
    if len(card.inputs) != 1:
        raise MisfitError("A raw binary request is for models of one input; send JSON with the names of the inputs.")
    (one,) = card.inputs
    if None in one.spec.item_shape:
        raise MisfitError(f"Input {one.spec.name} has a free size; send JSON with the shape.")
    shape = [1, *(axis or 0 for axis in one.spec.item_shape)]
    array = from_bytes(body, datatype_of(one.spec.dtype), math.prod(shape)).reshape(shape)
    outputs = tuple(WantedOutput(output.spec.name, is_binary=True) for output in card.outputs)
    return InferRequest((Example({one.spec.name: Numbers(array)}),), outputs)


def _parts(inputs: list[dict[str, Any]], tail: memoryview, card: ModelCard, room: Room) -> dict[str, list[Part]]:
    """Return the parts of each input: one of numbers, or one for each encoded image."""
    known = {one.spec.name for one in card.inputs}
    parts: dict[str, list[Part]] = {}
    position = 0
    for one in inputs:
        if one["name"] not in known:
            raise MisfitError(f"unexpected inference input '{one['name']}'; this model has {', '.join(sorted(known))}.")
        size = _binary_size(one, len(tail) - position)
        data = None if size is None else tail[position : position + size]
        position += size or 0
        parts[one["name"]] = _tensor(one, data, room)
    if position != len(tail):
        raise MalformedBodyError(f"{len(tail) - position} bytes follow the tensors that the request describes.")
    missing = sorted(known - parts.keys())
    if missing:
        raise MisfitError(f"expected {len(known)} inputs but got {len(parts)}; missing: {', '.join(missing)}.")
    return parts


def _binary_size(one: Mapping[str, Any], left: int) -> int | None:
    size = one["parameters"].get("binary_data_size")
    if size is None:
        return None
    if type(size) is not int or not 0 <= size <= left:
        raise MalformedBodyError(f"Input {one['name']} says {size} bytes of binary data, of which {left} are there.")
    return size


def _tensor(one: Mapping[str, Any], data: memoryview | None, room: Room) -> list[Part]:
    datatype, shape = one["datatype"], one["shape"]
    if datatype not in ACCEPTED:
        raise MisfitError(f"Input {one['name']} has datatype {datatype}; known are {', '.join(ACCEPTED)}.")
    count = math.prod(shape)
    if count > _MOST_ELEMENTS:
        raise TooLargeError(f"Input {one['name']} has over {_MOST_ELEMENTS:,} elements; send fewer at a time.")
    if data is None and "data" not in one:
        raise MalformedBodyError(f"Input {one['name']} has neither data nor parameters.binary_data_size.")
    if datatype == BYTES:
        room.check_images(count)
        encoded = elements(data, count) if data is not None else _json_elements(one, count)
        return [Picture(image) for image in encoded]
    array = _json_numbers(one, count) if data is None else from_bytes(data, datatype, count)
    return [Numbers(array.reshape(shape))]


def _json_numbers(one: Mapping[str, Any], count: int) -> NDArray[Any]:
    if one["datatype"] in ONLY_BINARY:
        raise MisfitError(
            f"sending {one['datatype']} data via JSON is not supported. Please use the binary data format for input "
            f"{one['name']}."
        )
    if not isinstance(one["data"], list):
        raise MalformedBodyError(f"The data of input {one['name']} must be a list of numbers.")
    array = nested_array(one["data"]) if one["data"] else np.empty(0)
    if array.size != count:
        raise MisfitError(f"Input {one['name']} holds {array.size} values, its shape {one['shape']} {count}.")
    return _as_said(array, one)


def _as_said(array: NDArray[Any], one: Mapping[str, Any]) -> NDArray[Any]:
    """Return JSON numbers in the datatype that is said; raises MisfitError where they do not fit into it."""
    with np.errstate(over="ignore", invalid="ignore"):
        cast = array.astype(dtype_of(one["datatype"]))
    is_rounding = cast.dtype.kind == "f" and array.dtype.kind in "fiub" and bool(np.isfinite(cast).all())
    if not is_rounding and not np.array_equal(cast.astype(array.dtype), array):
        raise MisfitError(f"The data of input {one['name']} does not fit into {one['datatype']}.")
    return cast


def _json_elements(one: Mapping[str, Any], count: int) -> list[bytes]:
    data = one["data"]
    texts = data if isinstance(data, list) else [data]
    while texts and all(isinstance(text, list) for text in texts):
        texts = [text for row in texts for text in row]
    if len(texts) != count or not all(isinstance(text, str) for text in texts):
        raise MisfitError(f"Input {one['name']} of BYTES must hold {count} images as base64 text.")
    return [base64_image(text) for text in texts]


def _examples(parts: Mapping[str, list[Part]]) -> tuple[Example, ...]:
    counts = {name: len(found) for name, found in parts.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise MisfitError(f"The inputs hold different numbers of examples ({listed}).")
    rows = zip(*parts.values(), strict=True)
    return tuple(Example(dict(zip(parts, row, strict=True))) for row in rows)


def _wanted(asked: Mapping[str, Any], card: ModelCard) -> tuple[WantedOutput, ...]:
    known = [one.spec.name for one in card.outputs]
    by_default = asked["parameters"].get("binary_data_output", False) is True
    if not asked.get("outputs"):
        return tuple(WantedOutput(name, is_binary=by_default) for name in known)
    return tuple(_wanted_output(one, known, by_default=by_default) for one in asked["outputs"])


def _wanted_output(one: Mapping[str, Any], known: list[str], *, by_default: bool) -> WantedOutput:
    if one["name"] not in known:
        raise MisfitError(f"unexpected inference output '{one['name']}'; this model has {', '.join(known)}.")
    classes = one["parameters"].get("classification", 0)
    if type(classes) is not int or classes < 0:
        raise MisfitError(f"classification of output {one['name']} must be a number of classes, such as 3.")
    is_binary = one["parameters"].get("binary_data", by_default) is True
    return WantedOutput(one["name"], is_binary=is_binary, classes=classes)
