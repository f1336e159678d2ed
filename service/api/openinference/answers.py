"""Owns writing an inference answer: JSON, or JSON with binary tensors behind it; classes where they were asked for."""

import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from flask import Response
from numpy.typing import NDArray

from service.api.openinference.datatypes import BYTES, datatype_of, elements_to_bytes, to_bytes
from service.api.openinference.requests import HEADER_LENGTH, InferRequest, WantedOutput
from service.errors import MisfitError
from service.model.card import OutputCard
from service.model.head import to_class_values
from service.serving.inference import Inference

_COMPRESSORS = {
    "gzip": lambda data: gzip.compress(data, compresslevel=1),
    "deflate": lambda data: zlib.compress(data, 1),
}


@dataclass(frozen=True, slots=True)
class _Answer:
    """One output as it is sent: `entry` without its data, and the data as JSON takes it or as bytes."""

    entry: dict[str, Any]
    data: Any
    binary: bytes | None


def infer_response(asked: InferRequest, found: Inference, *, accept_encoding: str) -> Response:
    """Return the answer to an inference request; raises MisfitError where classes of plain numbers are asked for."""
    cards = {one.spec.name: one for one in found.card.outputs}
    answers = [_answer(one, cards[one.name], found.outputs[one.name]) for one in asked.outputs]
    head = orjson.dumps(_body(asked, found, answers), option=orjson.OPT_SERIALIZE_NUMPY)
    tensors = [one.binary for one in answers if one.binary is not None]
    headers = {HEADER_LENGTH: str(len(head))} if tensors else {}
    kind = "application/octet-stream" if tensors else "application/json"
    body = b"".join([head, *tensors])
    encoding = accept_encoding.strip().lower()
    if encoding in _COMPRESSORS:
        body = _COMPRESSORS[encoding](body)
        headers["Content-Encoding"] = encoding
    return Response(body, mimetype=kind, headers=headers)


def _body(asked: InferRequest, found: Inference, answers: Sequence[_Answer]) -> dict[str, Any]:
    card = found.card
    identity = {} if asked.id is None else {"id": asked.id}
    noted = {"parameters": {"warnings": " ".join(found.warnings)}} if found.warnings else {}
    outputs = [one.entry | ({"data": one.data} if one.binary is None else {}) for one in answers]
    return {**identity, "model_name": card.name, "model_version": str(card.version), **noted, "outputs": outputs}


def _answer(asked: WantedOutput, card: OutputCard, values: NDArray[Any]) -> _Answer:
    if asked.classes:
        return _classes(asked, card, values)
    entry = {"name": asked.name, "datatype": datatype_of(str(values.dtype)), "shape": list(values.shape)}
    if not asked.is_binary:
        return _Answer(entry, np.ascontiguousarray(values).reshape(-1), None)
    data = to_bytes(values)
    return _Answer(entry | {"parameters": {"binary_data_size": len(data)}}, None, data)


def _classes(asked: WantedOutput, card: OutputCard, values: NDArray[Any]) -> _Answer:
    if card.classes is None:
        raise MisfitError(f"Output {asked.name} has no classes; ask for it without classification.")
    texts = [_ranked(row, card.labels, asked.classes) for row in to_class_values(values, card.head)]
    flat = [text for row in texts for text in row]
    entry: dict[str, Any] = {"name": asked.name, "datatype": BYTES, "shape": [len(texts), len(texts[0])]}
    if not asked.is_binary:
        return _Answer(entry, flat, None)
    data = elements_to_bytes(flat)
    return _Answer(entry | {"parameters": {"binary_data_size": len(data)}}, None, data)


def _ranked(values: NDArray[np.float32], labels: Sequence[str], count: int) -> list[str]:
    """Return the highest `count` classes as `value:index:label`, the value as C++'s `std::to_string` prints it."""
    order = np.argsort(np.where(np.isfinite(values), -values, np.inf), kind="stable")[:count]
    return [f"{values[index]:f}:{index}:{labels[index]}" for index in order]
