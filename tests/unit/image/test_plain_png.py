"""The short way of plain PNGs: the pixels that Pillow's reader gives, and nothing for what is not plain."""

import io
import struct
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from service.image.decode import ImageLimits
from service.image.plain_png import plain_png

LIMITS = ImageLimits()
SIZES = [(1, 1), (28, 28), (33, 100), (257, 129)]


def picture(mode: str, size: tuple[int, int]) -> Image.Image:
    channels = len(mode)
    values = np.random.default_rng(7).integers(0, 256, (*size, channels), np.uint8)
    values[size[0] // 2 :] = 9  # so that every filter of PNG is used
    return Image.fromarray(values[..., 0] if channels == 1 else values)


def png(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG", **options)
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA"])
def test_pixels_are_those_of_pillows_reader(mode: str, size: tuple[int, int]) -> None:
    data = png(picture(mode, size), optimize=size[0] % 2 == 0)

    found = plain_png(data, limits=LIMITS)

    assert found is not None
    pixels, name = found
    assert name == mode
    assert np.array_equal(pixels, np.asarray(Image.open(io.BytesIO(data))).reshape(*size, len(mode)))


@pytest.mark.parametrize("level", [0, 9])
def test_picture_data_in_several_chunks_is_put_together(level: int) -> None:
    data = png(picture("RGB", (60, 60)), compress_level=level)
    start = data.index(b"IDAT") + 4
    length = struct.unpack(">I", data[start - 8 : start - 4])[0]
    halves = data[start : start + length // 2], data[start + length // 2 : start + length]
    chunks = b"".join(chunk(b"IDAT", one) for one in halves)

    found = plain_png(data[: start - 8] + chunks + data[start + length + 4 :], limits=LIMITS)

    assert found is not None
    assert np.array_equal(found[0], np.asarray(picture("RGB", (60, 60))))


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


@pytest.mark.parametrize("mode", ["1", "P", "LA", "I;16"])
def test_what_has_a_palette_or_another_depth_is_left_to_the_reader(mode: str) -> None:
    image = picture("L", (8, 8)).convert(mode) if mode != "I;16" else Image.fromarray(np.zeros((8, 8), np.uint16))

    assert plain_png(png(image), limits=LIMITS) is None


def test_what_turns_or_hides_pixels_is_left_to_the_reader() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_text("a", "b", zip=True)
    for options in ({"exif": exif}, {"transparency": 5}, {"pnginfo": text}):
        assert plain_png(png(picture("L", (8, 8)), **options), limits=LIMITS) is None


def test_what_is_damaged_or_cut_short_is_left_to_the_reader() -> None:
    data = png(picture("RGB", (20, 20)))
    for end in range(0, len(data), 7):
        assert plain_png(data[:end], limits=LIMITS) is None
    for place in range(8, len(data), 5):
        broken = bytearray(data)
        broken[place] ^= 0x10
        assert plain_png(bytes(broken), limits=LIMITS) is None


@pytest.mark.parametrize("rows", [0, 3, 5])
def test_too_few_or_too_many_rows_are_what_the_reader_makes_of_them(rows: int) -> None:
    packed = chunk(b"IDAT", zlib.compress(b"\0\1\2\3\4" * rows))
    data = png(picture("L", (4, 4)))[:33] + packed + chunk(b"IEND", b"")

    found = plain_png(data, limits=LIMITS)

    assert found is None or np.array_equal(found[0][..., 0], np.asarray(Image.open(io.BytesIO(data))))


@pytest.mark.parametrize("limits", [ImageLimits(max_bytes=50), ImageLimits(max_pixels=399), ImageLimits(max_side=19)])
def test_what_is_over_a_limit_is_left_to_the_reader_which_says_so(limits: ImageLimits) -> None:
    data = png(picture("L", (20, 20)))

    assert plain_png(data, limits=LIMITS) is not None
    assert plain_png(data, limits=limits) is None
