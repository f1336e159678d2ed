"""A picture of any shape reaches the height and width a model takes."""

import numpy as np
import pytest
from PIL import Image

from service.errors import TooLargeError
from service.image import resize as pillow
from service.model.recipe import FITS, Fit, Recipe, Resize
from service.model.recipes import RESIZES_OF
from tests.pictures import noise

RESIZES = RESIZES_OF["pillow"]
PICTURE = Image.fromarray(noise(12, 20, 3))


def resize(image: Image.Image, size: tuple[int | None, int | None], *, method: Resize, fit: Fit) -> Image.Image:
    return pillow.resize(image, size, Recipe(color="rgb", size=size, resize=method, fit=fit))


@pytest.mark.parametrize("method", RESIZES)
@pytest.mark.parametrize("fit", FITS)
def test_every_filter_and_fit_gives_the_size_asked_for(method: Resize, fit: Fit) -> None:
    assert resize(PICTURE, (7, 9), method=method, fit=fit).size == (9, 7)


@pytest.mark.parametrize("size", [(None, None), (12, None), (None, 20), (12, 20)])
@pytest.mark.parametrize("fit", FITS)
def test_a_picture_that_has_the_size_is_returned_as_it_is(size: tuple[int | None, int | None], fit: Fit) -> None:
    assert resize(PICTURE, size, method="bicubic", fit=fit) is PICTURE


@pytest.mark.parametrize(("size", "expected"), [((6, None), (20, 6)), ((None, 5), (5, 12))])
def test_a_free_side_keeps_the_pictures_own(size: tuple[int | None, int | None], expected: tuple[int, int]) -> None:
    assert resize(PICTURE, size, method="bilinear", fit="stretch").size == expected


def test_crop_takes_the_centre() -> None:
    pixels = np.zeros((4, 8), np.uint8)
    pixels[:, 2:6] = np.arange(16).reshape(4, 4)

    found = resize(Image.fromarray(pixels), (4, 4), method="nearest", fit="crop")

    assert np.array_equal(np.asarray(found), np.arange(16).reshape(4, 4))


def test_pad_keeps_all_and_centres_it_on_zeros() -> None:
    found = np.asarray(resize(Image.new("L", (8, 4), 255), (8, 8), method="bilinear", fit="pad"))

    assert found[2:6].min() == 255
    assert found[:2].max() == found[6:].max() == 0


@pytest.mark.parametrize(
    ("width", "height", "box"),
    [(20, 12, (0, 5, 28, 16)), (12, 20, (5, 0, 16, 28)), (3, 3, (0, 0, 28, 28)), (100, 99, (0, 0, 28, 27))],
)
def test_pad_has_the_arithmetic_of_tensorflow(width: int, height: int, box: tuple[int, int, int, int]) -> None:
    found = resize(Image.new("L", (width, height), 255), (28, 28), method="nearest", fit="pad")

    left, top, wide, high = box
    rows, columns = np.nonzero(np.asarray(found))
    assert [columns.min(), columns.max() + 1, rows.min(), rows.max() + 1] == [left, left + wide, top, top + high]


@pytest.mark.parametrize("shape", [(1, 5000), (5000, 1), (1, 1), (2, 4999)])
@pytest.mark.parametrize("size", [(28, 28), (1, 300), (300, 1), (1, 1)])
@pytest.mark.parametrize("fit", FITS)
def test_absurd_proportions_are_served_all_the_same(shape: tuple[int, int], size: tuple[int, int], fit: Fit) -> None:
    picture = Image.new("L", shape[::-1], 200)

    found = resize(picture, size, method="lanczos", fit=fit)

    assert found.size == size[::-1]
    assert np.asarray(found).max() == 200


def test_a_long_line_is_no_picture_for_a_recipe_by_the_shorter_side() -> None:
    recipe = Recipe("rgb", (224, 224), recipe="huggingface", shortest_edge=256)

    with pytest.raises(TooLargeError, match="64 times as long"):
        pillow.resize(Image.new("RGB", (2000, 1)), (224, 224), recipe)
