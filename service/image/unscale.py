"""Owns the way back: a model's input -> the picture it stands for, to look at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.image.scale import CAFFE_MEAN, TORCH_MEAN, TORCH_STD
from service.model.recipe import MeanStd, NamedScale, Recipe, Rescale
from service.model.tensors import ImageLayout

_LINES: dict[NamedScale, tuple[float, float]] = {"0..255": (1, 0), "0..1": (255, 0), "-1..1": (127.5, 127.5)}


def to_planes(array: NDArray[Any], layout: ImageLayout, *, size: tuple[int, int]) -> NDArray[Any]:
    """Return one input (without batch axis) as (height, width, channels); `size` (height, width) is its own."""
    if layout.order == "channels_first" and array.ndim == 3:
        return array.transpose(1, 2, 0)
    return array.reshape(*size, layout.channels)


def to_picture(planes: NDArray[Any], recipe: Recipe) -> NDArray[np.uint8]:
    """Return the picture (height, width, channels; uint8, RGB) that scaled `planes` stand for.

    Scale and channel order are undone, `invert` is not: the model saw it so. What was standardised for each picture has
    no way back, and is spread over 0..255.
    """
    values = planes.astype(np.float64)
    values = _spread(values) if _is_standardised(recipe) else _unscaled(values, recipe)
    if _is_blue_first(recipe, planes):
        values = values[..., ::-1]
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _is_standardised(recipe: Recipe) -> bool:
    return recipe.samplewise_center or recipe.samplewise_std_normalization


def _is_blue_first(recipe: Recipe, planes: NDArray[Any]) -> bool:
    is_scaled_so = recipe.scale == "caffe" and planes.dtype.kind == "f"
    return recipe.color == "bgr" or is_scaled_so


def _spread(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = values.min(), values.max()
    return np.asarray((values - low) * (255 / (high - low))) if high > low else np.full_like(values, 127.5)


def _unscaled(values: NDArray[np.float64], recipe: Recipe) -> NDArray[np.float64]:
    if isinstance(recipe.scale, Rescale):
        return np.asarray((values - recipe.scale.offset) / (recipe.scale.factor or 1))
    if isinstance(recipe.scale, MeanStd):
        return np.asarray((values * np.array(recipe.scale.std) + np.array(recipe.scale.mean)) * 255)
    if recipe.scale == "caffe":
        return np.asarray(values + CAFFE_MEAN)
    if recipe.scale == "torch":
        return np.asarray((values * TORCH_STD + TORCH_MEAN) * 255)
    factor, offset = _LINES[recipe.scale]
    return values * factor + offset
