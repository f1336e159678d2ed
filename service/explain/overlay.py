"""Owns the picture of a heat map: laid over what the model saw, or alone; whole factors larger where it is small."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.explain.colour import INFERNO, Pixels, painted
from service.explain.explainer import HeatMap

LEAST_SIDE = 224
"""Pixels of the longer side, at least."""
_LARGEST = 16_000_000
"""Pixels of a picture; a larger one is not scaled up at all."""


def overlay(found: HeatMap, *, opacity: float) -> bytes:
    """Return the heat over what the model saw as PNG; `opacity` in 0..1 is that of the hottest pixels.

    An input without a picture has the heat alone.
    """
    if found.canvas.picture is None:
        return heat_alone(found)
    size = _size(found.canvas.size)
    picture = _enlarged(_in_colour(found.canvas.picture), size, Image.Resampling.NEAREST).astype(np.float32)
    heat = _enlarged(found.heat, size, Image.Resampling.BILINEAR)
    cover = (opacity * np.sqrt(np.clip(heat, 0, 1)))[..., np.newaxis]
    mixed = picture * (1 - cover) + painted(heat, INFERNO, low=0, high=1) * cover
    return png(np.rint(mixed).astype(np.uint8))


def heat_alone(found: HeatMap) -> bytes:
    """Return the heat as PNG, black where nothing speaks for the class."""
    heat = _enlarged(found.heat, _size(found.canvas.size), Image.Resampling.NEAREST)
    return png(painted(heat, INFERNO, low=0, high=1))


def png(pixels: Pixels) -> bytes:
    """Return pixels (height, width, 3) as PNG."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def _size(size: tuple[int, int]) -> tuple[int, int]:
    factor = max(1, -(-LEAST_SIDE // max(size)))
    return (size[0] * factor, size[1] * factor)


def _in_colour(picture: Pixels) -> Pixels:
    colours = picture[..., :3]
    return np.repeat(colours, 3, axis=-1) if colours.shape[-1] == 1 else colours


def _enlarged(plane: NDArray[np.uint8] | NDArray[np.float32], size: tuple[int, int], how: Image.Resampling) -> Pixels:
    if plane.shape[:2] == size:
        return plane  # type: ignore[return-value]
    return np.asarray(Image.fromarray(np.ascontiguousarray(plane)).resize(size[::-1], how))
