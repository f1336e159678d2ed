"""Owns what the pictures of activations have in common: paper, text, a scale bar, PNG."""

import io
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from service.explain.colour import VIRIDIS, Pixels, painted

PAPER, INK, FAINT = (255, 255, 255), (32, 32, 32), (120, 120, 120)
MARGIN, LINE, SMALL_LINE = 12, 20, 12
LEAST_WIDTH = 420
"""Pixels that the text above a picture needs."""
BAR_HEIGHT = 36
_BAR, _THICK = 256, 10
Extent = tuple[float, float] | None
"""The least and the greatest finite value, None where there is none."""


@lru_cache(maxsize=4)
def font(size: int) -> Any:
    """Return the typeface that comes with Pillow."""
    return ImageFont.load_default(size)


class Sheet:
    """A picture in the making: a title above, room for content of `size` (height, width), a scale bar below."""

    def __init__(self, size: tuple[int, int], *, title: list[str], extent: Extent, scale_note: str | None) -> None:
        self.top = MARGIN + LINE * len(title)
        self.left = MARGIN
        height, width = size
        bar = BAR_HEIGHT if scale_note else 0
        self._size = (max(width, LEAST_WIDTH) + 2 * MARGIN, self.top + height + MARGIN + bar)
        self._image = Image.new("RGB", self._size, PAPER)
        self.draw = ImageDraw.Draw(self._image)
        for number, line in enumerate(title):
            self.text((self.left, MARGIN // 2 + number * LINE), line, size=13, faint=number > 0)
        if scale_note:
            self._scale_bar(extent, scale_note)

    def place(self, at: tuple[int, int], pixels: Pixels) -> None:
        """Put pixels (height, width, 3) at (x, y) of the content."""
        self._image.paste(Image.fromarray(pixels), (self.left + at[0], self.top + at[1]))

    def text(
        self, at: tuple[float, float], text: str, *, size: int = 10, faint: bool = False, anchor: str = "la"
    ) -> None:
        """Write text at (x, y) of the picture."""
        self.draw.text(at, text, fill=FAINT if faint else INK, font=font(size), anchor=anchor)

    def png(self) -> bytes:
        """Return the picture as PNG."""
        buffer = io.BytesIO()
        self._image.save(buffer, "PNG")
        return buffer.getvalue()

    def _scale_bar(self, extent: Extent, note: str) -> None:
        top = self._size[1] - BAR_HEIGHT + 4
        ramp = painted(np.linspace(0, 1, _BAR), VIRIDIS, low=0, high=1)
        bar = np.repeat(ramp[np.newaxis], _THICK, axis=0)
        self._image.paste(Image.fromarray(bar), (self.left, top))
        low, high = ("", "no finite value") if extent is None else map(shown, extent)
        below = top + _THICK + 2
        self.text((self.left, below), low)
        self.text((self.left + _BAR, below), high, anchor="ra")
        self.text((self.left + _BAR + 10, top - 1), note, faint=True)


def shown(value: float) -> str:
    """Return a number in few characters."""
    return f"{value:.3g}"


def enlarged(plane: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return a plane (height, width[, 3]) with each pixel a square of `factor` by `factor`."""
    return np.repeat(np.repeat(plane, factor, axis=0), factor, axis=1)


def extent_or_unit(extent: Extent) -> tuple[float, float]:
    """Return an extent that colours can be spread over."""
    return (0.0, 1.0) if extent is None else extent
