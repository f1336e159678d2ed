"""Owns the use case: examples in, answers out, through the recipe, the engine and the head."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import RequestError, TooLargeError
from service.image.decode import ImageLimits
from service.model.card import OutputCard
from service.model.head import Answer, PlainNumbers, as_numbers, interpret
from service.serving.admission import check_deadline
from service.serving.examples import Example, Origin, Picture, Prediction, Result, Timings
from service.serving.live_model import LiveModel
from service.serving.polarity_watch import PolarityWatch
from service.serving.preparation import Prepared, filename_of, prepare
from service.serving.statistics import Recorder, recorded

GATHERED_BYTES = 64 * 2**20
"""Decoded pictures held at a time; a request with more is answered in several runs."""
ROWS = 1024
"""Examples whose answers are made between two looks at the clock."""
MAP_ROWS = 8
MAP_NUMBERS = 10_000_000
"""Numbers of maps after which a request is answered no further; JSON takes some ten bytes for each."""


class Predictor:
    """Answers examples with live models."""

    def __init__(self, *, limits: ImageLimits, max_examples: int, recorder: Recorder | None = None) -> None:
        self._limits = limits
        self._max_examples = max_examples
        self._recorder = recorder
        self._polarity = PolarityWatch()

    def predict(self, model: LiveModel, examples: Iterable[Example], *, top_k: int, deadline: float) -> Result:
        """Answer each example; one that cannot be answered carries its error and the others are answered.

        `top_k` ranks that many classes; `deadline` is a `time.monotonic()` value. Raises DeadlineExceededError, and
        TooLargeError where the request holds more than `max_examples` examples.
        """
        run = _Run(model, self._limits, self._max_examples, top_k, deadline, self._polarity)
        with recorded(self._recorder, model.key) as record:
            for example in examples:
                run.add(example)
            run.flush()
            result = Result(model.card, tuple(run.predictions), run.timings)
            record(result.answered, result.timings)
        return result


class _Run:
    """One request on its way: prepares example after example, runs a batch whenever enough have gathered."""

    def __init__(
        self,
        model: LiveModel,
        limits: ImageLimits,
        max_examples: int,
        top_k: int,
        deadline: float,
        polarity: PolarityWatch,
    ) -> None:
        self.timings = Timings()
        self.predictions: list[Prediction] = []
        self._model = model
        self._limits = limits
        self._room = max_examples
        self._maps = [one.spec.name for one in model.card.outputs if one.classes is None]
        self._map_numbers = 0
        self._top_k = top_k
        self._deadline = deadline
        self._polarity = polarity
        self._gathered: list[Prepared] = []
        self._held = 0

    def add(self, example: Example) -> None:
        """Prepare an example; answers come in the order in which examples are added."""
        check_deadline(self._deadline)
        began = time.monotonic()
        try:
            prepared = self._watched(prepare(example, self._model.card, limits=self._limits), example)
        except RequestError as error:
            self.flush()
            self.predictions.append(Prediction(Origin(filename_of(example)), error=error))
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

    def _gather(self, prepared: Prepared) -> None:
        if self._gathered and self._gathered[0].shapes != prepared.shapes:
            self.flush()
        self._gathered.append(prepared)
        self._held += prepared.nbytes
        if self._held > GATHERED_BYTES:
            self.flush()

    def _answer(self, rows: Mapping[str, NDArray[Any]], sources: list[Prepared]) -> None:
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
        check_deadline(self._deadline)

    def _infer(self, rows: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        began = time.monotonic()
        outputs, waited = self._model.run(rows, deadline=self._deadline)
        self.timings.wait += waited
        self.timings.infer += time.monotonic() - began - waited
        return outputs

    def _watched(self, prepared: Prepared, example: Example) -> Prepared:
        """Return a picture's inputs with a warning where it is dark on light and the model learned light on dark."""
        if not any(isinstance(part, Picture) for part in example.parts.values()):
            return prepared
        (warning,) = self._polarity.warnings(next(iter(prepared.arrays.values())), self._model)
        return prepared if warning is None else replace(prepared, warnings=(*prepared.warnings, warning))

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


def _stacked(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)


def _answers(rows: NDArray[Any], output: OutputCard, top_k: int) -> list[Answer] | list[PlainNumbers]:
    if output.classes is None:
        return as_numbers(rows)
    return interpret(rows, head=output.head, labels=output.labels, top_k=top_k, threshold=output.threshold)
