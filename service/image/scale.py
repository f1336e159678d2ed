"""Owns scaling: pixels in 0..255 -> the range a model was trained on, in float32 as Keras computes it."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.model.recipe import MeanStd, NamedScale, Recipe, Rescale

Pixels = NDArray[Any]
Scaled = NDArray[np.float32]

# keras.applications.imagenet_utils, Keras 3.15: caffe is BGR without scaling, torch is RGB in 0..1 normalised.
CAFFE_MEAN = np.array([103.939, 116.779, 123.68], np.float32)
TORCH_MEAN = np.array([0.485, 0.456, 0.406], np.float32)
TORCH_STD = np.array([0.229, 0.224, 0.225], np.float32)
_COLOURS = 3


def scale(pixels: Pixels, recipe: Recipe, *, dtype: str) -> NDArray[Any]:
    """Return `pixels` (height, width, channels; uint8, or float32 in 0..255) scaled by `recipe`, in `dtype`.

    A model that takes integers gets them raw, 0..255. `invert` comes first, as 255 - x; alpha is not inverted. Floats
    are computed in float32, whatever `dtype`. "caffe" yields blue first from either order, and never turns twice. The
    `samplewise` options follow the scale, as in `ImageDataGenerator.standardize`. Raises MisfitError where the scale is
    for other channels, or `dtype` cannot hold 0..255.
    """
    _check_channels(recipe, pixels.shape[-1])
    if recipe.invert:
        pixels = _inverted(pixels)
    if recipe.color == "bgr":
        pixels = pixels[..., ::-1]
    if np.dtype(dtype).kind != "f":
        return _raw(pixels, dtype)
    if recipe.scale == "caffe" and recipe.color == "rgb":
        pixels = pixels[..., ::-1]
    values = _scaled(pixels.astype(np.float32), recipe)
    return _standardized(values, recipe).astype(dtype, copy=False)


def _scaled(values: Scaled, recipe: Recipe) -> Scaled:
    if isinstance(recipe.scale, MeanStd):
        return _mean_std(values, recipe.scale)
    if isinstance(recipe.scale, Rescale):
        return _rescaled(values, recipe.scale)
    return _SCALES[recipe.scale](values)


def _standardized(values: Scaled, recipe: Recipe) -> Scaled:
    # keras.src.legacy.preprocessing.image.ImageDataGenerator.standardize, Keras 3.15, which centres where it divides.
    if recipe.samplewise_center or recipe.samplewise_std_normalization:
        values -= np.mean(values, keepdims=True)
    if recipe.samplewise_std_normalization:
        values /= np.std(values, keepdims=True) + 1e-6
    return values


def _check_channels(recipe: Recipe, channels: int) -> None:
    if isinstance(recipe.scale, MeanStd):
        fits = {len(recipe.scale.mean), len(recipe.scale.std)} <= {1, channels}
    else:
        fits = channels == _COLOURS or recipe.scale not in ("caffe", "torch")
    if not fits:
        shown = "its mean and std" if isinstance(recipe.scale, MeanStd) else f"the scale {recipe.scale}"
        raise MisfitError(f"The model takes {channels} channels, which {shown} is not for; correct its model.toml.")


def _raw(pixels: Pixels, dtype: str) -> NDArray[Any]:
    if not np.can_cast(np.uint8, dtype):
        raise MisfitError(f"The model takes {dtype}, which cannot hold an image's 0..255; send numbers.")
    within = pixels if pixels.dtype == np.uint8 else np.clip(pixels, 0, 255)
    return within.astype(dtype)


def _inverted(pixels: Pixels) -> Pixels:
    inverted = 255 - pixels
    if pixels.shape[-1] > _COLOURS:
        inverted[..., _COLOURS:] = pixels[..., _COLOURS:]
    return inverted


def _zero_to_one(values: Scaled) -> Scaled:
    values /= 255.0
    return values


def _minus_one_to_one(values: Scaled) -> Scaled:
    values /= 127.5
    values -= 1.0
    return values


def _caffe(values: Scaled) -> Scaled:
    values -= CAFFE_MEAN
    return values


def _torch(values: Scaled) -> Scaled:
    values /= 255.0
    values -= TORCH_MEAN
    values /= TORCH_STD
    return values


def _mean_std(values: Scaled, given: MeanStd) -> Scaled:
    values /= 255.0
    values -= np.asarray(given.mean, np.float32)
    values /= np.asarray(given.std, np.float32)
    return values


def _rescaled(values: Scaled, given: Rescale) -> Scaled:
    values *= np.float32(given.factor)
    values += np.float32(given.offset)
    return values


_SCALES: dict[NamedScale, Callable[[Scaled], Scaled]] = {
    "0..255": lambda values: values,
    "0..1": _zero_to_one,
    "-1..1": _minus_one_to_one,
    "caffe": _caffe,
    "torch": _torch,
}
