"""Owns heat maps by gradients: which places of the last maps speak for a class, weighted by the gradient there.

HiResCAM (Draelos and Carin, 2020, https://arxiv.org/abs/2011.08891): maps times gradients, place by place. Grad-CAM
(Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391) averages the gradients over all places first; behind global
average pooling the two are the same. ADR 0012 says why the first was taken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.explain.canvas import Canvas
from service.explain.insight import CamMaps
from service.explain.spread import spread_of
from service.model.card import ModelCard

Plane = NDArray[np.float32]


def heat_of(maps: Sequence[CamMaps], canvas: Canvas, card: ModelCard) -> Plane | None:
    """Return how far each pixel of one input speaks for the class, shape (height, width); None where no map is of it.

    `maps` are those of one example. Where several places turn maps of this input into a vector, their heat adds up.
    """
    found = [_laid_over(one, canvas, card) for one in maps if canvas.name in one.tap.inputs]
    return np.sum(found, axis=0, dtype=np.float32) if found else None


def is_finite(one: CamMaps) -> bool:
    """Return whether every map and gradient is a number; what is none has no heat."""
    return bool(np.isfinite(one.maps).all() and np.isfinite(one.gradients).all())


def _weighted(one: CamMaps) -> NDArray[Any]:
    with np.errstate(invalid="ignore", over="ignore"):
        heat = one.maps[0].astype(np.float64) * one.gradients[0]
    return np.asarray(np.nan_to_num(heat, nan=0.0, posinf=0.0, neginf=0.0).sum(axis=-1))


def _laid_over(one: CamMaps, canvas: Canvas, card: ModelCard) -> Plane:
    heat = _weighted(one)
    down, across = spread_of(card, one.tap, canvas.name, cells=(heat.shape[0], heat.shape[1]), size=canvas.size)
    return np.asarray(down @ heat @ across.T, np.float32)
