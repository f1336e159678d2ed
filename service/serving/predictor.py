"""Owns the use case: examples in, answers out, through the recipe, the engine and the head."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceededError, MisfitError, RequestError
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.image.reshape import numbers_to_batch, range_warning
from service.model.card import InputCard, ModelCard, OutputCard
from service.model.head import Answer, interpret
from service.serving.live_model import LiveModel

BATCH_BYTES = 64 * 2**20
"""Prepared inputs held at a time; a request with more is answered in several runs."""
ANY_INPUT = ""


@dataclass(frozen=True, slots=True)
class Picture:
    """An encoded image, with the name of the file it came in where it had one."""

    data: bytes
    filename: str | None = None


@dataclass(frozen=True, slots=True)
class Numbers:
    """An array of one example or a batch of them, any numeric dtype."""

    array: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Example:
    """What feeds the model once: parts by input name; the name "" feeds every input."""

    parts: Mapping[str, Picture | Numbers]

    @classmethod
    def of(cls, part: Picture | Numbers) -> "Example":
        """Return an example of one part that feeds every input."""
        return cls({ANY_INPUT: part})


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an answer came from: the example's place in the request, and what is known of its picture.

    `size` is (height, width) in pixels as stored in the file.
    """

    index: int
    filename: str | None = None
    format: str | None = None
    size: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Prediction:
    """One example's answers by output name, or the error that kept it from having any."""

    origin: Origin
    answers: Mapping[str, Answer] = field(default_factory=dict)
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


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One example as arrays by input name, each (n, *item) with the same n."""

    origin: Origin
    arrays: Mapping[str, NDArray[Any]]
    warnings: tuple[str, ...]

    @property
    def count(self) -> int:
        return len(next(iter(self.arrays.values())))

    @property
    def nbytes(self) -> int:
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        return tuple(array.shape[1:] for array in self.arrays.values())


class Models(Protocol):
    """Where the predictor gets live models from."""

    def get(self, name: str, version: int | str = "latest") -> LiveModel:
        """Return a live model, or raise why there is none."""
        ...


class Predictor:
    """Answers examples with live models."""

    def __init__(self, models: Models, *, limits: ImageLimits) -> None:
        self._models = models
        self._limits = limits

    def predict(
        self, name: str, version: int | str, examples: Iterable[Example], *, top_k: int, deadline: float
    ) -> Result:
        """Answer each example; one that cannot be answered carries its error and the others are answered.

        `top_k` ranks that many classes; `deadline` is a `time.monotonic()` value. Raises what
        `Registry.get` raises, and DeadlineExceededError.
        """
        model = self._models.get(name, version)
        run = _Run(model, self._limits, top_k, deadline)
        for index, example in enumerate(examples):
            run.add(index, example)
        run.flush()
        return Result(model.card, tuple(run.predictions()), run.timings)


class _Run:
    """One request on its way: prepares example after example, runs a batch whenever enough have gathered."""

    def __init__(self, model: LiveModel, limits: ImageLimits, top_k: int, deadline: float) -> None:
        self.timings = Timings()
        self._model = model
        self._limits = limits
        self._top_k = top_k
        self._deadline = deadline
        self._gathered: list[_Prepared] = []
        self._done: list[list[Prediction]] = []

    def add(self, index: int, example: Example) -> None:
        began = time.monotonic()
        if began > self._deadline:
            raise DeadlineExceededError("The answer was not ready in time; send fewer images, or try again later.")
        try:
            prepared = self._prepare(index, example)
        except RequestError as error:
            origin = Origin(index, _filename(example))
            self._done.append([Prediction(origin, error=error)])
            return
        finally:
            self.timings.decode += time.monotonic() - began
        self._gather(prepared)

    def flush(self) -> None:
        """Run what has gathered."""
        gathered, self._gathered = self._gathered, []
        if not gathered:
            return
        names = gathered[0].arrays
        batch = {name: _stacked([one.arrays[name] for one in gathered]) for name in names}
        outputs = self._infer(batch)
        start = 0
        for one in gathered:
            rows = {name: array[start : start + one.count] for name, array in outputs.items()}
            start += one.count
            self._done.append(self._interpret(one, rows))

    def predictions(self) -> list[Prediction]:
        """Return all answers in the order of the request."""
        return [one for group in sorted(self._done, key=lambda group: group[0].origin.index) for one in group]

    def _gather(self, prepared: _Prepared) -> None:
        held = self._gathered
        if held and held[0].shapes != prepared.shapes:
            self.flush()
        self._gathered.append(prepared)
        if sum(one.nbytes for one in self._gathered[-1:]) + self._held_bytes() > BATCH_BYTES:
            self.flush()

    def _held_bytes(self) -> int:
        return len(self._gathered) * self._gathered[0].nbytes

    def _infer(self, batch: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        began = time.monotonic()
        outputs, waited = self._model.run(batch, deadline=self._deadline)
        self.timings.wait += waited
        self.timings.infer += time.monotonic() - began - waited
        return outputs

    def _interpret(self, prepared: _Prepared, rows: Mapping[str, NDArray[Any]]) -> list[Prediction]:
        by_output = {one.spec.name: _answers(rows[one.spec.name], one, self._top_k) for one in self._model.card.outputs}
        return [
            Prediction(
                prepared.origin,
                {name: answers[number] for name, answers in by_output.items()},
                prepared.warnings,
            )
            for number in range(prepared.count)
        ]

    def _prepare(self, index: int, example: Example) -> _Prepared:
        _check_names(example, self._model.card)
        arrays: dict[str, NDArray[Any]] = {}
        origin, warnings = Origin(index), []
        for one in self._model.card.inputs:
            part = example.parts.get(one.spec.name, example.parts.get(ANY_INPUT))
            if isinstance(part, Picture):
                arrays[one.spec.name], origin = self._decoded(part, one, index)
            elif part is not None:
                arrays[one.spec.name] = numbers_to_batch(part.array, one.spec, one.layout)
                warnings.append(range_warning(arrays[one.spec.name], one.recipe))
        _check_counts(arrays)
        return _Prepared(origin, arrays, tuple(filter(None, warnings)))

    def _decoded(self, picture: Picture, card: InputCard, index: int) -> tuple[NDArray[Any], Origin]:
        if card.layout is None or card.recipe is None:
            raise MisfitError(
                f"Input {card.spec.name} of shape {list(card.spec.shape)} takes no pictures; send numbers."
            )
        prepared = picture_to_input(
            picture.data, recipe=card.recipe, layout=card.layout, dtype=card.spec.dtype, limits=self._limits
        )
        return prepared.array[np.newaxis], Origin(index, picture.filename, prepared.format, prepared.size)


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _answers(rows: NDArray[Any], output: OutputCard, top_k: int) -> list[Answer]:
    return interpret(rows, head=output.head, labels=output.labels, top_k=top_k, threshold=output.threshold)


def _filename(example: Example) -> str | None:
    return next((part.filename for part in example.parts.values() if isinstance(part, Picture)), None)


def _check_names(example: Example, card: ModelCard) -> None:
    known = [one.spec.name for one in card.inputs]
    unknown = [name for name in example.parts if name not in (ANY_INPUT, *known)]
    if unknown:
        raise MisfitError(f"There is no input {unknown[0]!r}; this model has {', '.join(known)}.")
    missing = [name for name in known if name not in example.parts and ANY_INPUT not in example.parts]
    if missing:
        raise MisfitError(f"Nothing was sent for input {', '.join(missing)}; this model has {', '.join(known)}.")


def _check_counts(arrays: Mapping[str, NDArray[Any]]) -> None:
    counts = {name: len(array) for name, array in arrays.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise MisfitError(f"The inputs have different numbers of examples ({listed}); send as many for each.")
