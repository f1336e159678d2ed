"""Owns the head: how a model's raw output becomes an answer in classes, or in plain numbers where it has none."""

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

Head = Literal["softmax", "logits", "binary", "binary-logit", "sigmoid-exclusive", "multi-label", "scores"]
HEADS: tuple[Head, ...] = get_args(Head)

TWO_CLASS_HEADS: frozenset[Head] = frozenset({"binary", "binary-logit"})
DEFAULT_THRESHOLD = 0.5
_APPLIED: dict[Head, str] = {
    "logits": "The model ends in logits; softmax was applied to them.",
    "binary-logit": "The model ends in a logit; sigmoid was applied to it.",
}
_NOT_FINITE = "The model's output is not finite (NaN or infinity); such values are given as null."


@dataclass(frozen=True, slots=True)
class Ranked:
    """A class with its value: a probability in 0..1, or for the head `scores` any number; None if not finite."""

    label: str
    index: int
    value: float | None


@dataclass(frozen=True, slots=True)
class Answer:
    """One example's answer.

    `best` is the chosen class, `top` the highest ones in falling order, `values` one float32 per class in
    class order, and `chosen`, for the head `multi-label` alone, every class at or over the threshold.
    """

    head: Head
    best: Ranked
    top: tuple[Ranked, ...]
    values: NDArray[np.float32]
    chosen: tuple[Ranked, ...] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def is_probability(self) -> bool:
        """Return whether values may be called probabilities."""
        return self.head != "scores"


@dataclass(frozen=True, slots=True)
class PlainNumbers:
    """One example's answer of an output without classes: its numbers as they are, in the output's own item shape."""

    values: NDArray[Any]
    warnings: tuple[str, ...] = ()


def as_numbers(outputs: NDArray[Any]) -> list[PlainNumbers]:
    """Return raw outputs of shape (N, *item), any numeric dtype, as N answers; what is not finite carries a warning."""
    return [PlainNumbers(one, () if np.isfinite(one).all() else (_NOT_FINITE,)) for one in outputs]


def class_count(head: Head, units: int) -> int:
    """Return the number of classes that `units` outputs stand for under `head`."""
    return 2 if head in TWO_CLASS_HEADS else units


def guess_head(*, units: int, activation: str | None, loss: str | None = None) -> Head:
    """Infer the head from the final activation, the number of units and, where known, the training loss.

    `loss` is a name as Keras writes it: `mean_squared_error` or `MeanSquaredError`. An activation of None is one
    not known, which is not `linear`: such values may be probabilities already.
    """
    many = units > 1
    loss = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", loss).lower() if loss else None
    if activation == "softmax":
        return "softmax" if many else "scores"
    if activation == "sigmoid":
        return _sigmoid_head(loss) if many else "binary"
    if activation == "linear":
        return _linear_head(loss, many=many)
    return "scores"


def _sigmoid_head(loss: str | None) -> Head:
    return "sigmoid-exclusive" if "categorical" in (loss or "") else "multi-label"


_REGRESSIONS = ("mse", "mae", "mean_", "huber", "log_cosh", "logcosh", "cosine")


def _linear_head(loss: str | None, *, many: bool) -> Head:
    if loss and loss.startswith(_REGRESSIONS):
        return "scores"
    return "logits" if many else "binary-logit"


def interpret(
    outputs: NDArray[np.float32],
    *,
    head: Head,
    labels: Sequence[str],
    top_k: int,
    threshold: float = DEFAULT_THRESHOLD,
) -> list[Answer]:
    """Turn raw outputs of shape (N, units), float32, into N answers under `head`.

    `labels` has one name per class; `threshold` in 0..1 decides `binary` and `multi-label`. Values that are
    not finite rank last, become None and carry a warning.
    """
    values = to_class_values(outputs, head)
    read = _Reader(head, labels, top_k, threshold)
    return [read.answer(row, best) for row, best in zip(values, _ranked(values, max(top_k, 1)), strict=True)]


_FEW = 64


def _ranked(values: NDArray[np.float32], count: int) -> Iterable[Sequence[int]]:
    """Yield for each row (classes,) of values the indices of its highest, in falling order; what is not finite last."""
    if values.size <= _FEW:  # NOTE: NumPy takes five times as long for the few classes of one picture
        for row in values.tolist():
            finite = [one if math.isfinite(one) else -math.inf for one in row]
            yield sorted(range(len(finite)), key=finite.__getitem__, reverse=True)[:count]
        return
    ranking = np.where(np.isfinite(values), values, -np.inf)
    yield from np.argsort(-ranking, axis=1, kind="stable")[:, :count].tolist()


def to_class_values(outputs: NDArray[np.float32], head: Head) -> NDArray[np.float32]:
    """Return one float32 value per class, shape (N, classes), from raw outputs of shape (N, units)."""
    outputs = outputs.reshape(len(outputs), -1).astype(np.float32, copy=False)
    if head == "logits":
        return _softmax(outputs)
    if head in TWO_CLASS_HEADS:
        positive = _sigmoid(outputs) if head == "binary-logit" else outputs
        return np.concatenate([1 - positive, positive], axis=1)
    return outputs


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(all="ignore"):
        powers = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=1, keepdims=True), np.float32)


def _sigmoid(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        return np.asarray(1 / (1 + np.exp(-logits)), np.float32)


@dataclass(frozen=True, slots=True)
class _Reader:
    head: Head
    labels: Sequence[str]
    top_k: int
    threshold: float

    def answer(self, values: NDArray[np.float32], order: Sequence[int]) -> Answer:
        top = tuple([self._ranked(values, index) for index in order])
        return Answer(
            head=self.head,
            best=self._best(values, top),
            top=top[: self.top_k],
            values=values,
            chosen=self._chosen(values),
            warnings=self._warnings(values),
        )

    def _ranked(self, values: NDArray[np.float32], index: int) -> Ranked:
        value = float(values[index])
        return Ranked(self.labels[index], index, value if math.isfinite(value) else None)

    def _best(self, values: NDArray[np.float32], top: tuple[Ranked, ...]) -> Ranked:
        if self.head not in TWO_CLASS_HEADS:
            return top[0]
        return self._ranked(values, int(values[1] >= self.threshold))

    def _chosen(self, values: NDArray[np.float32]) -> tuple[Ranked, ...] | None:
        if self.head != "multi-label":
            return None
        return tuple(self._ranked(values, int(index)) for index in np.flatnonzero(values >= self.threshold))

    def _warnings(self, values: NDArray[np.float32]) -> tuple[str, ...]:
        notes = [_APPLIED[self.head]] if self.head in _APPLIED else []
        if not np.isfinite(values).all():
            notes.append(_NOT_FINITE)
        return tuple(notes)
