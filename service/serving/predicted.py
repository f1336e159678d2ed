"""Owns which class each answer names, and how sure the model is of it: what is counted to see a drift."""

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.card import ModelCard, OutputCard
from service.model.head import TWO_CLASS_HEADS, Answer, to_class_values
from service.serving.examples import Prediction


@dataclass(frozen=True, slots=True)
class Predicted:
    """The class that one row of an output names; `confidence` is its probability, None where it has none."""

    output: str
    index: int
    label: str
    confidence: float | None


def predicted_in_answers(predictions: Iterable[Prediction]) -> Iterator[Predicted]:
    """Yield the class of every answer that has classes."""
    for prediction in predictions:
        for output, answer in prediction.answers.items():
            if isinstance(answer, Answer):
                best = answer.best
                yield Predicted(output, best.index, best.label, best.value if answer.is_probability else None)


def predicted_in_outputs(card: ModelCard, outputs: Mapping[str, NDArray[Any]]) -> Iterator[Predicted]:
    """Yield the class of every row of raw outputs (N, units), by name, as their heads say it."""
    for one in card.outputs:
        if one.classes is not None:
            yield from _of_rows(outputs[one.spec.name], one)


def _of_rows(rows: NDArray[Any], output: OutputCard) -> Iterator[Predicted]:
    # NOTE: row by row: for the few rows of a request that costs a tenth of what NumPy takes for all at once.
    for values in to_class_values(rows, output.head):
        place = _place(values, output)
        value = float(values[place])
        has_value = output.head != "scores" and math.isfinite(value)
        yield Predicted(output.spec.name, place, output.labels[place], value if has_value else None)


def _place(values: NDArray[np.float32], output: OutputCard) -> int:
    """Return the class of one row, float32 (classes,): what is not finite ranks last."""
    if output.head in TWO_CLASS_HEADS:
        return int(values[1] >= output.threshold)
    place = int(values.argmax())
    if math.isfinite(values[place]):
        return place
    return int(np.where(np.isfinite(values), values, -np.inf).argmax())
