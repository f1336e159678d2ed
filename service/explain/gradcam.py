"""Owns heat maps by gradients: which places of the last maps speak for a class, weighted by the gradient there.

HiResCAM (Draelos and Carin, 2020, https://arxiv.org/abs/2011.08891): maps times gradients, place by place. Grad-CAM
(Selvaraju et al., 2017, https://arxiv.org/abs/1610.02391) averages the gradients over all places first; behind global
average pooling the two are the same. ADR 0012 says why the first was taken.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.explain.canvas import Canvas
from service.explain.insight import CamMaps

Plane = NDArray[np.float32]


def heat_of(maps: Sequence[CamMaps], canvas: Canvas) -> Plane | None:
    """Return how far each pixel of one input speaks for the class, shape (height, width); None where no map is of it.

    `maps` are those of one example. Where several places turn maps of this input into a vector, their heat adds up.
    """
    found = [_enlarged(_weighted(one), canvas.size) for one in maps if canvas.name in one.tap.inputs]
    return np.sum(found, axis=0, dtype=np.float32) if found else None


def _weighted(one: CamMaps) -> NDArray[Any]:
    return np.asarray((one.maps[0].astype(np.float64) * one.gradients[0]).sum(axis=-1))


def _enlarged(heat: NDArray[Any], size: tuple[int, int]) -> Plane:
    """Return a small plane at `size` (height, width), bilinearly: a cell's value is that of the cell's middle."""
    image = Image.fromarray(np.ascontiguousarray(heat, np.float32))
    return np.asarray(image.resize(size[::-1], Image.Resampling.BILINEAR))
