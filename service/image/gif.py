"""Owns what Pillow keeps to itself of a GIF: which pixels its first frame shows, its background, its frames' sizes."""

from collections.abc import Iterator
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import TooLargeError

_SCREEN = 13
_FLAGS_AT, _BACKGROUND_AT = 10, 11
_HAS_COLOURS, _COLOUR_BITS = 0x80, 0x07
_EXTENSION, _FRAME = 0x21, 0x2C
_FRAME_HEAD = 9


def shown_by(image: Image.Image) -> NDArray[np.bool_]:
    """Return, for a loaded GIF of palette or grays, which pixels (height, width) its first frame fills."""
    seen = np.asarray(image)
    shown = np.zeros(seen.shape, bool)
    left, top, right, bottom = getattr(image, "dispose_extent", None) or (0, 0, image.width, image.height)
    shown[top:bottom, left:right] = True
    if isinstance(clear := image.info.get("transparency"), int):
        shown &= seen != clear
    return shown


def background_of(data: bytes) -> tuple[int, int, int]:
    """Return the background colour (RGB) that the header of a GIF declares; black where it has no palette."""
    place = _SCREEN + 3 * data[_BACKGROUND_AT]
    if not data[_FLAGS_AT] & _HAS_COLOURS or data[_BACKGROUND_AT] >= _colours(data[_FLAGS_AT]):
        return (0, 0, 0)
    return data[place], data[place + 1], data[place + 2]


MAX_FRAMES = 10_000
"""Frames that are looked at for the largest one: films have hundreds."""

MAX_BLOCKS = 400_000
"""Blocks and frames that a GIF may have: encoders fill each block with 255 bytes, 100 MB in all."""


def check_gif(data: bytes) -> None:
    """Refuse a GIF of absurdly many blocks with TooLargeError: Pillow steps from each to the next, as we do."""
    if len(data) > 2 * MAX_BLOCKS:
        for _ in _frames(data):
            pass


def largest_frame(data: bytes) -> tuple[int, int]:
    """Return the largest height and the largest width that a frame of a GIF has; at least 1, whatever is damaged."""
    height, width = 1, 1
    for frame in islice(_frames(data), MAX_FRAMES):
        height, width = max(height, frame[0]), max(width, frame[1])
    return height, width


def _frames(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield the height and width of each frame, as far as the bytes go; raise TooLargeError over MAX_BLOCKS."""
    place, left = _SCREEN + 3 * _colours(data[_FLAGS_AT]), MAX_BLOCKS
    while place + _FRAME_HEAD < len(data) and data[place] in (_EXTENSION, _FRAME):
        head = data[place + 1 : place + 1 + _FRAME_HEAD]
        if data[place] == _EXTENSION:
            start = place + 2
        else:
            yield int.from_bytes(head[6:8], "little"), int.from_bytes(head[4:6], "little")
            start = place + 2 + _FRAME_HEAD + 3 * _colours(head[8])
        place, left = _behind_blocks(data, start, left=left - 1)


def _colours(flags: int) -> int:
    return 2 ** ((flags & _COLOUR_BITS) + 1) if flags & _HAS_COLOURS else 0


def _behind_blocks(data: bytes, place: int, *, left: int) -> tuple[int, int]:
    """Return where the blocks that begin at `place` end, and how many are left of those allowed.

    Each says its length first, and the last is empty.
    """
    while place < len(data) and data[place] and left >= 0:
        place += data[place] + 1
        left -= 1
    if left < 0:
        raise TooLargeError(f"The GIF image has more than {MAX_BLOCKS:,} blocks of data; save it again as PNG.")
    return place + 1, left
