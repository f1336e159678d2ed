"""Pictures reach a model as Keras' own loaders bring them there, bit for bit."""

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.image.scale import scale
from service.model.recipe import FITS, Color, MeanStd, NamedScale, Recipe, Resize
from service.model.recipes import RESIZES_OF
from service.model.tensors import ImageLayout, image_layout
from tests.pictures import encoded, noise

keras = pytest.importorskip("keras")

CHANNELS: dict[Color, int] = {"grayscale": 1, "rgb": 3, "rgba": 4}
SIZES = [(28, 28), (64, 96), (224, 200), (333, 500)]


def photo(mode: str) -> bytes:
    """Return a smooth and a noisy half in `mode`, which need the filters to agree on both."""
    ramp = np.add.outer(np.arange(120), np.arange(90)).astype(np.uint8)
    pixels = np.concatenate(
        [np.stack([ramp, ramp.T[:90].repeat(2, 0)[:120, :90], 255 - ramp], -1), noise(120, 90, 3)], 1
    )
    image = Image.fromarray(pixels)
    if mode in ("RGBA", "LA"):
        image.putalpha(Image.fromarray(noise(120, 180)))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "TIFF" if mode in ("CMYK", "YCbCr") else "PNG")
    return buffer.getvalue()


PHOTOS = {mode: photo(mode) for mode in ("RGB", "L", "RGBA", "LA", "P", "1", "CMYK", "YCbCr")}


def ours(data: bytes, color: Color, size: tuple[int, int] | None, **values: Any) -> NDArray[np.float32]:
    height, width = size or (None, None)
    layout = ImageLayout(height, width, CHANNELS[color])
    recipe = Recipe(color=color, size=layout.size, scale="0..255", **values)
    return picture_to_input(data, recipe=recipe, layout=layout, dtype="float32", limits=ImageLimits()).array


def of_keras(data: bytes, color: Color, size: tuple[int, int] | None, **values: Any) -> NDArray[np.float32]:
    image = keras.utils.load_img(io.BytesIO(data), color_mode=color, target_size=size, **values)
    return np.asarray(keras.utils.img_to_array(image))


@pytest.mark.parametrize("mode", PHOTOS)
@pytest.mark.parametrize("color", CHANNELS)
def test_every_colour_is_that_of_load_img(mode: str, color: Color) -> None:
    assert np.array_equal(ours(PHOTOS[mode], color, None), of_keras(PHOTOS[mode], color, None))


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "P"])
@pytest.mark.parametrize("color", CHANNELS)
@pytest.mark.parametrize("method", RESIZES_OF["pillow"])
@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("keeps", [False, True])
def test_every_resize_is_that_of_load_img(
    mode: str, color: Color, method: Resize, size: tuple[int, int], keeps: bool
) -> None:
    found = ours(PHOTOS[mode], color, size, resize=method, fit="crop" if keeps else "stretch")

    expected = of_keras(PHOTOS[mode], color, size, interpolation=method, keep_aspect_ratio=keeps)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("shape", [(1, 50), (50, 1), (3, 7), (100, 99), (17, 170)])
@pytest.mark.parametrize("size", [(28, 28), (10, 30), (30, 10)])
def test_the_crop_of_odd_proportions_is_that_of_load_img(shape: tuple[int, int], size: tuple[int, int]) -> None:
    data = encoded(noise(*shape, 3))

    found = ours(data, "rgb", size, resize="bilinear", fit="crop")

    expected = of_keras(data, "rgb", size, interpolation="bilinear", keep_aspect_ratio=True)
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_every_format_is_decoded_as_load_img_does(kind: str) -> None:
    data = encoded(noise(40, 30, 3), kind)

    assert np.array_equal(ours(data, "rgb", None), of_keras(data, "rgb", None))


@pytest.mark.filterwarnings("ignore:Palette images:UserWarning")  # Keras' own way through Pillow
def test_a_sound_picture_of_any_origin_is_that_of_load_img(shared: Path) -> None:
    """Keras is the oracle wherever its own result is 8-bit."""
    files = sorted((shared / "data/images/pngsuite/primary").glob("*.png"))
    assert files
    for file in files:
        data = file.read_bytes()
        assert np.array_equal(ours(data, "rgb", (32, 32)), of_keras(data, "rgb", (32, 32), interpolation="bilinear"))


def test_padding_is_where_tensorflow_puts_it() -> None:
    tensorflow = pytest.importorskip("tensorflow")
    for height, width in ((12, 20), (20, 12), (3, 3), (100, 99), (99, 100), (7, 200), (31, 29)):
        white = np.full((height, width, 1), 255, np.uint8)

        expected = tensorflow.image.resize_with_pad(white, 28, 30, method="nearest").numpy()

        found = ours(encoded(white[..., 0]), "grayscale", (28, 30), resize="nearest", fit="pad")
        assert np.array_equal(found, expected), (height, width)


MODES: dict[NamedScale, str] = {"-1..1": "tf", "caffe": "caffe", "torch": "torch"}


@pytest.mark.parametrize("name", MODES)
def test_every_scale_of_keras_applications_is_bit_equal(name: NamedScale) -> None:
    pixels = np.stack(np.meshgrid(np.arange(256), np.arange(0, 256, 5)), -1).astype(np.uint8)
    pixels = np.concatenate([pixels, pixels[..., :1]], -1)

    found = scale(pixels, Recipe(color="rgb", size=(None, None), scale=name), dtype="float32")

    expected = keras.applications.imagenet_utils.preprocess_input(
        pixels.astype(np.float32), data_format="channels_last", mode=MODES[name]
    )
    assert np.array_equal(found, expected)


@pytest.mark.parametrize("name", MODES)
def test_channels_first_is_bit_equal_too(name: NamedScale) -> None:
    pixels = noise(16, 16, 3)
    layout = image_layout((None, 3, 16, 16), order="channels_first")
    assert layout is not None
    recipe = Recipe(color="rgb", size=(16, 16), scale=name)

    found = picture_to_input(encoded(pixels), recipe=recipe, layout=layout, dtype="float32", limits=ImageLimits())

    expected = keras.applications.imagenet_utils.preprocess_input(
        pixels.transpose(2, 0, 1).astype(np.float32), data_format="channels_first", mode=MODES[name]
    )
    assert np.array_equal(found.array, expected)


def test_torch_is_the_mean_and_deviation_of_imagenet() -> None:
    pixels = noise(16, 16, 3)
    given = MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))

    found, named = (
        scale(pixels, Recipe(color="rgb", size=(None, None), scale=one), dtype="float32") for one in (given, "torch")
    )

    assert np.array_equal(found, named)


def test_every_fit_is_covered_here() -> None:
    assert set(FITS) == {"stretch", "crop", "pad"}
