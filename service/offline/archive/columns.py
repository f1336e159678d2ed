"""Owns the columns of the output: their names and order, and what each holds of the answers."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.image.decode import FORMATS
from service.offline.archive.answers import Answers, OutputAnswers

Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Texts:
    """A text for each row, or None."""

    values: Sequence[str | None]

    def cells(self) -> list[Any]:
        """Return the value of each row, None where it has none."""
        return list(self.values)


@dataclass(frozen=True, slots=True)
class Numbers:
    """A number for each row, (N,); rows that are `missing` have none."""

    values: NDArray[Any]
    missing: Mask

    def cells(self) -> list[Any]:
        """Return the value of each row, None where it has none."""
        return [None if gone else one for one, gone in zip(self.values, self.missing, strict=True)]


@dataclass(frozen=True, slots=True)
class Words:
    """For each row one of few words, by its place among them, (N,)."""

    places: NDArray[Any]
    words: tuple[str, ...]
    missing: Mask

    def cells(self) -> list[Any]:
        """Return the value of each row, None where it has none."""
        return [
            None if gone else self.words[place] for place, gone in zip(self.places.tolist(), self.missing, strict=True)
        ]


@dataclass(frozen=True, slots=True)
class Lists:
    """For each row a list: `lengths` (N,), the elements of all rows end to end in `values`.

    With `words` elements are places among them. Rows that are `missing` have no list and length 0; float elements that
    are not finite count as none.
    """

    lengths: NDArray[np.int64]
    values: NDArray[Any]
    missing: Mask
    words: tuple[str, ...] | None = None

    def cells(self) -> list[Any]:
        """Return the value of each row, None where it has none."""
        ends = np.cumsum(self.lengths).tolist()
        flat = list(self.values) if self.words is None else [self.words[place] for place in self.values.tolist()]
        rows = zip(ends, self.lengths.tolist(), self.missing, strict=True)
        return [None if gone else flat[end - length : end] for end, length, gone in rows]


Column = Texts | Numbers | Words | Lists
Table = dict[str, Column]


def table_of(answers: Answers, *, top_k: int, probabilities: bool) -> Table:
    """Return the columns of answers in their order. With several outputs, theirs begin with the output's name."""
    missing = answers.is_bad
    table: Table = {"path": Texts(answers.paths)}
    for one in answers.outputs:
        prefix = f"{one.card.spec.name}." if len(answers.outputs) > 1 else ""
        columns = _of_output(one, missing, top_k=top_k, probabilities=probabilities)
        table |= {prefix + name: column for name, column in columns}
    no_picture = answers.formats < 0
    return table | {
        "width": Numbers(answers.sizes[:, 1], no_picture),
        "height": Numbers(answers.sizes[:, 0], no_picture),
        "format": Words(answers.formats, FORMATS, no_picture),
        "error": Texts([answers.errors.get(row) for row in range(len(answers))]),
    }


def _of_output(one: OutputAnswers, missing: Mask, *, top_k: int, probabilities: bool) -> Iterator[tuple[str, Column]]:
    labels, number = one.card.labels, "score" if one.card.head == "scores" else "probability"
    plural = "scores" if one.card.head == "scores" else "probabilities"
    chosen = one.chosen()
    own = one.values[np.arange(len(one.values)), chosen]
    yield "label", Words(chosen, labels, missing)
    yield "index", Numbers(chosen.astype(np.int32), missing)
    yield number, Numbers(own, missing | ~np.isfinite(own))
    if one.card.head == "multi-label":
        over = one.over_threshold() & ~missing[:, np.newaxis]
        yield "labels", Lists(over.sum(axis=1), np.nonzero(over)[1], missing, labels)
    if top_k:
        ranking = one.ranking(top_k)
        yield "top_labels", _rows(ranking, missing, labels)
        yield "top_indices", _rows(ranking.astype(np.int32), missing)
        yield f"top_{plural}", _rows(np.take_along_axis(one.values, ranking, axis=1), missing)
    if probabilities:
        yield plural, _rows(one.values, missing)


def _rows(values: NDArray[Any], missing: Mask, words: tuple[str, ...] | None = None) -> Lists:
    lengths = np.where(missing, 0, values.shape[1])
    return Lists(lengths, values[~missing].reshape(-1), missing, words)
