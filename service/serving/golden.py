"""Owns the replay of golden samples: a loaded model must answer them as expected before it goes live."""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from service.errors import DeadlineExceededError, FolderError, MisfitError
from service.image.decode import ImageLimits
from service.model.card import OutputCard
from service.model.head import Answer, Ranked
from service.repository.golden import MAX_FILES, GoldenFolder
from service.repository.labelled import LabelledPicture, read_labelled
from service.serving.examples import Example, Prediction
from service.serving.live_model import LiveModel
from service.serving.picture_file import picture_at
from service.serving.predictor import Predictor
from service.serving.ranking import classes_output

log = logging.getLogger(__name__)

MAX_PICTURES = 200
SECONDS = 10.0
"""After so long no further pictures are asked for: one watcher looks after all models."""
_AT_ONCE = 8
_SECONDS_AT_ONCE = 60.0
_SHOWN = 3
_SHOWN_LABELS = 5


@dataclass(frozen=True, slots=True)
class Replay:
    """How many golden samples were replayed, and why the model is refused for them, or None."""

    pictures: int
    problem: str | None = None


def replayed(model: LiveModel, golden: GoldenFolder, *, limits: ImageLimits) -> Replay:
    """Ask a model its golden samples as requests would; those it answers otherwise than expected are its problem.

    `MAX_PICTURES` at most, spread evenly over the labels, and none begun after `SECONDS`.
    """
    try:
        output = classes_output(model.card)
        pictures = list(_in_turn(_pictures(golden, output)))
        found = list(_answered(model, pictures, limits))
    except MisfitError:
        return Replay(0, "There are golden samples with labels, and the model has none: remove golden/.")
    except FolderError as error:
        # A diagnosis is shown to strangers, who are to see no path of this machine.
        return Replay(0, f"The golden samples cannot be used. {error.message.replace(str(golden.path), 'golden')}")
    except DeadlineExceededError:
        return Replay(
            0, f"The golden samples cannot be replayed: {_AT_ONCE} took longer than {_SECONDS_AT_ONCE:.0f} s."
        )
    if len(found) < len(pictures):
        log.warning("%s version %d: time for %d of %d golden samples", *model.key, len(found), len(pictures))
    wrong = [told for picture, one in found if (told := _mistake(picture, one, output))]
    return Replay(len(found), _refusal(wrong, len(found)) if wrong else None)


def _pictures(golden: GoldenFolder, output: OutputCard) -> Sequence[LabelledPicture]:
    if golden.files > MAX_FILES:
        raise FolderError(f"golden holds more than {MAX_FILES:,} files; {MAX_PICTURES} are enough.")
    return read_labelled(golden.path, output, limit=MAX_PICTURES).pictures


def _in_turn(pictures: Sequence[LabelledPicture]) -> Iterator[LabelledPicture]:
    """Yield one picture of each class, then another of each: where time is short every class has its turn."""
    by_class: dict[int, list[LabelledPicture]] = defaultdict(list)
    for one in pictures:
        by_class[one.truth].append(one)
    for turn in range(max(map(len, by_class.values()))):
        yield from (own[turn] for own in by_class.values() if turn < len(own))


def _answered(
    model: LiveModel, pictures: Sequence[LabelledPicture], limits: ImageLimits
) -> Iterator[tuple[LabelledPicture, Prediction]]:
    predictor = Predictor(limits=limits, max_examples=_AT_ONCE)
    end = time.monotonic() + SECONDS
    for start in range(0, len(pictures), _AT_ONCE):
        if start and time.monotonic() > end:
            return
        chunk = pictures[start : start + _AT_ONCE]
        # One byte more than a picture may have: what is larger is refused as in a request, and never held whole.
        examples = (Example.of(picture_at(one.path, at_most=limits.max_bytes + 1)) for one in chunk)
        result = predictor.predict(model, examples, top_k=1, deadline=time.monotonic() + _SECONDS_AT_ONCE)
        yield from zip(chunk, result.predictions, strict=True)


def _mistake(picture: LabelledPicture, prediction: Prediction, output: OutputCard) -> str | None:
    """Return what is wrong with an answer, or None where it is the one expected."""
    if prediction.error is not None:
        return f"{picture.name}: {prediction.error.message}"
    answer = prediction.answers[output.spec.name]
    assert isinstance(answer, Answer)
    given = (answer.best,) if answer.chosen is None else answer.chosen
    if any(one.index == picture.truth for one in given):
        return None
    what = "probability" if answer.is_probability else "score"
    return f"{picture.name}: expected {output.labels[picture.truth]!r}, answered {_listed(given, what)}."


def _listed(given: Sequence[Ranked], what: str) -> str:
    shown = [f"{one.label!r} ({what} {_number(one.value)})" for one in given[:_SHOWN_LABELS]]
    return ", ".join(shown) + (", …" if len(given) > _SHOWN_LABELS else "") or "no label"


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.3g}"


def _refusal(wrong: Sequence[str], count: int) -> str:
    more = f" And {len(wrong) - _SHOWN} more." if len(wrong) > _SHOWN else ""
    return (
        f"Refused by its golden samples: {len(wrong)} of {count} are not answered as expected. "
        f"{' '.join(wrong[:_SHOWN])}{more} Mend the model, its labels or preprocessing, or the samples."
    )
