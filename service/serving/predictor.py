"""Owns the use case: examples in, answers out, through the recipe, the engine and the head."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from numpy.typing import NDArray

from service.errors import RequestError, TooLargeError
from service.image.decode import ImageLimits
from service.model.card import OutputCard
from service.model.head import Answer, PlainNumbers, as_numbers, interpret
from service.serving.admission import check_deadline
from service.serving.ahead import Ahead, Coming
from service.serving.examples import Example, Origin, Picture, Prediction, Result
from service.serving.gathering import Batch, Gathering
from service.serving.live_model import LiveModel
from service.serving.polarity_watch import PolarityWatch
from service.serving.predicted import predicted_in_answers
from service.serving.preparation import Prepared, filename_of, prepare
from service.serving.statistics import Account, Recorder, recorded

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
        self._ahead = Ahead()
        self.polarity = PolarityWatch()

    def predict(self, model: LiveModel, examples: Iterable[Example], *, top_k: int, deadline: float) -> Result:
        """Answer each example; one that cannot be answered carries its error and the others are answered.

        `top_k` ranks that many classes; `deadline` is a `time.monotonic()` value. Raises DeadlineExceededError, and
        TooLargeError where the request holds more than `max_examples` examples.
        """
        account = Account(model.key)
        run = _Run(
            model,
            account,
            max_examples=self._max_examples,
            top_k=top_k,
            deadline=deadline,
            polarity=self.polarity,
        )
        with recorded(self._recorder, account):
            for coming in self._ahead.coming(examples, lambda one: prepare(one, model.card, limits=self._limits)):
                run.add(coming)
            run.gathering.flush()
            result = Result(model.card, tuple(run.predictions), account.timings)
            account.examples = result.answered
            account.predicted = predicted_in_answers(result.predictions)
        return result


class _Run:
    """One request on its way: prepares example after example, answers a batch whenever enough have gathered."""

    def __init__(
        self,
        model: LiveModel,
        account: Account,
        *,
        max_examples: int,
        top_k: int,
        deadline: float,
        polarity: PolarityWatch,
    ) -> None:
        self.predictions: list[Prediction] = []
        self.gathering = Gathering(model, self._run, account, max_examples=max_examples, deadline=deadline)
        self._model = model
        self._maps = [one.spec.name for one in model.card.outputs if one.classes is None]
        self._map_numbers = 0
        self._top_k = top_k
        self._deadline = deadline
        self._polarity = polarity

    def add(self, coming: Coming) -> None:
        """Prepare an example; answers come in the order in which examples are added."""
        try:
            prepared = self.gathering.prepared(coming, check=lambda found: self._watched(found, coming.example))
        except RequestError as error:
            self.gathering.flush()
            self._reject(error, Origin(filename_of(coming.example)))
            return
        self.gathering.take(prepared)

    def _run(self, batch: Batch, gathered: Sequence[Prepared]) -> None:
        sources = [one for one in gathered for _ in range(one.count)]
        step = MAP_ROWS if self._maps else ROWS
        for start in range(0, len(sources), step):
            rows = {name: array[start : start + step] for name, array in batch.items()}
            self._answer(rows, sources[start : start + step])

    def _answer(self, rows: Batch, sources: list[Prepared]) -> None:
        try:
            outputs = self.gathering.run(rows)
        except RequestError as error:  # a size that the model cannot run on: no fault of the other examples
            for source in sources:
                self._reject(error, source.origin)
            return
        self._take_map_numbers(outputs)
        by_output = {
            one.spec.name: _answers(outputs[one.spec.name], one, self._top_k) for one in self._model.card.outputs
        }
        for number, source in enumerate(sources):
            answers = {name: found[number] for name, found in by_output.items()}
            self.predictions.append(Prediction(source.origin, answers, source.warnings))
        check_deadline(self._deadline)

    def _reject(self, error: RequestError, origin: Origin) -> None:
        self.gathering.account.rejected.append(error)
        self.predictions.append(Prediction(origin, error=error))

    def _watched(self, prepared: Prepared, example: Example) -> Prepared:
        """Return a picture's inputs with a warning where it is dark on light and the model learned light on dark."""
        if not any(isinstance(part, Picture) for part in example.parts.values()):
            return prepared
        (warning,) = self._polarity.warnings(next(iter(prepared.arrays.values())), self._model)
        return prepared if warning is None else replace(prepared, warnings=(*prepared.warnings, warning))

    def _take_map_numbers(self, outputs: Mapping[str, NDArray[Any]]) -> None:
        """Raise TooLargeError where the maps before these were enough; the first ones are answered, however large."""
        if self._map_numbers > MAP_NUMBERS:
            raise TooLargeError(
                f"The answers hold more than {MAP_NUMBERS:,} numbers in all; send fewer examples per request."
            )
        self._map_numbers += sum(outputs[name].size for name in self._maps)


def _answers(rows: NDArray[Any], output: OutputCard, top_k: int) -> list[Answer] | list[PlainNumbers]:
    if output.classes is None:
        return as_numbers(rows)
    return interpret(rows, head=output.head, labels=output.labels, top_k=top_k, threshold=output.threshold)
