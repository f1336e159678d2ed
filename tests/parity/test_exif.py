"""A picture is turned as its EXIF orientation says by a recipe that asks for it, and by no other."""

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from service.model.recipes import NAMED_RECIPES
from tests.parity import oracles
from tests.parity.pictures import ORIENTATIONS, Picture, turned
from tests.parity.rows import ours

KINDS = ("JPEG", "PNG", "WEBP")


def upright(picture: Picture, pixels: NDArray[Any]) -> NDArray[Any]:
    """Return pixels as `ImageOps.exif_transpose` turns them."""
    image = Image.fromarray(pixels)
    image.info["exif"] = Image.open(io.BytesIO(picture.data)).getexif().tobytes()
    return np.asarray(ImageOps.exif_transpose(image))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_load_img_and_its_recipe_turn_nothing(kind: str, orientation: int) -> None:
    picture = turned(kind, orientation)

    found = ours(picture, recipe="keras.load_img")

    assert np.array_equal(found, oracles.load_img(picture, color="rgb", size=None))


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_pillow_turns_as_exif_transpose_does(kind: str, orientation: int) -> None:
    picture = turned(kind, orientation)

    found = ours(picture, recipe="keras.load_img", exif=True)

    turned_by_pillow = ImageOps.exif_transpose(Image.open(io.BytesIO(picture.data)))
    assert np.array_equal(found, np.asarray(turned_by_pillow.convert("RGB")))


@pytest.mark.parametrize("is_asked_for", [False, True])
@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", KINDS)
def test_tensorflow_turns_nothing_and_its_recipe_where_told(kind: str, orientation: int, is_asked_for: bool) -> None:
    picture = turned(kind, orientation)
    pixels = oracles.decoded_by_tensorflow(picture.data, "rgb")
    assert pixels is not None

    found = ours(picture, recipe="keras.image_dataset", exif=is_asked_for)

    assert np.array_equal(found, upright(picture, pixels) if is_asked_for else pixels)


@pytest.mark.parametrize("orientation", ORIENTATIONS)
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])  # of WebP, OpenCV 4 reads no EXIF data
@pytest.mark.parametrize("color", ["bgr", "grayscale"])
def test_opencv_turns_by_itself_and_so_does_its_recipe(kind: str, orientation: int, color: Any) -> None:
    picture = turned(kind, orientation)
    implied = dict(NAMED_RECIPES["opencv"].implied) | {"color": color}

    found = ours(picture, recipe="opencv", **implied)

    expected = oracles.decoded_by_opencv(picture.data, color)
    assert expected is not None
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("recipe", [name for name in NAMED_RECIPES if name != "opencv"])
def test_no_recipe_but_opencvs_turns_unless_told(recipe: str) -> None:
    assert "exif" not in NAMED_RECIPES[recipe].implied
