"""Which bytes become a picture, and what the others are told."""

import io
import struct
import warnings
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageFile

from service.errors import RequestError, TooLargeError, UndecodableImageError
from service.image.bombs import MAX_SCANS
from service.image.decode import FORMATS, ImageLimits, OpenedImage, open_image, refusing, sniff
from tests.pictures import encoded, noise

LIMITS = ImageLimits()


def decode(data: bytes, *, limits: ImageLimits) -> OpenedImage:
    """Return an image opened and decoded, as the pipeline does it."""
    opened = open_image(data, limits=limits)
    with refusing(opened.format, limits):
        opened.load()
    return opened


SAVED = {kind: encoded(noise(20, 30, 3), kind) for kind in FORMATS}


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that declares a size and holds no picture."""
    chunk = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = b"IDAT" + zlib.compress(b"\0")
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(one) - 4) + one + struct.pack(">I", zlib.crc32(one)) for one in (chunk, data)
    )


def tiff(*tags: tuple[int, int, int, int], order: str = "<") -> bytes:
    """Return a TIFF of one directory of (tag, type, count, value)."""
    head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HL", 42, 8)
    entries = b"".join(struct.pack(order + "HHLL", *tag) for tag in tags)
    return head + struct.pack(order + "H", len(tags)) + entries + struct.pack(order + "L", 0) + b"\0" * 64


@pytest.mark.parametrize("kind", FORMATS)
def test_each_accepted_format_is_recognised_and_decoded(kind: str) -> None:
    decoded = decode(SAVED[kind], limits=LIMITS)

    assert sniff(SAVED[kind]) == decoded.format == kind
    assert decoded.header.size == (30, 20)
    assert decoded.header.load() is not None


@pytest.mark.parametrize("data", [b"", b"BM", b"BM is how this text begins, long enough", b"RIFF1234WAVE", b"\xff\xd8"])
def test_bytes_without_the_magic_of_an_image_are_of_no_format(data: bytes) -> None:
    assert sniff(data) is None


def test_no_bytes_are_refused_as_such() -> None:
    with pytest.raises(UndecodableImageError, match=r"empty \(0 bytes\).*JPEG, PNG, WebP, BMP, GIF .* and TIFF"):
        decode(b"", limits=LIMITS)


@pytest.mark.parametrize("data", [b"hello", b"%PDF-1.7", b"8BPS\0\1", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"P6 1 1 255 abc"])
def test_what_is_no_accepted_format_is_told_the_accepted_ones(data: bytes) -> None:
    with pytest.raises(UndecodableImageError, match="Accepted are JPEG, PNG"):
        decode(data, limits=LIMITS)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("part", [0.1, 0.5, 0.9])
def test_a_truncated_image_is_refused_and_not_half_shown(kind: str, part: float) -> None:
    data = SAVED[kind]
    if kind == "TIFF":  # Pillow writes the directory first and the picture last
        assert data[4:8] == b"\x08\0\0\0"

    with pytest.raises(UndecodableImageError, match="Accepted are"):
        decode(data[: int(len(data) * part)], limits=LIMITS)


def test_the_reason_is_told_and_nothing_of_the_server() -> None:
    with pytest.raises(UndecodableImageError, match="truncated") as caught:
        decode(SAVED["JPEG"][:-300], limits=LIMITS)

    assert "0x" not in caught.value.message
    assert "/" not in caught.value.message


@pytest.mark.parametrize(
    ("limits", "told"),
    [
        (ImageLimits(max_bytes=100), "at most 100"),
        (ImageLimits(max_pixels=599), "30x20; at most 599 pixels"),
        (ImageLimits(max_side=29), "30x20; no side may be over 29"),
    ],
)
@pytest.mark.parametrize("kind", FORMATS)
def test_an_image_over_a_limit_is_too_large(kind: str, limits: ImageLimits, told: str) -> None:
    with pytest.raises(TooLargeError, match=told):
        decode(SAVED[kind], limits=limits)


def test_an_image_at_every_limit_is_decoded() -> None:
    data = SAVED["PNG"]

    decode(data, limits=ImageLimits(max_bytes=len(data), max_pixels=600, max_side=30))


@pytest.mark.parametrize("size", [(60_000, 60_000), (2**31 - 1, 2**31 - 1), (20_000, 20_000), (20_001, 1)])
def test_a_declared_size_over_the_limits_is_refused_before_decoding(size: tuple[int, int]) -> None:
    with pytest.raises(TooLargeError):
        decode(png_header(*size), limits=LIMITS)


def test_limits_above_those_of_pillow_hold_without_a_warning() -> None:
    limits = ImageLimits(max_pixels=2**40, max_side=2**20)

    with warnings.catch_warnings(record=True, action="always") as caught, pytest.raises(UndecodableImageError):
        decode(png_header(10_000, 18_000), limits=limits)

    assert caught == []


def test_pillow_keeps_its_settings() -> None:
    before = Image.MAX_IMAGE_PIXELS

    decode(SAVED["PNG"], limits=ImageLimits(max_pixels=1_000))

    assert before == Image.MAX_IMAGE_PIXELS
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


@pytest.mark.parametrize("kind", ["GIF", "TIFF", "WEBP", "PNG"])
def test_of_several_frames_the_first_is_taken(kind: str) -> None:
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue", "lime")]
    buffer = io.BytesIO()
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], **options)

    image = decode(buffer.getvalue(), limits=LIMITS).header

    assert image.convert("RGB").getpixel((0, 0)) == (255, 0, 0)


def test_a_jpeg_of_very_many_scans_is_refused_at_once() -> None:
    data = encoded(noise(16, 16, 3), "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff", start + 2 + int.from_bytes(data[start + 2 : start + 4], "big"))
    bomb = data[:end] + data[start:end] * (MAX_SCANS + 1) + data[end:]

    with pytest.raises(TooLargeError, match="scans"):
        decode(bomb, limits=LIMITS)


def test_scans_behind_a_marker_without_a_length_are_counted_too() -> None:
    data = encoded(noise(16, 16, 3), "JPEG", progressive=True)
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff", start + 2 + int.from_bytes(data[start + 2 : start + 4], "big"))
    bomb = data[:end] + b"\xff\x01\xff\xff" + data[start:end] * (MAX_SCANS + 1) + data[end:]

    with pytest.raises(TooLargeError, match="scans"):
        decode(bomb, limits=LIMITS)


def test_what_follows_a_jpeg_is_not_counted_as_its_scans() -> None:
    data = SAVED["JPEG"] + b"\xff\xda" * 1000

    assert decode(data, limits=LIMITS).header.size == (30, 20)


def test_what_lies_inside_a_jpegs_segments_is_not_counted_as_its_scans() -> None:
    comment = b"\xff\xda" * 1000
    data = SAVED["JPEG"]
    data = data[:2] + b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment + data[2:]

    assert decode(data, limits=LIMITS).header.size == (30, 20)


@pytest.mark.parametrize("kind", [b"\xfe", b"\x77"], ids=["comment", "unknown"])
def test_a_gif_of_very_many_blocks_is_refused_at_once(kind: bytes) -> None:
    small = encoded(noise(8, 8), "GIF")
    first = small.index(b",\x00")
    data = small[:first] + b"!" + kind + b"\x01a" * 5_000_000 + b"\x00" + small[first:]

    with pytest.raises(TooLargeError, match="blocks"):
        decode(data, limits=LIMITS)


def test_a_gif_of_very_many_frames_is_refused_too() -> None:
    small = encoded(noise(8, 8), "GIF")
    frame = b",\x00\x00\x00\x00\x01\x00\x01\x00\x00\x08\x00"

    with pytest.raises(TooLargeError, match="blocks"):
        decode(small[:-1] + frame * 500_000 + b";", limits=LIMITS)


def test_a_large_gif_as_encoders_write_it_is_taken() -> None:
    small = encoded(noise(8, 8), "GIF")
    first = small.index(b",\x00")
    data = small[:first] + b"!\xfe" + (b"\xff" + b"a" * 255) * 10_000 + b"\x00" + small[first:]

    assert decode(data, limits=LIMITS).format == "GIF"


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_tag_of_millions_of_strips_is_refused_at_once(order: str) -> None:
    data = tiff((256, 4, 1, 10), (257, 4, 1, 10), (273, 4, 5_000_000, 8), order=order)

    with pytest.raises(TooLargeError, match="5,000,000"):
        decode(data, limits=LIMITS)


def test_a_small_tiff_of_huge_tiles_is_refused_at_once() -> None:
    data = tiff(
        *((256, 4, 1, 10), (257, 4, 1, 10), (258, 3, 1, 8), (259, 3, 1, 5), (262, 3, 1, 1)),
        *((322, 4, 1, 30_000), (323, 4, 1, 30_000), (324, 4, 1, 8), (325, 4, 1, 8)),
    )

    with pytest.raises(TooLargeError, match="tiles"):
        decode(data, limits=LIMITS)


@given(st.binary(max_size=300), st.sampled_from([b"", *(data[:20] for data in SAVED.values())]))
@settings(deadline=None, max_examples=300)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_random_bytes_are_decoded_or_refused(tail: bytes, head: bytes) -> None:
    decodes_or_refuses(head + tail)


@given(
    st.sampled_from(FORMATS),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.05, 1),
)
@settings(deadline=None, max_examples=400)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_image_is_decoded_or_refused(kind: str, changes: list[tuple[float, int]], kept: float) -> None:
    data = bytearray(SAVED[kind])
    for place, value in changes:
        data[int(place * len(data))] = value
    decodes_or_refuses(bytes(data[: int(kept * len(data))]) if kept < 0.9 else bytes(data))


def decodes_or_refuses(data: bytes) -> None:
    """A RequestError, or a picture within the limits; nothing else."""
    try:
        decoded = decode(data, limits=ImageLimits(max_pixels=100_000))
    except RequestError:
        return
    assert np.prod(decoded.header.size) <= 100_000


def test_a_tiff_in_a_compression_that_reserves_gigabytes_is_refused() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "TIFF", compression="lzma")
    with pytest.raises(UndecodableImageError, match="lzma"):
        decode(buffer.getvalue(), limits=ImageLimits())
