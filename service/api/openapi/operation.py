"""Owns what is said of one operation: its summary, its query, the bodies it takes and the answers it gives."""

from dataclasses import dataclass, field
from typing import Any, Literal

from marshmallow import Schema

JSON, PNG, NPY, TEXT = "application/json", "image/png", "application/x-npy", "text/plain"
PICTURES = ("image/jpeg", "image/png", "image/webp", "image/bmp", "image/gif", "image/tiff")
BINARY: dict[str, Any] = {"type": "string", "format": "binary"}
Tag = Literal[
    "native", "health", "TensorFlow Serving and KServe v1", "Open Inference Protocol v2", "Hugging Face", "clouds"
]


@dataclass(frozen=True, slots=True)
class Content:
    """One form of a body; `shape` is a marshmallow schema or a JSON schema, `example` names one of `examples.json`."""

    kind: str
    shape: type[Schema] | dict[str, Any]
    example: str | None = None
    is_list: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of one status."""

    description: str
    content: tuple[Content, ...] = ()


@dataclass(frozen=True, slots=True)
class Operation:
    """What one endpoint does. `errors` are statuses whose body is the dialect's form of an error."""

    tag: Tag
    summary: str
    description: str = ""
    query: type[Schema] | None = None
    body: tuple[Content, ...] = ()
    is_body_needed: bool = True
    answers: dict[int, Answer] = field(default_factory=dict)
    errors: tuple[int, ...] = ()


def in_json(
    shape: type[Schema], description: str, *, example: str | None = None, status: int = 200
) -> dict[int, Answer]:
    """Return an answer in JSON."""
    return {status: Answer(description, (Content(JSON, shape, example),))}
