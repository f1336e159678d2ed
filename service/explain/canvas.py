"""Owns an input as a plane to be painted over: which of its numbers lie at which row and column."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError, TooLargeError
from service.image.unscale import to_planes
from service.model.input_card import InputCard
from service.serving.preview import SeenInput

MOST_NUMBERS = 4_000_000
"""Numbers of an input that a heat map is made of: painting them over takes some 60 bytes for each."""
_MOST_AXES = 3


@dataclass(frozen=True, slots=True)
class Canvas:
    """One example of one input, `array` in the model's own shape, without a batch axis.

    `places` (height, width, channels) has for each number of the plane its place in `array.ravel()`; `picture` (height,
    width, 1 or 3 channels, uint8) is what the model saw, None where the input takes no pictures.
    """

    name: str
    array: NDArray[Any]
    places: NDArray[np.intp]
    picture: NDArray[np.uint8] | None = None

    @property
    def size(self) -> tuple[int, int]:
        """Return (height, width)."""
        return self.places.shape[0], self.places.shape[1]

    @property
    def planes(self) -> NDArray[Any]:
        """Return the numbers as a plane (height, width, channels)."""
        return np.asarray(self.array.reshape(-1)[self.places])

    def covered(self, masks: NDArray[np.bool_], ground: NDArray[Any]) -> NDArray[Any]:
        """Return the input once for each of `masks` (N, height, width), with `ground` (as `planes`) where it is set."""
        batch = np.repeat(self.array.reshape(1, -1), len(masks), axis=0)
        hidden = np.where(masks[..., np.newaxis], ground, self.planes)
        batch[:, self.places.reshape(-1)] = hidden.reshape(len(masks), -1)
        return batch.reshape(len(masks), *self.array.shape)


def canvas_of(card: InputCard, seen: SeenInput) -> Canvas:
    """Return an input as a plane: a picture by its layout, other numbers with their last of three axes as channels.

    Raises MisfitError for an input of more axes, TooLargeError for one of more than MOST_NUMBERS.
    """
    array = seen.array
    check_canvas(card, array.shape)
    numbers = np.arange(array.size, dtype=np.intp).reshape(array.shape)
    if card.layout is None or seen.planes is None:
        return Canvas(card.spec.name, array, _as_plane(numbers, card))
    places = to_planes(numbers, card.layout, size=(seen.planes.shape[0], seen.planes.shape[1]))
    return Canvas(card.spec.name, array, places, seen.picture)


def check_canvas(card: InputCard, item: tuple[int, ...]) -> None:
    """Raise TooLargeError for an input of more than MOST_NUMBERS, whose shape without the batch axis is `item`."""
    if math.prod(item) > MOST_NUMBERS:
        shape = "x".join(map(str, item))
        raise TooLargeError(
            f"Input {card.spec.name} is {math.prod(item):,} numbers ({shape}), and a heat map is made of "
            f"{MOST_NUMBERS:,} at most; send a smaller picture."
        )


def _as_plane(numbers: NDArray[np.intp], card: InputCard) -> NDArray[np.intp]:
    if numbers.ndim > _MOST_AXES:
        raise MisfitError(
            f"Input {card.spec.name} has {numbers.ndim} axes beside the batch; a heat map needs one to three of them. "
            "Name another input with input=."
        )
    if numbers.ndim == _MOST_AXES:
        return numbers
    return np.atleast_2d(numbers)[..., np.newaxis]
