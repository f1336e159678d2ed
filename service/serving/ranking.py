"""Owns ranking a model's classes by its raw outputs, under its head or under a function that the caller names."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.model.card import ModelCard, OutputCard
from service.model.head import to_class_values
from service.model.transform import Transform, transformed
from service.serving.inference import Inference


@dataclass(frozen=True, slots=True)
class Scored:
    """A class with its score, float32."""

    label: str
    score: np.float32


def classes_output(card: ModelCard) -> OutputCard:
    """Return the first output that has classes; raises MisfitError where all of them are maps."""
    for one in card.outputs:
        if one.classes:
            return one
    raise MisfitError(
        f"The model {card.name!r} answers with numbers and has no classes; ask POST /api/models/{card.name}/predict."
    )


def ranked(found: Inference, *, top_k: int, transform: Transform | None = None) -> list[list[Scored]]:
    """Return for each row the `top_k` classes of the highest score, in falling order.

    Scores are those of the head. With `transform` it is applied to the raw outputs in the head's place; a model of one
    unit then has one class, that of the high values. Raises MisfitError where a score is not finite.
    """
    output = classes_output(found.card)
    raw = found.outputs[output.spec.name]
    values = to_class_values(raw, output.head) if transform is None else transformed(raw, transform)
    if not np.isfinite(values).all():
        raise MisfitError("The model's output is not finite (NaN or infinity), so its classes cannot be ranked.")
    labels = output.labels[-values.shape[1] :]
    order = np.argsort(-values, axis=1, kind="stable")[:, :top_k]
    return [_scored(row, best, labels) for row, best in zip(values, order, strict=True)]


def _scored(values: NDArray[np.float32], order: NDArray[np.intp], labels: Sequence[str]) -> list[Scored]:
    return [Scored(labels[index], values[index]) for index in order]
