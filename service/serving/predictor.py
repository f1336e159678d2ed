"""Owns the use case: examples in, answers out, through the recipe, the engine and the head."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import DeadlineExceededError, MisfitError, RequestError, TooLargeError
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.image.reshape import numbers_to_batch, range_warning
from service.model.card import ModelCard, OutputCard
from service.model.head import Answer, PlainNumbers, as_numbers, interpret
from service.model.input_card import InputCard
from service.serving.examples import (
    ANY_INPUT,
    Example,
    Numbers,
    Origin,
    Part,
    Picture,
    Prediction,
    Result,
    Timings,
    Unusable,
)
from service.serving.live_model import LiveModel

GATHERED_BYTES = 64 * 2**20
"""Decoded pictures held at a time; a request with more is answered in several runs."""
ROWS = 1024
"""Examples whose answers are made between two looks at the clock."""
MAP_ROWS = 8
MAP_NUMBERS = 10_000_000
"""Numbers of maps after which a request is answered no further; JSON takes some ten bytes for each."""


class Predictor:
    """Answers examples with live models."""

    def __init__(self, *, limits: ImageLimits, max_examples: int) -> None:
        self._limits = limits
        self._max_examples = max_examples

    def predict(self, model: LiveModel, examples: Iterable[Example], *, top_k: int, deadline: float) -> Result:
        """Answer each example; one that cannot be answered carries its error and the others are answered.

        `top_k` ranks that many classes; `deadline` is a `time.monotonic()` value. Raises DeadlineExceededError, and
        TooLargeError where the request holds more than `max_examples` examples.
        """
        run = _Run(model, self._limits, self._max_examples, top_k, deadline)
        for example in examples:
            run.add(example)
        run.flush()
        return Result(model.card, tuple(run.predictions), run.timings)


@dataclass(frozen=True, slots=True)
class _Prepared:
    """One part of a request as arrays by input name, each (n, *item) with the same n."""

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


class _Run:
    """One request on its way: prepares example after example, runs a batch whenever enough have gathered."""

    def __init__(self, model: LiveModel, limits: ImageLimits, max_examples: int, top_k: int, deadline: float) -> None:
        self.timings = Timings()
        self.predictions: list[Prediction] = []
        self._model = model
        self._limits = limits
        self._room = max_examples
        self._maps = [one.spec.name for one in model.card.outputs if one.classes is None]
        self._map_numbers = 0
        self._top_k = top_k
        self._deadline = deadline
        self._gathered: list[_Prepared] = []
        self._held = 0

    def add(self, example: Example) -> None:
        """Prepare an example; answers come in the order in which examples are added."""
        self._check_time()
        began = time.monotonic()
        try:
            prepared = self._prepare(example)
        except RequestError as error:
            self.flush()
            self.predictions.append(Prediction(Origin(_filename(example)), error=error))
            return
        finally:
            self.timings.decode += time.monotonic() - began
        self._take_room(prepared.count)
        self._gather(prepared)

    def flush(self) -> None:
        """Answer what has gathered."""
        gathered, self._gathered, self._held = self._gathered, [], 0
        if not gathered:
            return
        batch = {name: _stacked([one.arrays[name] for one in gathered]) for name in gathered[0].arrays}
        sources = [one for one in gathered for _ in range(one.count)]
        step = MAP_ROWS if self._maps else ROWS
        for start in range(0, len(sources), step):
            rows = {name: array[start : start + step] for name, array in batch.items()}
            self._answer(rows, sources[start : start + step])

    def _gather(self, prepared: _Prepared) -> None:
        if self._gathered and self._gathered[0].shapes != prepared.shapes:
            self.flush()
        self._gathered.append(prepared)
        self._held += prepared.nbytes
        if self._held > GATHERED_BYTES:
            self.flush()

    def _answer(self, rows: Mapping[str, NDArray[Any]], sources: list[_Prepared]) -> None:
        try:
            outputs = self._infer(rows)
        except RequestError as error:  # a size that the model cannot run on: no fault of the other examples
            self.predictions += [Prediction(source.origin, error=error) for source in sources]
            return
        self._take_map_numbers(outputs)
        by_output = {
            one.spec.name: _answers(outputs[one.spec.name], one, self._top_k) for one in self._model.card.outputs
        }
        for number, source in enumerate(sources):
            answers = {name: found[number] for name, found in by_output.items()}
            self.predictions.append(Prediction(source.origin, answers, source.warnings))
        self._check_time()

    def _infer(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        began = time.monotonic()
        outputs, waited = self._model.run(rows, deadline=self._deadline)
        self.timings.wait += waited
        self.timings.infer += time.monotonic() - began - waited
        return outputs

    def _check_time(self) -> None:
        if time.monotonic() > self._deadline:
            raise DeadlineExceededError("The answer was not ready in time; send fewer images, or try again later.")

    def _take_room(self, count: int) -> None:
        self._room -= count
        if self._room < 0:
            raise TooLargeError("The request holds more examples than are taken at a time; send fewer per request.")

    def _take_map_numbers(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Raise TooLargeError where the maps before these were enough; the first ones are answered, however large."""
        if self._map_numbers > MAP_NUMBERS:
            raise TooLargeError(
                f"The answers hold more than {MAP_NUMBERS:,} numbers in all; send fewer examples per request."
            )
        self._map_numbers += sum(outputs[name].size for name in self._maps)

    def _prepare(self, example: Example) -> _Prepared:
        _check_names(example, self._model.card)
        arrays: dict[str, NDArray[Any]] = {}
        origin, warnings = Origin(_filename(example)), []
        for one in self._model.card.inputs:
            part = _readable(example.parts.get(one.spec.name, example.parts.get(ANY_INPUT)))
            if isinstance(part, Picture):
                arrays[one.spec.name], origin = self._decoded(part, one)
            else:
                arrays[one.spec.name] = numbers_to_batch(part.array, one.spec, one.layout)
                warnings.append(range_warning(arrays[one.spec.name], one.recipe))
        _check_counts(arrays)
        return _Prepared(origin, arrays, tuple(filter(None, warnings)))

    def _decoded(self, picture: Picture, card: InputCard) -> tuple[NDArray[Any], Origin]:
        if card.layout is None or card.recipe is None:
            raise MisfitError(
                f"Input {card.spec.name} of shape {list(card.spec.shape)} takes no pictures; send numbers."
            )
        prepared = picture_to_input(
            picture.data, recipe=card.recipe, layout=card.layout, dtype=card.spec.dtype, limits=self._limits
        )
        return prepared.array[np.newaxis], Origin(picture.filename, prepared.format, prepared.size)


def _readable(part: Part | None) -> Any:
    if isinstance(part, Unusable):
        raise part.error
    return part


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _answers(rows: NDArray[Any], output: OutputCard, top_k: int) -> list[Answer] | list[PlainNumbers]:
    if output.classes is None:
        return as_numbers(rows)
    return interpret(rows, head=output.head, labels=output.labels, top_k=top_k, threshold=output.threshold)


def _filename(example: Example) -> str | None:
    return next((part.filename for part in example.parts.values() if isinstance(part, Picture | Numbers)), None)


def _check_names(example: Example, card: ModelCard) -> None:
    """Raise MisfitError unless the example feeds every input and names no other."""
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
