"""Owns the contact sheet: the maps of a layer side by side on a near-square grid, one scale of colours for all."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.explain.colour import VIRIDIS, painted
from service.explain.drawing import SMALL_LINE, Extent, Sheet, enlarged, extent_or_unit

MOST_MAPS = 256
"""Maps on one sheet; more are had by naming them."""
MOST_PIXELS = 16_000_000
_WIDTH = 960
"""Pixels that a sheet is wide, about; maps are never made smaller than they are."""
_LARGEST_CELL = 32
_LARGEST_MAP = 224
_GAP = 4
_NUMBERED_FROM = 18
"""Pixels of a map's width from which on its number fits above it."""


@dataclass(frozen=True, slots=True)
class Grid:
    """How many maps stand beside each other, how much larger each is drawn, and the room for a number above each."""

    columns: int
    factor: int
    above: int


def map_sheet(maps: NDArray[np.float32], *, title: str, numbers: tuple[int, ...], of: int, extent: Extent) -> bytes:
    """Return maps (height, width, channels) as one PNG, each scaled up by the same whole factor.

    `numbers` are those of the channels, of which the layer has `of`; `extent` is what the colours are spread over.
    Raises MisfitError where not even one map fits on a sheet.
    """
    height, width = maps.shape[:2]
    most = min(MOST_MAPS, MOST_PIXELS // (height * width))
    if not most:
        raise MisfitError(
            f"A map of {height}x{width} is too large for a sheet of {MOST_PIXELS:,} pixels; ask with "
            "Accept: application/x-npy."
        )
    numbers = numbers[:most]
    grid = grid_for(len(numbers), (height, width))
    tile = (height * grid.factor + _GAP + grid.above, width * grid.factor + _GAP)
    rows = math.ceil(len(numbers) / grid.columns)
    about = _about(numbers, of, maps.shape[2])
    sheet = Sheet(
        (rows * tile[0], grid.columns * tile[1]),
        title=[title, about],
        extent=extent,
        scale_note="one scale for all channels",
    )
    low, high = extent_or_unit(extent)
    for place, number in enumerate(numbers):
        row, column = divmod(place, grid.columns)
        left, top = column * tile[1], row * tile[0]
        pixels = painted(maps[..., place], VIRIDIS, low=low, high=high)
        sheet.place((left, top + grid.above), enlarged(pixels, grid.factor))
        if grid.above:
            sheet.text((sheet.left + left, sheet.top + top), str(number), faint=True)
    return sheet.png()


def grid_for(count: int, size: tuple[int, int]) -> Grid:
    """Return the grid for `count` maps of `size` (height, width): near-square, and no wider than can be helped."""
    height, width = size
    columns = max(1, min(count, math.ceil(math.sqrt(count * height / width))))
    fitting = min((_WIDTH // columns - _GAP) // width, _LARGEST_MAP // max(size), _LARGEST_CELL)
    factor = max(1, fitting)
    return Grid(columns, factor, SMALL_LINE if count > 1 and width * factor >= _NUMBERED_FROM else 0)


def _about(numbers: tuple[int, ...], of: int, held: int) -> str:
    if of == 1:
        return "1 channel"
    span = f"channels {numbers[0]} to {numbers[-1]}" if _is_run(numbers) else f"{len(numbers)} channels"
    more = "; ask for the others with channels=" if len(numbers) < held else ""
    return f"{span} of {of}, row by row{more}"


def _is_run(numbers: tuple[int, ...]) -> bool:
    return numbers == tuple(range(numbers[0], numbers[0] + len(numbers)))
