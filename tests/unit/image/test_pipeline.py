"""An encoded picture becomes one input, laid out as the model has it."""

import io

import numpy as np
import pytest
from PIL import Image

from service.errors import MisfitError, UndecodableImageError
from service.image.decode import ImageLimits
from service.image.pipeline import PreparedImage, picture_to_input
from service.model.recipe import Recipe, default_recipe
from service.model.tensors import ImageLayout, Shape, image_layout
from tests.pictures import encoded, noise

GREY, RGB, RGBA = noise(28, 28), noise(32, 32, 3), noise(8, 8, 4)


def prepared(
    data: bytes, shape: Shape, *, dtype: str = "float32", order: str = "channels_last", **values: object
) -> PreparedImage:
    layout = image_layout(shape, order="channels_first" if order == "channels_first" else "channels_last")
    assert layout is not None
    recipe = default_recipe(layout).overridden({"scale": "0..255", **values}, source="sidecar")
    return picture_to_input(data, recipe=recipe, layout=layout, dtype=dtype, limits=ImageLimits())


@pytest.mark.parametrize(
    ("data", "shape", "expected"),
    [
        (encoded(GREY), (None, 28, 28, 1), GREY[..., None]),
        (encoded(GREY), (None, 28, 28), GREY),
        (encoded(GREY), (None, 784), GREY.reshape(-1)),
        (encoded(RGB), (None, 32, 32, 3), RGB),
        (encoded(RGB), (None, 3072), RGB.reshape(-1)),
        (encoded(RGB), (None, None, None, 3), RGB),
        (encoded(RGBA), (None, 8, 8, 4), RGBA),
    ],
)
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_picture_of_the_models_size_arrives_unchanged(
    data: bytes, shape: Shape, expected: np.ndarray, dtype: str
) -> None:
    found = prepared(data, shape, dtype=dtype)

    assert found.array.dtype == dtype
    assert found.array.flags.c_contiguous
    assert found.array.shape == expected.shape
    assert np.array_equal(found.array, expected)
    assert found.format == "PNG"
    assert found.size == (expected.shape[:2] if expected.ndim > 1 else found.size)


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_a_model_of_channels_first_gets_them_first(dtype: str) -> None:
    found = prepared(encoded(RGB), (None, 3, 32, 32), order="channels_first", dtype=dtype)

    assert found.array.flags.c_contiguous
    assert np.array_equal(found.array, RGB.transpose(2, 0, 1))


def test_the_size_told_is_the_files_and_not_the_models() -> None:
    found = prepared(encoded(noise(10, 40, 3), "JPEG"), (None, 32, 32, 3))

    assert (found.format, found.size, found.array.shape) == ("JPEG", (10, 40), (32, 32, 3))


def test_a_free_side_takes_the_recipes_size_and_else_the_pictures_own() -> None:
    data = encoded(noise(10, 40, 3))

    assert prepared(data, (None, None, None, 3)).array.shape == (10, 40, 3)
    assert prepared(data, (None, None, None, 3), size=(None, 20)).array.shape == (10, 20, 3)
    assert prepared(data, (None, 16, None, 3), size=(99, 20)).array.shape == (16, 20, 3)


def rotated() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    Image.fromarray(noise(10, 40)).save(buffer, "PNG", exif=exif)
    return buffer.getvalue()


def test_a_picture_is_turned_only_where_the_recipe_says_so() -> None:
    shape: Shape = (None, None, None, 1)

    assert prepared(rotated(), shape).array.shape == (10, 40, 1)
    assert prepared(rotated(), shape, exif=True).array.shape == (40, 10, 1)
    assert prepared(rotated(), shape, exif=True).size == (10, 40)


def test_damaged_bytes_are_refused() -> None:
    with pytest.raises(UndecodableImageError):
        prepared(encoded(GREY)[:-40], (None, 28, 28, 1))


@pytest.mark.parametrize("color", ["rgb", "rgba"])
def test_a_colour_of_other_channels_than_the_models_is_refused(color: str) -> None:
    with pytest.raises(MisfitError, match=f"color {color} has . channels and the model's input 1"):
        prepared(encoded(GREY), (None, 28, 28, 1), color=color)


def test_the_result_is_never_a_view_of_anything_shared() -> None:
    layout = ImageLayout(28, 28, 1)
    recipe = Recipe(color="grayscale", size=(28, 28), scale="0..255")
    data = encoded(GREY)

    first, second = (
        picture_to_input(data, recipe=recipe, layout=layout, dtype="uint8", limits=ImageLimits()).array
        for _ in range(2)
    )
    first[...] = 0

    assert np.array_equal(second[..., 0], GREY)
