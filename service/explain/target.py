"""Owns what is explained: one class of one output, found by its name, and the number that says how far it is chosen."""

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.model.card import ModelCard, OutputCard
from service.model.head import TWO_CLASS_HEADS, interpret, to_class_values

_LEAST = 1e-30
_LEAST_REST = 1e-8
"""What a float32 sigmoid of nearly 1 leaves to the other class; its own rounding is of that size."""
_SHOWN = 64


@dataclass(frozen=True, slots=True)
class Target:
    """A class of an output, with the value that the model gives it for the example: None where it is not finite."""

    output: OutputCard
    index: int
    value: float | None

    @property
    def label(self) -> str:
        """Return the class's name."""
        return self.output.labels[self.index]

    @property
    def is_probability(self) -> bool:
        """Return whether the value may be called a probability."""
        return self.output.head != "scores"

    def odds(self, rows: NDArray[Any]) -> NDArray[np.float64]:
        """Return how far each of `rows` (N, units), as the model gives them, speaks for the class, shape (N,).

        The logarithm of the odds, so that it still moves where the model is sure; for the head `scores` the score.
        """
        values = rows.reshape(len(rows), -1).astype(np.float64)
        head = self.output.head
        if head == "scores":
            return values[:, self.index]
        if head == "binary-logit":
            return values[:, 0] * (1 if self.index else -1)
        if head == "logits":
            return _against_others(values, self.index)
        if head == "softmax":
            return _against_others(np.log(np.maximum(values, _LEAST)), self.index)
        return self._odds_of_sigmoid(values)

    def spread(self, rows: NDArray[Any]) -> float:
        """Return how far the logits of the first of `rows` (N, units) lie apart, at least 1; scores have no such least.

        That is the scale on which a difference shows in a float32.
        """
        values = rows[:1].reshape(-1).astype(np.float64)
        if self.output.head == "scores":
            return float(np.nan_to_num(np.abs(values), posinf=0.0).max())
        odds = values if self.output.head in ("logits", "binary-logit") else np.log(np.maximum(values, _LEAST))
        finite = odds[np.isfinite(odds)]
        return max(1.0, float(np.ptp(finite))) if finite.size else 1.0

    def weights(self, rows: int) -> NDArray[np.float32]:
        """Return what the numbers before the head count for the class, a row for each example, shape (rows, units)."""
        if self.output.head in TWO_CLASS_HEADS:
            return np.full((rows, 1), 1 if self.index else -1, np.float32)
        weights = np.zeros((rows, len(self.output.labels)), np.float32)
        weights[:, self.index] = 1
        return weights

    def _odds_of_sigmoid(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        is_binary = self.output.head == "binary"
        chosen = values[:, 0 if is_binary else self.index]
        odds = np.log(np.maximum(chosen, _LEAST)) - np.log(np.maximum(1 - chosen, _LEAST_REST))
        return np.asarray(-odds if is_binary and self.index == 0 else odds)


def _against_others(logits: NDArray[np.float64], index: int) -> NDArray[np.float64]:
    """Return the logarithm of the odds of a class from logits (N, classes)."""
    others = np.delete(logits, index, axis=1)
    highest = others.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", over="ignore"):
        rest = highest[:, 0] + np.log(np.exp(others - highest).sum(axis=1))
        return np.asarray(logits[:, index] - rest)


def output_called(card: ModelCard, name: str | None) -> OutputCard:
    """Return the output of that name, the first one with classes where None; raises MisfitError where there is none."""
    with_classes = {one.spec.name: one for one in card.outputs if one.classes}
    if not with_classes:
        raise MisfitError("The model answers in maps of numbers and has no classes, so there is no class to explain.")
    if name is None:
        return next(iter(with_classes.values()))
    if name not in with_classes:
        raise MisfitError(f"{name[:_SHOWN]!r} is no output with classes; this model has {', '.join(with_classes)}.")
    return with_classes[name]


def target_of(output: OutputCard, rows: NDArray[Any], wanted: str | None) -> Target:
    """Return the class that `wanted` names by label or else by index, the predicted one where None.

    `rows` (1, units) is what the model gives for the example. Raises MisfitError for a class that is not there.
    """
    index = _predicted(output, rows) if wanted is None else class_called(output, wanted)
    value = float(to_class_values(rows, output.head)[0, index])
    return Target(output, index, value if np.isfinite(value) else None)


def class_called(output: OutputCard, wanted: str) -> int:
    """Return the index of the class with that label, or of that index; raises MisfitError naming the nearest label."""
    if wanted in output.labels:
        return output.labels.index(wanted)
    if wanted.isascii() and wanted.isdigit() and len(wanted) < 10 and int(wanted) < len(output.labels):
        return int(wanted)
    near = get_close_matches(wanted[:_SHOWN], output.labels, n=3, cutoff=0.5)
    meant = f" Did you mean {' or '.join(map(repr, near))}?" if near else ""
    raise MisfitError(
        f"There is no class {wanted[:_SHOWN]!r}; send one of the model's labels, such as {output.labels[0]!r}, or an "
        f"index from 0 to {len(output.labels) - 1}.{meant}"
    )


def _predicted(output: OutputCard, rows: NDArray[Any]) -> int:
    (answer,) = interpret(rows, head=output.head, labels=output.labels, top_k=1, threshold=output.threshold)
    return answer.best.index
