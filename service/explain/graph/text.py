"""Owns text in a drawing: how wide it may get in whatever font is there, how it is shortened, what XML takes of it."""

import re
import unicodedata
from functools import cache
from html import escape

_BOLD = 1.1
_NARROW, _WIDE = frozenset("iljftrI.,:;|!'`()[]{}/\\- "), frozenset("mwMW@%×")
_NOT_IN_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def width_of(text: str, size: float, *, is_bold: bool = False) -> float:
    """Return at most how many pixels a line of `size` pixels takes, by the wide letters of DejaVu Sans."""
    return sum(map(_ems, text)) * size * (_BOLD if is_bold else 1.0)


@cache
def _ems(letter: str) -> float:
    if letter in _NARROW:
        return 0.42
    if letter in _WIDE:
        return 0.98
    if letter.isascii():
        return 0.71 if letter.isupper() else 0.64
    return 1.05 if unicodedata.east_asian_width(letter) in "WF" else 0.85


def shortened(text: str, room: float, size: float, *, is_bold: bool = False) -> str:
    """Return `text` in at most `room` pixels, its middle left out where it is longer: both ends tell names apart."""
    if width_of(text, size, is_bold=is_bold) <= room:
        return text
    left, right = text[: len(text) // 2], text[len(text) // 2 :]
    while (left or right) and width_of(f"{left}…{right}", size, is_bold=is_bold) > room:
        left, right = (left[:-1], right) if len(left) >= len(right) else (left, right[1:])
    return f"{left}…{right}"


def escaped(text: str) -> str:
    """Return `text` for an element or an attribute; what XML cannot hold at all becomes a replacement character."""
    return escape(_NOT_IN_XML.sub("\ufffd", text), quote=True)
