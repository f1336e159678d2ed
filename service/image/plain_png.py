"""Owns the short way to the pixels of a plain PNG: Pillow's own decoder, without the reader around it.

Of a small picture most of the time goes to that reader, not to its pixels. Whatever is not plain, damaged ones too, is
left to it: None is returned, and the long way finds out what there is to say.
"""

import zlib
from collections.abc import Iterator
from struct import Struct

import numpy as np
from numpy.typing import NDArray
from PIL.Image import core  # type: ignore[attr-defined] # what PIL.ImageFile works with; it has no public name

from service.image.decode import ImageLimits

_BEGIN = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_HEADER = Struct(">IIBBBBB")
_CHUNK = Struct(">I4s")
_CRC = Struct(">I")
_FIRST = 8
_SHORTEST = 57
"""Bytes of the signature and three chunks, two of them empty."""
_MODES = {0: ("L", 1), 2: ("RGB", 3), 6: ("RGBA", 4)}
"""Colour types without a palette: mode as Pillow names it, and channels (PNG specification, 11.2.2)."""
_PASSED_OVER = frozenset((b"IHDR", b"pHYs", b"tIME", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD"))
"""Chunks that change no pixel in Pillow. One with EXIF or transparency is not among them."""
_FINISHED = -1


def plain_png(data: bytes, *, limits: ImageLimits) -> tuple[NDArray[np.uint8], str] | None:
    """Return the pixels (height, width, channels) of a PNG and its mode as Pillow names it; None where it is not plain.

    Plain are 8 bits a sample, not interlaced, gray, RGB or RGBA, within `limits`.
    """
    if not data.startswith(_BEGIN) or not _SHORTEST <= len(data) <= limits.max_bytes:
        return None
    width, height, depth, colour, *others = _HEADER.unpack_from(data, len(_BEGIN))
    kind = _MODES.get(colour)
    is_within = 0 < width <= limits.max_side and 0 < height <= limits.max_side and width * height <= limits.max_pixels
    if kind is None or depth != 8 or any(others) or not is_within:
        return None
    packed = _packed(data)
    return None if packed is None else _decoded(packed, *kind, (width, height))


def _packed(data: bytes) -> bytes | None:
    """Return the compressed pixels; None where a chunk is not sound, or one that is not plain."""
    parts = []
    for kind, start, end in _chunks(data):
        if kind == b"IDAT":
            parts.append(data[start:end])
        elif kind == b"IEND":
            return parts[0] if len(parts) == 1 else b"".join(parts)
        elif kind not in _PASSED_OVER:
            return None
    return None


def _chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Yield the type and the place of the data of each chunk, up to the first whose checksum is wrong."""
    at, size = _FIRST, len(data)
    while at + _CHUNK.size + _CRC.size <= size:
        length, kind = _CHUNK.unpack_from(data, at)
        start = at + _CHUNK.size
        at = start + length + _CRC.size
        if at > size or zlib.crc32(data[start - 4 : start + length]) != _CRC.unpack_from(data, start + length)[0]:
            return
        yield kind, start, start + length


def _decoded(packed: bytes, mode: str, channels: int, size: tuple[int, int]) -> tuple[NDArray[np.uint8], str] | None:
    # NOTE: Pillow is pinned, and a test compares with what PIL.ImageFile makes.
    image, box = core.new(mode, size), (0, 0, *size)
    decoder = core.zip_decoder(mode, mode)
    decoder.setimage(image, box)
    try:
        consumed, error = decoder.decode(packed)
    finally:
        decoder.cleanup()
    if consumed != _FINISHED or error < 0:
        return None
    encoder = core.raw_encoder(mode, mode, 0, 1)
    encoder.setimage(image, box)
    width, height = size
    _, _, pixels = encoder.encode(width * height * channels)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, channels), mode
