"""Owns answering many picture files with a live model: through the predictor, as a server would."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import FolderError, RequestError
from service.model.card import OutputCard
from service.model.head import Answer
from service.offline.errors import UnsuitableModelError
from service.serving.examples import Example, Prediction
from service.serving.live_model import CHUNK, LiveModel
from service.serving.picture_file import picture_at
from service.serving.predictor import Predictor

READERS = 2
"""Threads that decode: Pillow frees the GIL while it does, and one thread at a time runs the engine."""
NO_DEADLINE = 30 * 24 * 3600.0
Tick = Callable[[int], None]


@dataclass(frozen=True, slots=True)
class BadFile:
    """A picture that could not be answered, and why."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """The answers to pictures that had one: their places among those asked, and the arrays of one output.

    `chosen` is the class answered, int64 (N,); `values` one number per class, float32 (N, classes), a probability in
    0..1. `bad` are the others. `notes` count each warning of an answer; `seconds` is the wall time of all of it.
    """

    places: tuple[int, ...]
    chosen: NDArray[np.int64]
    values: NDArray[np.float32]
    bad: tuple[BadFile, ...]
    notes: dict[str, int]
    seconds: float

    @property
    def confidence(self) -> NDArray[np.float64]:
        """Return the probability of the class answered, float64 (N,); 0 where it is not finite."""
        own = self.values[np.arange(len(self.values)), self.chosen].astype(np.float64)
        return np.where(np.isfinite(own), own, 0.0)


def output_with_classes(model: LiveModel) -> OutputCard:
    """Return the output that answers with one class per picture; the first of several.

    Raises UnsuitableModelError where there is none.
    """
    card = model.card
    if not any(one.layout for one in card.inputs):
        raise UnsuitableModelError(f"{card.name} takes numbers, no pictures; a folder of pictures tells nothing of it.")
    reasons = {one.spec.name: _why_unsuitable(one) for one in card.outputs}
    found = next((one for one in card.outputs if reasons[one.spec.name] is None), None)
    if found is None:
        listed = "; ".join(f"output {name} {reason}" for name, reason in reasons.items())
        raise UnsuitableModelError(
            f"{card.name} does not answer with one class per picture: {listed}. "
            "Where that is a mistake, say `head` under [output] in its model.toml."
        )
    return found


def _why_unsuitable(output: OutputCard) -> str | None:
    if output.classes is None:
        return "is a map without classes"
    # Several sigmoids of which nobody said how they were trained: a folder of one class per picture says it.
    if output.head == "multi-label" and output.head_source != "guess":
        return "gives several labels at once (head multi-label)"
    return "gives numbers that are no probabilities (head scores)" if output.head == "scores" else None


def head_notes(output: OutputCard) -> tuple[str, ...]:
    """Return what has to be said of a head that leaves open whether a picture has one class or several."""
    if output.head != "multi-label":
        return ()
    return (
        f"Whether {output.spec.name} gives one class per picture or several is not known; the highest value is taken "
        'as the answer. Say `head = "sigmoid-exclusive"` under [output] in model.toml where that is right.',
    )


def answer_files(
    model: LiveModel, files: Sequence[tuple[Path, str]], *, predictor: Predictor, output: OutputCard, tick: Tick
) -> Answered:
    """Answer picture files, each a path and the name to call it by; `tick` is told how many were dealt with.

    A file that cannot be answered is told of and the others are answered. Raises FolderError where none can be.
    """
    began = time.monotonic()
    predictions: list[Prediction] = []
    for found in _in_chunks(model, [path for path, _ in files], predictor):
        predictions += found
        tick(len(found))
    names = [name for _, name in files]
    return _gathered(predictions, names, output, seconds=time.monotonic() - began)


def _in_chunks(model: LiveModel, paths: Sequence[Path], predictor: Predictor) -> Iterator[tuple[Prediction, ...]]:
    def answered(chunk: Sequence[Path]) -> tuple[Prediction, ...]:
        examples = (Example.of(picture_at(path)) for path in chunk)
        return predictor.predict(model, examples, top_k=1, deadline=time.monotonic() + NO_DEADLINE).predictions

    chunks = [paths[start : start + CHUNK] for start in range(0, len(paths), CHUNK)]
    with ThreadPoolExecutor(READERS) as readers:
        yield from readers.map(answered, chunks)


def _gathered(
    predictions: Sequence[Prediction], names: Sequence[str], output: OutputCard, *, seconds: float
) -> Answered:
    bad = tuple(
        BadFile(name, one.error.message) for one, name in zip(predictions, names, strict=True) if one.error is not None
    )
    places = tuple(place for place, one in enumerate(predictions) if one.error is None)
    if not places:
        raise FolderError(none_good(bad))
    answers = [_answer(predictions[place], output) for place in places]
    return Answered(
        places=places,
        chosen=np.array([one.best.index for one in answers], np.int64),
        values=np.stack([one.values for one in answers]),
        bad=bad,
        notes=_counted(predictions[place] for place in places),
        seconds=seconds,
    )


def none_good(bad: Sequence[BadFile]) -> str:
    """Return the text for a folder of which no picture could be answered."""
    return f"None of the {len(bad)} pictures could be answered. The first, {bad[0].name}: {bad[0].reason}"


def _answer(prediction: Prediction, output: OutputCard) -> Answer:
    answer = prediction.answers[output.spec.name]
    if not isinstance(answer, Answer):  # pragma: no cover (an output with classes has no other kind)
        raise RequestError(f"Output {output.spec.name} has no classes.")
    return answer


def _counted(predictions: Iterator[Prediction]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for one in predictions:
        own = [*one.warnings, *(note for answer in one.answers.values() for note in answer.warnings)]
        for note in dict.fromkeys(own):
            counts[note] = counts.get(note, 0) + 1
    return counts
