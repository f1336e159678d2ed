"""Owns the use case of the dialects that give a model's own outputs: examples in, raw outputs out, all or none."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError, RequestError, TooLargeError
from service.image.decode import ImageLimits
from service.model.card import ModelCard
from service.serving.admission import check_deadline
from service.serving.examples import Example, Timings
from service.serving.live_model import LiveModel
from service.serving.preparation import Prepared, prepare
from service.serving.statistics import Recorder, recorded

GATHERED_BYTES = 64 * 2**20
"""Decoded inputs held at a time; a request with more is run in several batches."""
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

    def infer(self, model: LiveModel, examples: Iterable[Example], *, deadline: float) -> Inference:
        """Return the outputs for all examples in their order; `deadline` is a `time.monotonic()` value.

        Raises BadExampleError for the first example that cannot be answered, MisfitError where examples have different
        sizes or there is none, TooLargeError, DeadlineExceededError.
        """
        run = _Run(model, self._limits, self._max_examples, deadline)
        with recorded(self._recorder, model.key) as record:
            for index, example in enumerate(examples):
                run.add(index, example)
            found = run.finished()
            record(found.count, found.timings)
        return found


class _Run:
    def __init__(self, model: LiveModel, limits: ImageLimits, max_examples: int, deadline: float) -> None:
        self._model = model
        self._limits = limits
        self._room = max_examples
        self._deadline = deadline
        self._timings = Timings()
        self._gathered: list[Prepared] = []
        self._held = 0
        self._parts: list[dict[str, NDArray[Any]]] = []
        self._values = 0
        self._warnings: dict[str, None] = {}
        self._shapes: tuple[tuple[int, ...], ...] | None = None

    def add(self, index: int, example: Example) -> None:
        check_deadline(self._deadline)
        began = time.monotonic()
        try:
            prepared = prepare(example, self._model.card, limits=self._limits)
            self._check_shapes(prepared)
        except RequestError as error:
            raise BadExampleError(index, error) from error
        finally:
            self._timings.decode += time.monotonic() - began
        self._take(prepared)

    def finished(self) -> Inference:
        self._flush()
        if not self._parts:
            raise MisfitError("The request holds no example; send at least one.")
        names = [one.spec.name for one in self._model.card.outputs]
        outputs = {name: _joined([part[name] for part in self._parts]) for name in names}
        return Inference(self._model.card, outputs, self._timings, tuple(self._warnings))

    def _check_shapes(self, prepared: Prepared) -> None:
        if self._shapes not in (None, prepared.shapes):
            raise MisfitError(
                "Its size differs from that of the examples before it; send them in requests of their own."
            )
        self._shapes = prepared.shapes

    def _take(self, prepared: Prepared) -> None:
        self._room -= prepared.count
        if self._room < 0:
            raise TooLargeError("The request holds more examples than are taken at a time; send fewer per request.")
        self._warnings |= dict.fromkeys(prepared.warnings)
        self._gathered.append(prepared)
        self._held += prepared.nbytes
        if self._held > GATHERED_BYTES:
            self._flush()

    def _flush(self) -> None:
        gathered, self._gathered, self._held = self._gathered, [], 0
        if not gathered:
            return
        batch = {name: _joined([one.arrays[name] for one in gathered]) for name in gathered[0].arrays}
        began = time.monotonic()
        outputs, waited = self._model.run(batch, deadline=self._deadline)
        self._timings.wait += waited
        self._timings.infer += time.monotonic() - began - waited
        self._parts.append(outputs)
        self._values += sum(output.size for output in outputs.values())
        if self._values > MAX_OUTPUT_VALUES:
            raise TooLargeError(
                f"The outputs hold more than {MAX_OUTPUT_VALUES:,} numbers in all; send fewer examples."
            )


def _joined(arrays: list[NDArray[Any]]) -> NDArray[Any]:
    return arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
