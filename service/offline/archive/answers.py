"""Owns answers by columns: what became of many pictures, as arrays with a row for each, in the order of their paths."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.model.card import ModelCard, OutputCard
from service.offline.batches import chosen_classes
from service.offline.errors import UnsuitableModelError


@dataclass(frozen=True, slots=True)
class OutputAnswers:
    """The answers of one output to N pictures, those without one included.

    `values` has one number per class, float32 (N, classes): a probability in 0..1, or any number under the head
    `scores`.
    """

    card: OutputCard
    values: NDArray[np.float32]

    def chosen(self) -> NDArray[np.int64]:
        """Return the class that each row is answered with, (N,)."""
        return chosen_classes(self.values, self.card)

    def ranking(self, top_k: int) -> NDArray[np.int64]:
        """Return the highest classes of each row in falling order, (N, top_k or all); what is not finite comes last."""
        order = np.where(np.isfinite(self.values), -self.values, np.inf)
        return np.argsort(order, axis=1, kind="stable")[:, :top_k].astype(np.int64)

    def over_threshold(self) -> NDArray[np.bool_]:
        """Return which classes reach the threshold, (N, classes)."""
        return self.values >= self.card.threshold


@dataclass(frozen=True, slots=True)
class Answers:
    """What became of N pictures. `errors` say by row why one has no answer.

    `sizes` is int32 (N, 2), height and width of the file's picture in pixels, 0 where there is none; `formats` int32
    (N,), a place in `image.decode.FORMATS`, -1 where there is none.
    """

    paths: tuple[str, ...]
    sizes: NDArray[np.int32]
    formats: NDArray[np.int32]
    errors: Mapping[int, str]
    outputs: tuple[OutputAnswers, ...]
    warnings: Mapping[str, int]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.paths)

    @property
    def is_bad(self) -> NDArray[np.bool_]:
        """Return which rows have no answer, (N,)."""
        found = np.zeros(len(self), np.bool_)
        found[list(self.errors)] = True
        return found


def answering_outputs(card: ModelCard) -> tuple[OutputCard, ...]:
    """Return the outputs that answer a picture with classes; raises UnsuitableModelError where there is none."""
    found = tuple(one for one in card.outputs if one.classes is not None)
    if not found:
        raise UnsuitableModelError(f"{card.name} answers in maps of numbers, which have no classes to be listed.")
    return found
