"""Owns the evaluation of a model on labelled pictures, through the serving path's own preprocessing."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from service.model.card import OutputCard
from service.offline import measures
from service.offline.answering import Answered, BadFile, Tick, answer_files, head_notes
from service.repository.labelled import LabelledFolder, LabelledPicture
from service.serving.live_model import LiveModel
from service.serving.predictor import Predictor

_TOP_FROM = 6
_TOP = 5


@dataclass(frozen=True, slots=True)
class Mistake:
    """A picture answered wrongly, with the probability of the answer and that of the true class."""

    file: str
    truth: str
    answer: str
    probability: float
    probability_of_truth: float


@dataclass(frozen=True, slots=True)
class Confusion:
    """How many pictures of one class were answered as another."""

    truth: str
    answer: str
    pictures: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How a model did on labelled pictures.

    `accuracy` and its 95 % `interval` are 0..1, `log_loss` is in nats, `top_5` is None below six classes.
    `confusion` has a row per true class; `mistakes` begin with the surest.
    """

    pictures: int
    right: int
    interval: tuple[float, float]
    top_5: float | None
    log_loss: float
    calibration_error: float
    classes: tuple[measures.ClassMeasure, ...]
    confusion: tuple[tuple[int, ...], ...]
    mistakes: tuple[Mistake, ...]
    bad: tuple[BadFile, ...]
    warnings: dict[str, int]
    notes: tuple[str, ...]
    seconds: float

    @property
    def accuracy(self) -> float:
        """Return the share of pictures answered with their own class."""
        return self.right / self.pictures

    @property
    def pictures_per_second(self) -> float:
        """Return how many files were read, decoded and answered per second."""
        return (self.pictures + len(self.bad)) / max(self.seconds, 1e-9)

    def confused_pairs(self, count: int) -> list[Confusion]:
        """Return the pairs of classes that are confused most."""
        labels = [one.label for one in self.classes]
        pairs = [
            Confusion(labels[row], labels[column], number)
            for row, numbers in enumerate(self.confusion)
            for column, number in enumerate(numbers)
            if row != column and number
        ]
        return sorted(pairs, key=lambda one: -one.pictures)[:count]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        own = asdict(self)
        own["warnings"] = [{"text": text, "pictures": count} for text, count in self.warnings.items()]
        return {"accuracy": self.accuracy, **own, "pictures_per_second": self.pictures_per_second}


def evaluate(
    model: LiveModel,
    folder: LabelledFolder,
    *,
    predictor: Predictor,
    output: OutputCard,
    worst: int,
    tick: Tick = lambda _: None,
) -> Evaluation:
    """Answer the pictures of a labelled folder and measure the answers; raises FolderError where none can be answered.

    `worst` is the number of mistakes to list; `tick` is told of each number of pictures dealt with.
    """
    files = [(one.path, one.name) for one in folder.pictures]
    answered = answer_files(model, files, predictor=predictor, output=output, tick=tick)
    pictures = [folder.pictures[place] for place in answered.places]
    return _measured(answered, pictures, folder, output, worst)


def _measured(
    answered: Answered, pictures: Sequence[LabelledPicture], folder: LabelledFolder, output: OutputCard, worst: int
) -> Evaluation:
    truth = np.array([one.truth for one in pictures], np.int64)
    right = answered.chosen == truth
    confusion = measures.confusion_matrix(truth, answered.chosen, len(output.labels))
    is_ranked = len(output.labels) >= _TOP_FROM
    return Evaluation(
        pictures=len(pictures),
        right=int(right.sum()),
        interval=measures.wilson_interval(int(right.sum()), len(pictures)),
        top_5=float(measures.is_among_top(answered.values, truth, k=_TOP).mean()) if is_ranked else None,
        log_loss=float(measures.log_losses(answered.values, truth).mean()),
        calibration_error=measures.calibration_error(answered.confidence, right),
        classes=measures.class_measures(confusion, output.labels),
        confusion=tuple(tuple(map(int, row)) for row in confusion),
        mistakes=_mistakes(answered, pictures, output, worst),
        bad=answered.bad,
        warnings=answered.notes,
        notes=(*folder.notes, *_cautions(folder, output), *head_notes(output)),
        seconds=answered.seconds,
    )


def _mistakes(
    answered: Answered, pictures: Sequence[LabelledPicture], output: OutputCard, count: int
) -> tuple[Mistake, ...]:
    wrong = [place for place, one in enumerate(pictures) if one.truth != answered.chosen[place]]
    confidence = answered.confidence
    surest = sorted(wrong, key=lambda place: -confidence[place])[:count]
    return tuple(
        Mistake(
            file=pictures[place].name,
            truth=output.labels[pictures[place].truth],
            answer=output.labels[answered.chosen[place]],
            probability=float(confidence[place]),
            probability_of_truth=float(np.nan_to_num(answered.values[place, pictures[place].truth])),
        )
        for place in surest
    )


def _cautions(folder: LabelledFolder, output: OutputCard) -> list[str]:
    if len(folder.classes) > 1:
        return []
    (only,) = folder.classes
    return [f"All pictures are of one class, {output.labels[only]}: the accuracy is that class's recall alone."]
