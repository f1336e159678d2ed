"""Owns answering the pictures of a part: through the recipe, the engine and the head, as a server does."""

import os
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from service.errors import RequestError
from service.image.decode import FORMATS, ImageLimits
from service.image.pipeline import PreparedImage, picture_to_input
from service.model.card import OutputCard
from service.model.head import to_class_values
from service.offline.answering import NO_DEADLINE
from service.offline.archive.answers import Answers, OutputAnswers, answering_outputs
from service.offline.archive.child import NOWHERE
from service.offline.archive.inputs import PictureInput, picture_inputs
from service.serving.gathering import GATHERED_BYTES
from service.serving.live_model import LiveModel
from service.serving.polarity_watch import PolarityWatch

AtWork = Callable[[int], None]
_NO_SIZE = (0, 0)
_PLACES = {name: place for place, name in enumerate(FORMATS)}


class Classifier:
    """Answers pictures by path with one model."""

    def __init__(self, model: LiveModel, *, limits: ImageLimits) -> None:
        self.outputs = answering_outputs(model.card)
        self._model = model
        self._limits = limits
        self._polarity = PolarityWatch()

    def classify(
        self,
        root: bytes,
        paths: Sequence[bytes],
        *,
        at_work: AtWork = lambda _: None,
        skipped: Mapping[int, str] | None = None,
    ) -> Answers:
        """Answer the files at `paths` below `root`; one that cannot be answered has its error, and the others go on.

        `at_work` is told the row of each file before it is touched, and NOWHERE while the engine runs. `skipped` gives
        by row the error of files that must not be touched.
        """
        run = _Run(self._model, self.outputs, self._limits, self._polarity, at_work, len(paths))
        reasons = skipped or {}
        for row, path in enumerate(paths):
            at_work(row)
            if row in reasons:
                run.refuse([row], reasons[row])
            else:
                run.add(row, root + b"/" + path)
        return run.finished(paths)


def _bytes_of(path: bytes, *, at_most: int) -> bytes:
    # NOTE: what was a file when it was listed may be a pipe by now, which nobody ever writes to.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        return _whole(descriptor, min(os.fstat(descriptor).st_size, at_most))
    finally:
        os.close(descriptor)


def _whole(descriptor: int, size: int) -> bytes:
    data = os.read(descriptor, size)
    while len(data) < size and (more := os.read(descriptor, size - len(data))):
        data += more
    return data


class _Run:
    """One part on its way: inputs of one shape are held, and run when they are many, or another shape comes.

    NOTE: what a server does for the examples of one request (`serving.gathering`) allows for numbers, for several parts
    of an example and for a client that waits; for small pictures that is a tenth of the time.
    """

    def __init__(
        self,
        model: LiveModel,
        outputs: Sequence[OutputCard],
        limits: ImageLimits,
        polarity: PolarityWatch,
        at_work: AtWork,
        rows: int,
    ) -> None:
        self._model = model
        self._inputs = picture_inputs(model.card)
        self._limits = limits
        self._polarity = polarity
        self._at_work = at_work
        self._outputs = outputs
        self._values = {one.spec.name: np.full((rows, len(one.labels)), np.nan, np.float32) for one in outputs}
        self._sizes = [_NO_SIZE] * rows
        self._formats = [-1] * rows
        self._errors: dict[int, str] = {}
        self._warnings: Counter[str] = Counter()
        self._rows: list[int] = []
        self._held: list[list[PreparedImage]] = []
        self._shapes: list[tuple[int, ...]] = []
        self._room = GATHERED_BYTES

    def refuse(self, rows: Sequence[int], reason: str) -> None:
        self._errors |= dict.fromkeys(rows, reason)

    def add(self, row: int, path: bytes) -> None:
        try:
            data = _bytes_of(path, at_most=self._limits.max_bytes + 1)
            prepared = [self._prepared(data, one) for one in self._inputs]
        except OSError as error:
            self.refuse([row], f"The file cannot be read: {error.strerror}.")
        except RequestError as error:
            self.refuse([row], error.message)
        else:
            self._take(row, prepared)

    def _prepared(self, data: bytes, one: PictureInput) -> PreparedImage:
        return picture_to_input(data, recipe=one.recipe, layout=one.layout, dtype=one.dtype, limits=self._limits)

    def _take(self, row: int, prepared: list[PreparedImage]) -> None:
        shapes = [one.array.shape for one in prepared]
        if shapes != self._shapes or self._room < 0:
            self._flush()
            self._shapes = shapes
        self._rows.append(row)
        self._held.append(prepared)
        self._room -= sum(one.array.nbytes for one in prepared)
        self._sizes[row] = prepared[0].size
        self._formats[row] = _PLACES[prepared[0].format]

    def _flush(self) -> None:
        rows, held = self._rows, self._held
        self._rows, self._held, self._room = [], [], GATHERED_BYTES
        if not rows:
            return
        self._at_work(NOWHERE)
        columns = zip(self._inputs, zip(*held, strict=True), strict=True)
        batch = {one.name: np.stack([each.array for each in column]) for one, column in columns}
        try:
            outputs, _ = self._model.run(batch, deadline=time.monotonic() + NO_DEADLINE)
        except RequestError as error:  # a size that the model cannot run on
            self.refuse(rows, error.message)
            return
        for output in self._outputs:
            self._values[output.spec.name][rows] = to_class_values(outputs[output.spec.name], output.head)
        self._warnings.update(filter(None, self._polarity.warnings(next(iter(batch.values())), self._model)))

    def finished(self, paths: Sequence[bytes]) -> Answers:
        self._flush()
        self._at_work(NOWHERE)
        return Answers(
            paths=tuple(map(_shown, paths)),
            sizes=np.array(self._sizes, np.int32).reshape(-1, 2),
            formats=np.array(self._formats, np.int32),
            errors=self._errors,
            outputs=tuple(OutputAnswers(one, self._values[one.spec.name]) for one in self._outputs),
            warnings=self._warnings,
        )


def _shown(path: bytes) -> str:
    """Return a path as text; bytes that are no UTF-8 become their numbers."""
    return path.decode("utf-8", "backslashreplace")
