"""Awkward files of the wild: each becomes a picture, or is refused in words."""

from pathlib import Path

import numpy as np
import pytest

from service.errors import TooLargeError, UndecodableImageError
from service.image.colour import to_colour
from service.image.decode import ImageLimits, OpenedImage, open_image, refusing
from service.image.pipeline import picture_to_input
from service.model.recipe import COLOR_OF_CHANNELS, Recipe
from service.model.tensors import ImageLayout

# What Pillow says of damaged metadata is written to the log in production, where no warning is an error.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

LIMITS = ImageLimits()


def decode(data: bytes) -> OpenedImage:
    """Return an image opened and decoded, as the pipeline does it."""
    opened = open_image(data, limits=LIMITS)
    with refusing(opened.format, LIMITS):
        opened.load()
    return opened


def files(shared: Path, folder: str = "") -> list[Path]:
    found = [one for one in sorted((shared / "data/images" / folder).rglob("*")) if one.is_file()]
    assert found, f"no file in data/images/{folder}"
    return found


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_every_file_becomes_a_picture_or_is_refused(shared: Path, channels: int) -> None:
    recipe = Recipe(color=COLOR_OF_CHANNELS[channels], size=(32, 32), exif=True)
    layout = ImageLayout(32, 32, channels)
    decoded = 0
    for file in files(shared):
        try:
            found = picture_to_input(file.read_bytes(), recipe=recipe, layout=layout, dtype="float32", limits=LIMITS)
        except (UndecodableImageError, TooLargeError):
            continue
        decoded += 1
        assert found.array.shape == (32, 32, channels), file
    assert decoded > 250


def test_every_corrupt_png_is_refused(shared: Path) -> None:
    for file in files(shared, "pngsuite/corrupt"):
        with pytest.raises(UndecodableImageError):
            decode(file.read_bytes())


def test_every_sound_png_is_decoded(shared: Path) -> None:
    for folder in ("pngsuite/primary", "pngsuite/16bit", "pngsuite/unused"):
        for file in files(shared, folder):
            assert decode(file.read_bytes()).format == "PNG"


@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_no_picture_of_sixteen_bits_turns_white(shared: Path, color: str) -> None:
    for file in files(shared, "pngsuite/16bit"):
        image = decode(file.read_bytes()).header
        pixels = np.asarray(to_colour(image, "rgb" if color == "rgb" else "grayscale"))
        assert (pixels == 255).mean() < 0.9, file.name
        assert len(np.unique(pixels)) > 2, file.name


def test_sixteen_bits_are_those_of_tensorflow(shared: Path) -> None:
    tensorflow = pytest.importorskip("tensorflow")
    for file in files(shared, "pngsuite/16bit"):
        data = file.read_bytes()
        expected = tensorflow.io.decode_png(data, channels=3).numpy()

        found = np.asarray(to_colour(decode(data).header, "rgb"))

        assert np.array_equal(found, expected), file.name


@pytest.mark.parametrize("kind", ["Landscape", "Portrait"])
def test_pictures_of_every_orientation_turn_into_the_same_one(shared: Path, kind: str) -> None:
    layout = ImageLayout(16, 16, 3)
    recipe = Recipe(color="rgb", size=(16, 16), resize="box", exif=True, scale="0..255")
    folder = shared / "data/images/exif_orientation"

    first, *others = (
        picture_to_input(
            (folder / f"{kind}_{number}.jpg").read_bytes(), recipe=recipe, layout=layout, dtype="float32", limits=LIMITS
        ).array
        for number in range(1, 9)
    )

    for other in others:
        assert np.abs(first - other).mean() < 6
