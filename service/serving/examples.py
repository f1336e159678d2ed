"""Owns the values of a request on its way: examples in, predictions out."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from service.errors import RequestError
from service.model.card import ModelCard
from service.model.head import Answer, PlainNumbers

ANY_INPUT = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image, with the name of the file it came in where it had one."""

    data: bytes
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array of one example or a batch of them, any numeric dtype, with the name of its file where it had one."""

    array: NDArray[Any]
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A part that could not even be read; its error becomes the answer, and the other examples have theirs."""

    error: RequestError


Part = Picture | Numbers | Unusable


@dataclass(frozen=True, slots=True)
class Example:
    """What feeds the model once: parts by input name; the name "" feeds every input."""

    parts: Mapping[str, Part]

    @classmethod
    def of(cls, part: Part) -> "Example":
        """Return an example of one part that feeds every input."""
        return cls({ANY_INPUT: part})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer came from; `format` and `size` are a picture's, None for numbers.

    `size` is (height, width) in pixels as stored in the file.
    """

    filename: str | None = None
    format: str | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One example's answers by output name, or the error that kept it from having any."""

    origin: Origin
    answers: Mapping[str, Answer | PlainNumbers] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    error: RequestError | None = None


@dataclass(slots=True)
class Timings:
    """Seconds spent per stage of a request; `wait` is for the engine's turn."""

    decode: float = 0.0
    wait: float = 0.0
    infer: float = 0.0


@dataclass(frozen=True, slots=True)
class Result:
    """The answers to a request, in the order of its examples."""

    card: ModelCard
    predictions: tuple[Prediction, ...]
    timings: Timings

    @property
    def answered(self) -> int:
        """Return how many examples have an answer."""
        return sum(one.error is None for one in self.predictions)
