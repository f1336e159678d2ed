"""Owns answering arrays with a live model: those of one size together, and the head's choice for each."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.model.card import OutputCard
from service.model.head import TWO_CLASS_HEADS, to_class_values
from service.offline.answering import NO_DEADLINE
from service.serving.live_model import LiveModel

Arrays = Mapping[str, NDArray[Any]]


def answer_arrays(
    model: LiveModel, output: OutputCard, examples: Sequence[Arrays]
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Return the class that the head answers, (N,), and a value for each class, (N, classes), of N examples.

    Examples are arrays by input name, without a batch axis; they may differ in size where the model allows it. Raises
    MisfitError for a size that it cannot run on.
    """
    values = np.empty((len(examples), len(output.labels)), np.float32)
    for places in _alike(examples):
        batch = {name: np.stack([examples[place][name] for place in places]) for name in examples[0]}
        outputs, _ = model.run(batch, deadline=time.monotonic() + NO_DEADLINE)
        values[places] = to_class_values(outputs[output.spec.name], output.head)
    return chosen_classes(values, output), values


def _alike(examples: Sequence[Arrays]) -> Iterator[list[int]]:
    """Yield the places of examples that have the same shapes."""
    places: dict[tuple[tuple[int, ...], ...], list[int]] = {}
    for place, one in enumerate(examples):
        places.setdefault(tuple(array.shape for array in one.values()), []).append(place)
    yield from places.values()


def chosen_classes(values: NDArray[np.float32], output: OutputCard) -> NDArray[np.int64]:
    """Return the class that the head answers, (N,), of one value per class, (N, classes)."""
    if output.head in TWO_CLASS_HEADS:
        return np.asarray(values[:, 1] >= output.threshold, np.int64)
    return np.asarray(np.where(np.isfinite(values), values, -np.inf).argmax(axis=1), np.int64)
