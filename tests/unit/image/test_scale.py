"""Pixels reach the range a model was trained on."""

import numpy as np
import pytest

from service.errors import MisfitError
from service.image.scale import scale
from service.model.recipe import Color, MeanStd, Recipe, Scale
from tests.pictures import noise

PIXELS = np.array([[[0, 51, 255]]], np.uint8)


def recipe(given: Scale, color: Color = "rgb", *, invert: bool = False) -> Recipe:
    return Recipe(color=color, size=(1, 1), scale=given, invert=invert)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("0..255", [0, 51, 255]),
        ("0..1", [0, 0.2, 1]),
        ("-1..1", [-1, -0.6, 1]),
        ("caffe", [255 - 103.939, 51 - 116.779, -123.68]),
        ("torch", [-0.485 / 0.229, (0.2 - 0.456) / 0.224, (1 - 0.406) / 0.225]),
        (MeanStd((0.5,), (0.25,)), [-2, -1.2, 2]),
        (MeanStd((0, 0.2, 0.5), (1, 1, 0.5)), [0, 0, 1]),
    ],
)
def test_each_scale_gives_its_numbers(given: Scale, expected: list[float]) -> None:
    found = scale(PIXELS, recipe(given), dtype="float32")

    assert found.dtype == np.float32
    np.testing.assert_allclose(found[0, 0], expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("given", ["0..255", "0..1", "-1..1", "caffe", "torch", MeanStd((0.5,), (0.5,))])
def test_the_pixels_themselves_are_left_as_they_were(given: Scale) -> None:
    pixels = noise(3, 3, 3)
    before = pixels.copy()

    scale(pixels, recipe(given, invert=True), dtype="float32")

    assert np.array_equal(pixels, before)


def test_bgr_is_rgb_reversed() -> None:
    assert scale(PIXELS, recipe("0..255", "bgr"), dtype="float32").tolist() == [[[255, 51, 0]]]


def test_caffe_is_blue_first_from_either_order() -> None:
    pixels = noise(3, 3, 3)

    of_rgb = scale(pixels, recipe("caffe", "rgb"), dtype="float32")
    of_bgr = scale(pixels, recipe("caffe", "bgr"), dtype="float32")

    assert np.array_equal(of_rgb, of_bgr)


def test_invert_comes_before_the_scale_and_leaves_alpha() -> None:
    pixels = np.array([[[0, 51, 255, 10]]], np.uint8)

    found = scale(pixels, recipe("0..255", "rgba", invert=True), dtype="float32")

    assert found.tolist() == [[[255, 204, 0, 10]]]


@pytest.mark.parametrize("dtype", ["uint8", "int16", "int32", "int64", "uint16"])
@pytest.mark.parametrize("given", ["0..1", "caffe", MeanStd((0.5,), (0.5,))])
def test_a_model_of_integers_gets_raw_pixels(dtype: str, given: Scale) -> None:
    found = scale(PIXELS, recipe(given), dtype=dtype)

    assert found.dtype == dtype
    assert found.tolist() == PIXELS.tolist()


@pytest.mark.parametrize("dtype", ["int8", "bool"])
def test_a_dtype_that_cannot_hold_pixels_is_refused(dtype: str) -> None:
    with pytest.raises(MisfitError, match=r"cannot hold an image's .*; send numbers"):
        scale(PIXELS, recipe("0..255"), dtype=dtype)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_other_floats_get_the_float32_numbers_cast(dtype: str) -> None:
    pixels = noise(3, 3, 3)
    expected = scale(pixels, recipe("torch"), dtype="float32").astype(dtype)

    found = scale(pixels, recipe("torch"), dtype=dtype)

    assert found.dtype == dtype
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("given", ["caffe", "torch", MeanStd((0.1, 0.2, 0.3), (1,)), MeanStd((0.1,), (1, 1))])
@pytest.mark.parametrize("color", ["grayscale", "rgba"])
def test_a_scale_for_other_channels_is_refused(given: Scale, color: Color) -> None:
    channels = 1 if color == "grayscale" else 4

    with pytest.raises(MisfitError, match=r"model\.toml"):
        scale(noise(2, 2, channels), recipe(given, color), dtype="float32")
