"""What a model does to pixels itself is not done before it a second time."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.parity.pictures import photo, saved
from tests.served import probabilities, served

keras = pytest.importorskip("keras")

SIZES = ((37, 53), (64, 64), (101, 31))
ALLOWED = 1e-4


def normalization() -> Any:
    return keras.layers.Normalization(mean=[110.0, 120.0, 130.0], variance=[3000.0, 4000.0, 5000.0])


def fronts() -> dict[str, list[Any]]:
    """Return the layers that a model begins with, by what is tried."""
    layers = keras.layers
    return {
        "Resizing, Rescaling": [layers.Resizing(24, 20), layers.Rescaling(1 / 255)],
        "Resizing nearest, Rescaling to -1..1": [
            layers.Resizing(24, 20, interpolation="nearest"),
            layers.Rescaling(1 / 127.5, -1),
        ],
        "Rescaling, CenterCrop": [layers.Rescaling(1 / 255), layers.CenterCrop(24, 20)],
        "Normalization, Resizing": [normalization(), layers.Resizing(24, 20)],
        "Resizing with its aspect ratio": [
            layers.Resizing(24, 20, crop_to_aspect_ratio=True),
            layers.Rescaling(1 / 255),
        ],
    }


@pytest.mark.parametrize("front", list(fronts()))
def test_a_model_that_prepares_pictures_itself_gets_raw_pixels(front: str, tmp_path: Path) -> None:
    keras.utils.set_random_seed(3)
    model = keras.Sequential(
        [
            keras.Input((None, None, 3)),
            *fronts()[front],
            keras.layers.Conv2D(8, 3, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(4, activation="softmax"),
        ]
    )
    pixels = [photo(*size) for size in SIZES]

    live = served(model, tmp_path)

    found = probabilities(live, [saved(Image.fromarray(one), "PNG") for one in pixels])
    expected = [model.predict(one[np.newaxis].astype(np.float32), verbose=0)[0] for one in pixels]
    assert np.abs(found - np.stack(expected)).max() <= ALLOWED
    assert live.card.inputs[0].recipe is not None
    assert live.card.inputs[0].recipe.scale == "0..255"
