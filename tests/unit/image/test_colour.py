"""Every mode Pillow knows reaches the channels a model has."""

import io
import struct
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import UndecodableImageError
from service.image.colour import orientation_of, to_colour, upright, upright_pixels
from service.image.decode import ImageLimits, open_image
from service.model.recipe import Color
from tests.pictures import noise

MODES = {"rgb": "RGB", "bgr": "RGB", "grayscale": "L", "rgba": "RGBA"}


def reopened(image: Image.Image, kind: str, **options: Any) -> Image.Image:
    """Return `image` after a walk through a file of `kind`."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return open_image(buffer.getvalue(), limits=ImageLimits()).load()


def deep(values: NDArray[Any], kind: str = "PNG") -> Image.Image:
    return reopened(Image.fromarray(values), kind)


@pytest.mark.parametrize("color", MODES)
@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "CMYK", "YCbCr", "LAB", "HSV"])
def test_every_mode_of_eight_bits_reaches_every_colour(mode: str, color: Color) -> None:
    image = Image.fromarray(noise(6, 5, 3))
    image = image.convert("L").convert(mode) if mode in ("LA", "PA") else image.convert(mode)

    assert to_colour(image, color).mode == MODES[color]


def test_alpha_is_dropped_and_hidden_colours_show() -> None:
    pixels = noise(4, 4, 4)
    pixels[..., 3] = 0

    assert np.array_equal(np.asarray(to_colour(Image.fromarray(pixels), "rgb")), pixels[..., :3])


@pytest.mark.parametrize("transparency", [0, b"\x00\x80\xff"])
@pytest.mark.parametrize("color", ["rgb", "grayscale"])
def test_a_palette_with_transparency_shows_its_colours_without_a_warning(transparency: Any, color: Color) -> None:
    image = Image.fromarray(noise(9, 9, 3)).quantize(3)
    plain = np.asarray(image.convert(MODES[color]))

    found = to_colour(reopened(image, "PNG", transparency=transparency), color)

    assert np.array_equal(np.asarray(found), plain)


def test_the_transparency_of_a_palette_becomes_alpha() -> None:
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)

    found = to_colour(reopened(image, "PNG", transparency=b"\x07\xff"), "rgba")

    assert np.asarray(found).tolist() == [[[10, 20, 30, 7], [40, 50, 60, 255]]]


def test_the_picture_itself_is_left_as_it_was() -> None:
    image = reopened(Image.new("L", (2, 2)), "PNG", transparency=0)

    to_colour(image, "rgb")

    assert image.info["transparency"] == 0


@pytest.mark.parametrize("color", ["grayscale", "rgb"])
@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_keep_their_high_byte(kind: str, color: Color) -> None:
    values = np.array([[0, 255, 256], [0x1234, 0x7FFF, 0xFFFF]], np.uint16)

    found = np.asarray(to_colour(deep(values, kind), color))

    assert found.reshape(2, 3, -1)[..., 0].tolist() == [[0, 0, 1], [0x12, 0x7F, 0xFF]]


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I"])
def test_sixteen_bits_keep_their_high_byte_in_whatever_order_they_lie(mode: str) -> None:
    kinds = {"I;16": "<u2", "I;16B": ">u2", "I": "<i4"}
    image = Image.frombytes(mode, (2, 1), np.array([0x1234, 0xFFFF]).astype(kinds[mode]).tobytes())

    assert np.asarray(to_colour(image, "grayscale")).tolist() == [[0x12, 0xFF]]


def test_twelve_bits_keep_their_high_byte() -> None:
    tags = [(256, 2), (257, 1), (258, 12), (259, 1), (262, 1), (273, 8), (278, 1), (279, 3)]
    directory = struct.pack("<H", len(tags)) + b"".join(
        struct.pack("<HHLHH", tag, 3, 1, value, 0) for tag, value in tags
    )
    data = b"II*\0" + struct.pack("<L", 12) + bytes.fromhex("123FFF00") + directory + struct.pack("<L", 0)

    image = open_image(data, limits=ImageLimits()).load()

    assert np.asarray(to_colour(image, "grayscale")).tolist() == [[0x12, 0xFF]]


@pytest.mark.parametrize(
    "values",
    [
        np.array([[0, 70_000]], np.int32),
        np.array([[-1, 0]], np.int32),
        np.array([[0.0, 0.5]], np.float32),
    ],
)
@pytest.mark.parametrize("color", ["grayscale", "rgb", "rgba"])
def test_samples_without_a_defined_range_are_refused(values: NDArray[Any], color: Color) -> None:
    with pytest.raises(UndecodableImageError, match="range is not defined; send numbers"):
        to_colour(Image.fromarray(values), color)


TURNED = {
    1: [[1, 2, 3], [4, 5, 6]],
    2: [[3, 2, 1], [6, 5, 4]],
    3: [[6, 5, 4], [3, 2, 1]],
    4: [[4, 5, 6], [1, 2, 3]],
    5: [[1, 4], [2, 5], [3, 6]],
    6: [[4, 1], [5, 2], [6, 3]],
    7: [[6, 3], [5, 2], [4, 1]],
    8: [[3, 6], [2, 5], [1, 4]],
}


@pytest.mark.parametrize("orientation", [0, *TURNED, 9, 65535])
@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_a_picture_is_turned_as_its_orientation_says(kind: str, orientation: int) -> None:
    image = Image.fromarray(np.array(TURNED[1], np.uint8))
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}

    opened = reopened(image, kind, exif=exif, **options)
    found = to_colour(upright(opened, orientation_of(opened)), "grayscale")

    assert np.asarray(found).tolist() == TURNED.get(orientation, TURNED[1])


@pytest.mark.parametrize("orientation", [None, *range(2, 9)])
def test_pixels_are_turned_as_images_are(orientation: int | None) -> None:
    pixels = noise(5, 7, 3)

    found = upright_pixels(pixels, orientation)

    assert np.array_equal(found, np.asarray(upright(Image.fromarray(pixels), orientation)))
    assert found.flags.c_contiguous


@pytest.mark.parametrize("exif", [b"Exif\0\0", b"Exif\0\0II*\0\xff\xff\xff\xff", b"Exif\0\0junkjunkjunk"])
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_damaged_exif_turns_nothing(exif: bytes) -> None:
    image = reopened(Image.fromarray(np.array(TURNED[1], np.uint8)), "JPEG", exif=exif)

    assert orientation_of(image) is None
