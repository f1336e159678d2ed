"""Owns the small files that would cost a decoder much: what neither their bytes nor their size in pixels show."""

import re
import struct
from collections.abc import Iterator

from PIL.TiffImagePlugin import TILELENGTH, TILEWIDTH, TiffImageFile

from service.errors import TooLargeError, UndecodableImageError

MAX_SCANS = 100
"""Scans a JPEG may have: encoders write about ten; each costs a walk over the whole picture."""

MAX_TIFF_VALUES = 200_000
"""Numbers one TIFF tag may hold: enough for 50 megapixels in tiles of 16x16; Pillow keeps a tuple for each."""

TIFF_COMPRESSIONS = frozenset(
    {
        "raw", "tiff_raw_16", "packbits", "tiff_lzw", "tiff_deflate", "tiff_adobe_deflate",
        "jpeg", "tiff_jpeg", "group3", "group4", "tiff_ccitt",
    }
)  # fmt: skip

_MIN_TILE_PIXELS = 2**20
_SCAN = b"\xff\xda"
_END = 0xD9
# NOTE: 01 and D0 to D7 have no length after them; taken for segments, they would hide the scans that follow.
_NEXT_MARKER = re.compile(rb"\xff[^\x00\x01\xff\xd0-\xd7]")
_BYTE_TYPES = (1, 2, 6, 7)


def check_jpeg(data: bytes) -> None:
    """Refuse a progressive JPEG of absurdly many scans with TooLargeError."""
    if data.count(_SCAN) > MAX_SCANS and sum(1 for marker in _markers(data) if marker == 0xDA) > MAX_SCANS:
        raise TooLargeError(f"The JPEG image has more than {MAX_SCANS} scans; save it again as baseline JPEG.")


def _markers(data: bytes) -> Iterator[int]:
    """Yield the markers of the first picture in `data`; what segments carry inside is skipped."""
    found = _NEXT_MARKER.search(data, 2)
    while found is not None:
        marker, body = data[found.end() - 1], found.end()
        if marker == _END:
            return
        yield marker
        found = _NEXT_MARKER.search(data, body + int.from_bytes(data[body : body + 2], "big"))


def check_tiff(data: bytes) -> None:
    """Refuse a TIFF whose first directory declares a tag of absurdly many numbers with TooLargeError."""
    for kind, count in _tags(data):
        if kind not in _BYTE_TYPES and count > MAX_TIFF_VALUES:
            raise TooLargeError(
                f"A tag of the TIFF image holds {count:,} numbers; at most {MAX_TIFF_VALUES:,} are accepted."
            )


def _tags(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (type, count) of each tag of the first directory of a classic TIFF or a BigTIFF, as far as it goes."""
    order = "<" if data.startswith(b"II") else ">"
    is_big = 43 in (data[2], data[3])
    start_format, count_format, entry = ("Q", "Q", "HHQ8s") if is_big else ("L", "H", "HHL4s")
    try:
        (start,) = struct.unpack_from(order + start_format, data, 8 if is_big else 4)
        (entries,) = struct.unpack_from(order + count_format, data, start)
        first, width = start + struct.calcsize(order + count_format), struct.calcsize(order + entry)
        # The end of the bytes bounds the loop, whatever number of entries is declared.
        for index in range(entries):
            _, kind, count, _ = struct.unpack_from(order + entry, data, first + index * width)
            yield kind, count
    except (struct.error, OverflowError):
        return  # Pillow says whether what there is of it will do.


def check_compression(image: TiffImageFile) -> None:
    """Refuse a TIFF in a compression nobody trains on with UndecodableImageError; LZMA alone reserves gigabytes."""
    compression = image.info.get("compression")
    if compression not in TIFF_COMPRESSIONS:
        raise UndecodableImageError(f"The TIFF image is compressed as {compression}; save it with LZW or deflate.")


def check_tile(image: TiffImageFile) -> None:
    """Refuse a TIFF whose tiles are far larger than its picture with TooLargeError: one tile is decoded whole."""
    width, height = image.tag_v2.get(TILEWIDTH, 0), image.tag_v2.get(TILELENGTH, 0)
    if not isinstance(width, int) or not isinstance(height, int):
        raise ValueError("its tile sizes are no integers")
    if width * height > max(_MIN_TILE_PIXELS, 4 * image.width * image.height):
        raise TooLargeError(f"The TIFF image has tiles of {width:,}x{height:,} pixels, larger than the picture.")
