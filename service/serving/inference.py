"""Owns the use case of the dialects that give a model's own outputs: examples in, raw outputs out, all or none."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from service.errors import MisfitError, RequestError, TooLargeError
from service.image.decode import ImageLimits
from service.model.card import ModelCard
from service.serving.ahead import Ahead, Coming
from service.serving.examples import Example, Timings
from service.serving.gathering import Batch, Gathering
from service.serving.live_model import LiveModel, joined
from service.serving.predicted import predicted_in_outputs
from service.serving.preparation import Prepared, prepare
from service.serving.statistics import Account, Recorder, recorded

MAX_OUTPUT_VALUES = 10_000_000
"""Values that the outputs of one request may hold: some 100 MB of JSON."""


@dataclass(frozen=True, slots=True)
class Inference:
    """A model's own outputs for a request: (N, *item) by output name in the model's order, N the rows of all examples.

    `warnings` are those of the examples, each once.
    """

    card: ModelCard
    outputs: Mapping[str, NDArray[Any]]
    timings: Timings
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of rows."""
        return len(next(iter(self.outputs.values())))


class BadExampleError(RequestError):
    """One example of a request cannot be answered; `index` is its place and `error` says why."""

    def __init__(self, index: int, error: RequestError) -> None:
        super().__init__(error.message)
        self.index = index
        self.error = error


class Inferrer:
    """Runs live models on examples and gives their outputs as they are."""

    def __init__(self, *, limits: ImageLimits, max_examples: int, recorder: Recorder | None = None) -> None:
        self._limits = limits
        self._max_examples = max_examples
        self._recorder = recorder
        self._ahead = Ahead()

    def infer(self, model: LiveModel, examples: Iterable[Example], *, deadline: float) -> Inference:
        """Return the outputs for all examples in their order; `deadline` is a `time.monotonic()` value.

        Raises BadExampleError for the first example that cannot be answered, MisfitError where examples have different
        sizes or there is none, TooLargeError, DeadlineExceededError.
        """
        account = Account(model.key)
        run = _Run(model, account, max_examples=self._max_examples, deadline=deadline)
        with recorded(self._recorder, account):
            coming = self._ahead.coming(examples, lambda one: prepare(one, model.card, limits=self._limits))
            for index, one in enumerate(coming):
                run.add(index, one)
            found = run.finished()
            account.examples = found.count
            account.predicted = predicted_in_outputs(found.card, found.outputs)
        return found


class _Run:
    def __init__(self, model: LiveModel, account: Account, *, max_examples: int, deadline: float) -> None:
        self._model = model
        self._account = account
        self._gathering = Gathering(model, self._infer, account, max_examples=max_examples, deadline=deadline)
        self._parts: list[Batch] = []
        self._values = 0
        self._warnings: dict[str, None] = {}
        self._shapes: tuple[tuple[int, ...], ...] | None = None

    def add(self, index: int, coming: Coming) -> None:
        try:
            prepared = self._gathering.prepared(coming, check=self._of_one_shape)
        except RequestError as error:
            self._account.rejected.append(error)
            raise BadExampleError(index, error) from error
        self._warnings |= dict.fromkeys(prepared.warnings)
        self._gathering.take(prepared)

    def finished(self) -> Inference:
        self._gathering.flush()
        if not self._parts:
            raise MisfitError("The request holds no example; send at least one.")
        found = joined(self._parts)
        outputs = {one.spec.name: found[one.spec.name] for one in self._model.card.outputs}
        return Inference(self._model.card, outputs, self._account.timings, tuple(self._warnings))

    def _of_one_shape(self, prepared: Prepared) -> Prepared:
        if self._shapes not in (None, prepared.shapes):
            raise MisfitError(
                "Its size differs from that of the examples before it; send them in requests of their own."
            )
        self._shapes = prepared.shapes
        return prepared

    def _infer(self, batch: Batch, _: Sequence[Prepared]) -> None:
        outputs = self._gathering.run(batch)
        self._parts.append(outputs)
        self._values += sum(output.size for output in outputs.values())
        if self._values > MAX_OUTPUT_VALUES:
            raise TooLargeError(
                f"The outputs hold more than {MAX_OUTPUT_VALUES:,} numbers in all; send fewer examples."
            )
