"""Owns the input pipeline of training: shuffled batches, each image slightly turned, zoomed and shifted.

It is a pipeline and not layers, so that a saved model holds nothing but the net.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.datasets import Labelled

Batch = tuple[NDArray[np.float32], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far an image may go either way: degrees turned, fraction zoomed and sheared, pixels shifted."""

    turn: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0

    def __str__(self) -> str:
        """Return it as a reader of a provenance page wants it."""
        return (
            f"turned up to {self.turn:g} degrees, zoomed up to {self.zoom:.0%}, "
            f"sheared up to {self.shear:.0%}, shifted up to {self.shift:g} pixels, either way"
        )


def batches(data: Labelled, augmentation: Augmentation, *, batch_size: int, seed: int) -> Iterator[Batch]:
    """Yield full batches without end, in a new order every epoch; what is left of an epoch is dropped.

    The same seed gives the same batches. `batch_size` must not be above the number of images.
    """
    random = np.random.default_rng(seed)
    count = len(data.images)
    while True:
        order = random.permutation(count)
        for start in range(0, count - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            yield augmented(data.images[chosen], augmentation, random=random), data.classes[chosen]


def augmented(
    images: NDArray[np.float32], augmentation: Augmentation, *, random: np.random.Generator
) -> NDArray[np.float32]:
    """Return float32 [N, H, W, C] images, each moved by its own random amounts; bare corners are 0 (black)."""
    transforms = _transforms(len(images), augmentation, centre=_centre(images), random=random)
    moved = keras.ops.image.affine_transform(images, transforms, interpolation="bilinear", fill_mode="constant")
    return np.asarray(keras.ops.convert_to_numpy(moved), dtype=np.float32)


def _centre(images: NDArray[np.float32]) -> tuple[float, float]:
    height, width = images.shape[1:3]
    return (width - 1) / 2, (height - 1) / 2


def _transforms(
    count: int, augmentation: Augmentation, *, centre: tuple[float, float], random: np.random.Generator
) -> NDArray[np.float32]:
    """Return [count, 8] rows a0 a1 a2 b0 b1 b2 0 0: output (x, y) is read at (a.(x, y, 1), b.(x, y, 1))."""

    def draw(limit: float) -> NDArray[np.float64]:
        return random.uniform(-limit, limit, count)

    angle, shear = np.radians(draw(augmentation.turn)), draw(augmentation.shear)
    zoom_x, zoom_y = 1 + draw(augmentation.zoom), 1 + draw(augmentation.zoom)
    cos, sin = np.cos(angle), np.sin(angle)
    a0, a1 = cos * zoom_x, (shear - sin) * zoom_x
    b0, b1 = sin * zoom_y, cos * zoom_y
    x, y = centre
    a2 = x - a0 * x - a1 * y + draw(augmentation.shift)
    b2 = y - b0 * x - b1 * y + draw(augmentation.shift)
    none = np.zeros(count)
    return np.stack([a0, a1, a2, b0, b1, b2, none, none], axis=1).astype(np.float32)
