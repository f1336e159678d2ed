"""Owns the comparison of two models on the same pictures: agreement, flipped answers, shifted probabilities."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import FolderError
from service.model.card import OutputCard
from service.offline.answering import Answered, BadFile, Tick, answer_files, head_notes, none_good
from service.offline.measures import mcnemar_p, wilson_interval
from service.offline.pairing import Pictures, pair_classes
from service.serving.live_model import LiveModel
from service.serving.predictor import Predictor

_EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class Side:
    """One of two models that are compared, with the output that answers."""

    model: LiveModel
    output: OutputCard


@dataclass(frozen=True, slots=True)
class Flip:
    """Pictures that the first model answers as one class and the second as another; `files` are some of them."""

    first: str
    second: str
    pictures: int
    files: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Shift:
    """A picture with the class whose probability differs most between the two models, both probabilities 0..1."""

    file: str
    label: str
    first: float
    second: float


@dataclass(frozen=True, slots=True)
class Scores:
    """How both models did on labelled pictures.

    Accuracies and their 95 % intervals are 0..1; `only_first` counts pictures that the first alone got right. `p` is
    that of McNemar's exact test: how likely so uneven a split is where both are equally good.
    """

    first: float
    second: float
    first_interval: tuple[float, float]
    second_interval: tuple[float, float]
    only_first: int
    only_second: int
    p: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two models answer the same pictures; `agreement` and `mean_shift` are 0..1."""

    pictures: int
    agreed: int
    interval: tuple[float, float]
    mean_shift: float
    largest_shift: float
    flips: tuple[Flip, ...]
    shifts: tuple[Shift, ...]
    scores: Scores | None
    bad: tuple[BadFile, ...]
    notes: tuple[str, ...]

    @property
    def agreement(self) -> float:
        """Return the share of pictures that both models answer with the same class."""
        return self.agreed / self.pictures

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"agreement": self.agreement, **asdict(self)}


def compare(
    first: Side,
    second: Side,
    pictures: Pictures,
    *,
    predictor: Predictor,
    worst: int,
    tick: Tick = lambda _: None,
) -> Comparison:
    """Answer the same pictures with two models and compare the answers; `worst` is the number of shifts to list.

    Raises FolderError where no picture is answered by both.
    """
    pairs, notes = pair_classes(first.output, second.output)
    answered = [
        answer_files(one.model, pictures.files, predictor=predictor, output=one.output, tick=tick)
        for one in (first, second)
    ]
    bad = {one.name: one for found in answered for one in found.bad}
    places = sorted(set(answered[0].places) & set(answered[1].places))
    if not places:
        raise FolderError(none_good(tuple(bad.values())))
    table = _Both(_rows(answered[0], places), _rows(answered[1], places), pairs, first.output, second.output)
    names = [pictures.files[place][1] for place in places]
    truth = None if pictures.truth is None else np.array(pictures.truth, np.int64)[places]
    return table.compared(
        names,
        truth,
        worst,
        tuple(bad.values()),
        (*pictures.notes, *notes, *head_notes(first.output), *head_notes(second.output)),
    )


def _rows(found: Answered, places: Sequence[int]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    rows = np.searchsorted(np.array(found.places), places)
    return found.chosen[rows], found.values[rows]


@dataclass(frozen=True, slots=True)
class _Both:
    """The answers of both models to the same pictures: class and values each, and which class is which."""

    first: tuple[NDArray[np.int64], NDArray[np.float32]]
    second: tuple[NDArray[np.int64], NDArray[np.float32]]
    pairs: dict[int, int]
    first_output: OutputCard
    second_output: OutputCard

    def compared(
        self,
        names: Sequence[str],
        truth: NDArray[np.int64] | None,
        worst: int,
        bad: tuple[BadFile, ...],
        notes: tuple[str, ...],
    ) -> Comparison:
        agrees = self._as_second(self.first[0]) == self.second[0]
        shifts = self._shifts()
        largest = np.abs(shifts).max(axis=1)
        return Comparison(
            pictures=len(names),
            agreed=int(agrees.sum()),
            interval=wilson_interval(int(agrees.sum()), len(names)),
            mean_shift=float(largest.mean()),
            largest_shift=float(largest.max()),
            flips=self._flips(names, agrees),
            shifts=tuple(self._shift(names[row], row, shifts[row]) for row in map(int, np.argsort(-largest)[:worst])),
            scores=None if truth is None else self._scores(truth),
            bad=bad,
            notes=notes,
        )

    def _as_second(self, classes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return classes of the first model as the second counts them, -1 where it has none such."""
        table = np.full(len(self.first_output.labels), -1, np.int64)
        table[list(self.pairs)] = list(self.pairs.values())
        return table[classes]

    def _shifts(self) -> NDArray[np.float64]:
        """Return by how much the probability of each class in common rises from the first to the second model."""
        own = self.first[1][:, list(self.pairs)].astype(np.float64)
        other = self.second[1][:, list(self.pairs.values())].astype(np.float64)
        return np.nan_to_num(other) - np.nan_to_num(own)

    def _shift(self, name: str, row: int, shifts: NDArray[np.float64]) -> Shift:
        mine, other = list(self.pairs.items())[int(np.abs(shifts).argmax())]
        values = float(self.first[1][row, mine]), float(self.second[1][row, other])
        return Shift(name, self.first_output.labels[mine], *map(float, np.nan_to_num(values)))

    def _flips(self, names: Sequence[str], agrees: NDArray[np.bool_]) -> tuple[Flip, ...]:
        files: dict[tuple[int, int], list[str]] = defaultdict(list)
        for row in np.flatnonzero(~agrees):
            files[int(self.first[0][row]), int(self.second[0][row])].append(names[int(row)])
        ordered = sorted(files.items(), key=lambda one: -len(one[1]))
        labels = self.first_output.labels, self.second_output.labels
        return tuple(
            Flip(labels[0][mine], labels[1][other], len(found), tuple(found[:_EXAMPLES]))
            for (mine, other), found in ordered
        )

    def _scores(self, truth: NDArray[np.int64]) -> Scores:
        first = self.first[0] == truth
        second = self.second[0] == self._as_second(truth)
        only_first, only_second = int((first & ~second).sum()), int((second & ~first).sum())
        return Scores(
            first=float(first.mean()),
            second=float(second.mean()),
            first_interval=wilson_interval(int(first.sum()), len(truth)),
            second_interval=wilson_interval(int(second.sum()), len(truth)),
            only_first=only_first,
            only_second=only_second,
            p=mcnemar_p(only_first, only_second),
        )
