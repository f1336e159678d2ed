"""The generator of Keras 2, which most old models were trained with, gives what that of Keras 3 does."""

from typing import Any

import numpy as np
import pytest

from service.model.recipe import Rescale
from tests.parity import oracles
from tests.parity.pictures import of_kind
from tests.parity.rows import ours

tf_keras = pytest.importorskip("tf_keras")

PICTURES = (of_kind("JPEG 4:2:0", 211, 101), of_kind("PNG palette", 17, 1))


@pytest.mark.parametrize("options", [{}, {"samplewise_std_normalization": True}])
@pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies:UserWarning")
def test_flow_from_directory_of_keras_2_is_the_recipe_too(
    options: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    # It asks whether SciPy is there even where it turns and shifts nothing.
    monkeypatch.setattr("tf_keras.src.preprocessing.image.scipy", object(), raising=False)
    expected = oracles.flow_from_directory(
        PICTURES,
        color="rgb",
        size=(64, 48),
        resize="bicubic",
        generator=tf_keras.preprocessing.image.ImageDataGenerator,
        rescale=1 / 255,
        **options,
    )

    for picture, tensor in zip(PICTURES, expected, strict=True):
        found = ours(
            picture,
            recipe="keras.flow_from_directory",
            size=(64, 48),
            resize="bicubic",
            scale=Rescale(1 / 255),
            **options,
        )
        assert np.array_equal(found, tensor)
