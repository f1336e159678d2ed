"""Owns how training pictures are varied: turned, zoomed, shifted, mirrored, their light changed, two of them mixed.

It happens in the input pipeline and not in layers, so that a saved model holds nothing but the net.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Augmentation:
    """How far an image may go either way: degrees turned, fraction zoomed and sheared, pixels shifted.

    Where a model has several inputs, pixels are those of the first. Bare corners are black or the image `reflect`ed.
    `light` is how far contrast and colour may change as a fraction of themselves, and brightness as one of white.
    """

    turn: float = 0.0
    zoom: float = 0.0
    shear: float = 0.0
    shift: float = 0.0
    edge: Literal["constant", "reflect"] = "constant"
    is_mirrored: bool = False
    light: float = 0.0

    def __str__(self) -> str:
        """Return it as a reader of a provenance page wants it; nothing where nothing is changed."""
        amounts = {
            f"turned up to {self.turn:g} degrees": self.turn,
            f"zoomed up to {self.zoom:.0%}": self.zoom,
            f"sheared up to {self.shear:.0%}": self.shear,
            f"shifted up to {self.shift:g} pixel{'s' * (self.shift != 1)}": self.shift,
            f"brightness, contrast and colour changed up to {self.light:.0%}": self.light,
        }
        changed = [text for text, amount in amounts.items() if amount]
        return ", ".join([*changed, "either way"] if changed else []) + ("; half of them mirrored" * self.is_mirrored)


def augmented(
    inputs: Sequence[Images], augmentation: Augmentation, *, random: np.random.Generator
) -> tuple[Images, ...]:
    """Return the images of each input, float32 [N, H, W, C] in 0..1, each example changed by its own random amounts.

    All inputs of an example are changed alike: they show the same picture.
    """
    count, width = len(inputs[0]), inputs[0].shape[2]
    moves = _drawn_moves(count, augmentation, random=random)
    moved = tuple(_moved(images, moves, augmentation, scale=images.shape[2] / width) for images in inputs)
    if not augmentation.light:
        return moved
    light = random.uniform(-augmentation.light, augmentation.light, (3, count, 1, 1, 1)).astype(np.float32)
    return tuple(_lit(images, *light) for images in moved)


def mixed(
    inputs: Sequence[Images], targets: NDArray[np.float32], alpha: float, *, random: np.random.Generator
) -> tuple[tuple[Images, ...], NDArray[np.float32]]:
    """Blend each example and its target (0..1) with another's, by a share drawn from Beta(alpha, alpha): "mixup"."""
    other = random.permutation(len(targets))
    share = random.beta(alpha, alpha, len(targets)).astype(np.float32)
    of_images = share[:, np.newaxis, np.newaxis, np.newaxis]
    blended = tuple(of_images * images + (1 - of_images) * images[other] for images in inputs)
    return blended, share * targets + (1 - share) * targets[other]


@dataclass(frozen=True, slots=True)
class _Moves:
    """One amount per example; angles in radians, shifts in pixels of the first input, `mirror` 1 or -1."""

    angle: NDArray[np.float64]
    shear: NDArray[np.float64]
    zoom_x: NDArray[np.float64]
    zoom_y: NDArray[np.float64]
    shift_x: NDArray[np.float64]
    shift_y: NDArray[np.float64]
    mirror: NDArray[np.float64]


def _drawn_moves(count: int, augmentation: Augmentation, *, random: np.random.Generator) -> _Moves:
    def draw(limit: float) -> NDArray[np.float64]:
        return random.uniform(-limit, limit, count)

    return _Moves(
        angle=np.radians(draw(augmentation.turn)),
        shear=draw(augmentation.shear),
        zoom_x=1 + draw(augmentation.zoom),
        zoom_y=1 + draw(augmentation.zoom),
        shift_x=draw(augmentation.shift),
        shift_y=draw(augmentation.shift),
        mirror=random.choice([1.0, -1.0], count) if augmentation.is_mirrored else np.ones(count),
    )


def _moved(images: Images, moves: _Moves, augmentation: Augmentation, *, scale: float) -> Images:
    height, width = images.shape[1:3]
    transforms = _transforms(moves, centre=((width - 1) / 2, (height - 1) / 2), scale=scale)
    moved = keras.ops.image.affine_transform(images, transforms, interpolation="bilinear", fill_mode=augmentation.edge)
    return np.asarray(keras.ops.convert_to_numpy(moved), dtype=np.float32)


def _transforms(moves: _Moves, *, centre: tuple[float, float], scale: float) -> NDArray[np.float32]:
    """Return [count, 8] rows a0 a1 a2 b0 b1 b2 0 0: output (x, y) is read at (a.(x, y, 1), b.(x, y, 1))."""
    cos, sin = np.cos(moves.angle), np.sin(moves.angle)
    a0, a1 = cos * moves.zoom_x * moves.mirror, (moves.shear - sin) * moves.zoom_x
    b0, b1 = sin * moves.zoom_y * moves.mirror, cos * moves.zoom_y
    x, y = centre
    a2 = x - a0 * x - a1 * y + moves.shift_x * scale
    b2 = y - b0 * x - b1 * y + moves.shift_y * scale
    none = np.zeros(len(a0))
    return np.stack([a0, a1, a2, b0, b1, b2, none, none], axis=1).astype(np.float32)


def _lit(images: Images, brightness: Images, contrast: Images, saturation: Images) -> Images:
    gray, mean = images.mean(axis=3, keepdims=True), images.mean(axis=(1, 2, 3), keepdims=True)
    coloured = gray + (images - gray) * (1 + saturation)
    lit: Images = np.clip(mean + (coloured - mean) * (1 + contrast) + brightness, 0, 1)
    return lit
