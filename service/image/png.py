"""Owns the one check of a PNG that Pillow leaves out: the checksums of its picture data (PNG specification, 5.3)."""

import zlib

_START = 8
_HEAD = 8
_CRC = 4
_TYPE = 4


def has_sound_data(data: bytes) -> bool:
    """Return whether every complete IDAT chunk of a PNG carries the CRC-32 of its bytes."""
    view = memoryview(data)
    position = _START
    while position + _HEAD + _CRC <= len(data):
        end = position + _HEAD + int.from_bytes(view[position : position + 4], "big")
        kind = data[position + 4 : position + _HEAD]
        if kind == b"IDAT" and end + _CRC <= len(data):
            crc = int.from_bytes(view[end : end + _CRC], "big")
            if zlib.crc32(view[position + _TYPE : end]) != crc:
                return False
        position = end + _CRC
    return True
