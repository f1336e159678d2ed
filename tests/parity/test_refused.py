"""What a library refuses to read was in nobody's training set: it becomes a picture all the same, or is refused."""

import numpy as np
import pytest

from service.model.recipe import Color
from tests.parity import oracles
from tests.parity.oracles import CHANNELS
from tests.parity.pictures import Picture, of_every_kind, of_kind
from tests.parity.rows import ours

PICTURES = of_every_kind(31, 29)
REFUSED: dict[Color, set[str]] = {
    "rgb": {"WebP alpha", "TIFF", "TIFF 16 bits"},
    "grayscale": {
        *("JPEG CMYK", "JPEG CMYK plain", "JPEG YCCK", "BMP", "BMP 32 bits", "BMP gray", "BMP palette"),
        *("GIF", "GIF gray", "GIF transparent", "GIF frames", "GIF part", "WebP lossy", "WebP lossless", "WebP alpha"),
        *("TIFF", "TIFF 16 bits"),
    },
}


@pytest.mark.parametrize("color", REFUSED)
def test_what_tensorflow_refuses_is_what_the_page_says(color: Color) -> None:
    found = {one.kind for one in PICTURES if oracles.decoded_by_tensorflow(one.data, color) is None}

    assert found == REFUSED[color]


@pytest.mark.parametrize("recipe", ["keras.image_dataset", "opencv"])
@pytest.mark.parametrize("color", ["rgb", "grayscale", "rgba"])
@pytest.mark.parametrize("picture", PICTURES, ids=str)
def test_every_picture_reaches_every_colour(picture: Picture, color: Color, recipe: str) -> None:
    found = ours(picture, recipe=recipe, color=color, size=(8, 9), fit="pad")

    assert found.shape == (8, 9, CHANNELS[color])
    assert np.isfinite(found).all()


@pytest.mark.parametrize("kind", ["PNG L 16 bits", "TIFF 16 bits"])
def test_deep_grays_keep_their_high_byte_where_keras_clips(kind: str) -> None:
    picture = of_kind(kind, 31, 29)

    found = ours(picture, recipe="keras.load_img", color="grayscale")

    expected = oracles.load_img(picture, color="grayscale", size=None)
    assert expected.max() > 255
    assert np.array_equal(found, expected // 256)
