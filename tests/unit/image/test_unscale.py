"""The way back from a model's input gives the very pixels it was made of."""

from typing import Any

import numpy as np
import pytest

from service.image.scale import scale
from service.image.unscale import to_picture
from service.model.recipe import MeanStd, Recipe, Rescale
from tests.pictures import noise

PIXELS = noise(9, 7, 3, seed=1)


@pytest.mark.parametrize("color", ["rgb", "bgr"])
@pytest.mark.parametrize(
    "given",
    ["0..255", "0..1", "-1..1", "caffe", "torch", MeanStd((0.5, 0.4, 0.3), (0.2, 0.1, 0.3)), Rescale(0.01, -1.0)],
)
def test_every_scale_is_undone(given: Any, color: Any) -> None:
    recipe = Recipe(color, (9, 7), scale=given)

    assert np.array_equal(to_picture(scale(PIXELS, recipe, dtype="float32"), recipe), PIXELS)


def test_an_inverted_picture_is_shown_as_the_model_saw_it() -> None:
    recipe = Recipe("rgb", (9, 7), invert=True)

    assert np.array_equal(to_picture(scale(PIXELS, recipe, dtype="float32"), recipe), 255 - PIXELS)


def test_whole_numbers_are_shown_as_they_are() -> None:
    recipe = Recipe("rgb", (9, 7), scale="0..255")

    assert np.array_equal(to_picture(scale(PIXELS, recipe, dtype="uint8"), recipe), PIXELS)


def test_a_standardised_picture_is_spread_from_black_to_white() -> None:
    recipe = Recipe("rgb", (9, 7), samplewise_center=True, samplewise_std_normalization=True)

    shown = to_picture(scale(PIXELS, recipe, dtype="float32"), recipe)

    assert (shown.min(), shown.max()) == (0, 255)
    # The order of brightness is kept, up to the rounding of neighbours.
    assert np.all(np.diff(shown.ravel()[np.argsort(PIXELS, axis=None)].astype(int)) >= -1)


def test_a_picture_of_one_brightness_is_shown_grey() -> None:
    recipe = Recipe("rgb", (2, 2), samplewise_center=True)

    shown = to_picture(scale(np.full((2, 2, 3), 9, np.uint8), recipe, dtype="float32"), recipe)

    assert np.all(shown == 128)
