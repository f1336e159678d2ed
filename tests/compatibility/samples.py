"""Owns the numbers in the files: weights that show a mix-up, inputs that a net answers differently."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tests.compatibility.catalogue import Shape

FREE_SIDES = (36, 28)
"""Height and width where an input leaves them free."""
COUNT = 5
"""Examples for each net."""
_PATCH = 4


def give_weights(model: Any, *, seed: int) -> None:
    """Give every float weight seeded random values, batch normalisation's statistics too (variance positive)."""
    random = np.random.default_rng(seed)
    for weight in model.weights:
        if "float" in str(weight.dtype):
            name = weight.name.split("/")[-1].split(":")[0]
            weight.assign(_values(random, name, tuple(weight.shape)).astype("float32"))


def _values(random: np.random.Generator, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    if "kernel" in name:
        return random.normal(0, math.sqrt(2 / _fan_in(shape)), shape)
    if name in ("moving_variance", "gamma"):
        return random.uniform(0.6, 1.4, shape)
    return random.normal(0, 0.1, shape)


def _fan_in(shape: tuple[int, ...]) -> int:
    is_depthwise = len(shape) == 4 and shape[-1] == 1
    return math.prod(shape[:2] if is_depthwise else shape[:-1])


def pictures(inputs: Mapping[str, Shape], *, high: float, seed: int) -> dict[str, NDArray[np.float32]]:
    """Return random patches and noise of every contrast for each input, float32 in 0..high, batch axis first."""
    random = np.random.default_rng(seed)
    return {name: _batch(random, shape) * np.float32(high) for name, shape in inputs.items()}


def _batch(random: np.random.Generator, shape: Shape) -> NDArray[np.float32]:
    height, width, *channels = (axis or side for axis, side in zip(shape, (*FREE_SIDES, 0), strict=False))
    coarse = random.random((COUNT, -(-height // _PATCH), -(-width // _PATCH), *channels))
    patches = coarse.repeat(_PATCH, axis=1).repeat(_PATCH, axis=2)[:, :height, :width]
    contrast = np.linspace(0.2, 1.0, COUNT).reshape(-1, *(1,) * len(shape))
    noise = random.random(patches.shape)
    return np.asarray(contrast * (0.8 * patches + 0.2 * noise), np.float32)
