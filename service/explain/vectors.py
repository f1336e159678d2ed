"""Owns the pictures of vectors: what a Flatten lays out as blocks, units as bars, many units as cells."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.explain.colour import NOT_FINITE, VIRIDIS, painted
from service.explain.drawing import FAINT, INK, MARGIN, Extent, Sheet, enlarged, extent_or_unit, shown

MOST_BARS = 256
_WIDTH = 960
_LARGEST_CELL = 24
_MOST_CELLS = 4_000_000
_LINE, _NAME, _BAR, _VALUE = 18, 150, 300, 70
"""Pixels: the height of a labelled bar, and the widths of its name, of the bar itself and of its number."""
_CHART = 200
_BLUE = (49, 104, 142)
_PINK = tuple(NOT_FINITE.tolist())
Values = NDArray[np.float32]


def flatten_sheet(values: Values, source: tuple[int, int, int], *, title: str, extent: Extent) -> bytes:
    """Return a vector (n,) that was laid out by row, column, channel as PNG, where it came from still to be seen.

    Each position of the maps is a block, at its row and column; within it the channels follow row by row.
    """
    height, width, channels = source
    across = math.ceil(math.sqrt(channels))
    down = math.ceil(channels / across)
    gap = 0 if channels == 1 else 2
    factor = max(1, min(_LARGEST_CELL, (_WIDTH // width - gap) // across))
    tile = (down * factor + gap, across * factor + gap)
    about = f"{len(values):,} values = {height} rows x {width} columns x {channels} channels; "
    about += "a block is a position, and in it the channels follow row by row"
    note = "index = (row * columns + column) * channels + channel"
    sheet = Sheet((height * tile[0], width * tile[1]), title=[title, about], extent=extent, scale_note=note)
    sheet.place((0, 0), _blocks(values.reshape(source), (down, across), factor, gap, extent))
    return sheet.png()


def _blocks(maps: Values, block: tuple[int, int], factor: int, gap: int, extent: Extent) -> NDArray[np.uint8]:
    """Return the blocks of maps (height, width, channels) as pixels, white between them and in their unused cells."""
    height, width, channels = maps.shape
    low, high = extent_or_unit(extent)
    cells = np.full((height, width, block[0] * block[1], 3), 255, np.uint8)
    cells[:, :, :channels] = painted(maps, VIRIDIS, low=low, high=high)
    small = cells.reshape(height, width, *block, 3)
    large = np.repeat(np.repeat(small, factor, axis=2), factor, axis=3)
    with_gap = np.pad(large, ((0, 0), (0, 0), (0, gap), (0, gap), (0, 0)), constant_values=255)
    turned = with_gap.transpose(0, 2, 1, 3, 4)
    return np.ascontiguousarray(turned.reshape(height * with_gap.shape[2], width * with_gap.shape[3], 3))


def unit_sheet(values: Values, numbers: Sequence[int], *, title: str, extent: Extent) -> bytes:
    """Return the units (n,) of a layer as PNG: bars up to MOST_BARS, cells in reading order where they are more."""
    return _cells(values, title, extent) if len(values) > MOST_BARS else _bars(values, numbers, title, extent)


def class_sheet(values: Values, labels: Sequence[str], *, title: str) -> bytes:
    """Return the classes of an output as PNG: a bar from 0 with its label and its value for each, in class order.

    What is not finite has a pink bar from end to end.
    """
    finite = values[np.isfinite(values)]
    low, high = min(0.0, float(finite.min(initial=0))), max(0.0, float(finite.max(initial=0)))
    shown_values, shown_labels = values[:MOST_BARS], labels[:MOST_BARS]
    about = f"{len(values)} classes" + (f", the first {MOST_BARS} of them" if len(values) > MOST_BARS else "")
    size = (len(shown_values) * _LINE, _NAME + _BAR + _VALUE)
    sheet = Sheet(size, title=[title, about], extent=None, scale_note=None)
    unit = _BAR / (high - low) if high > low else 0
    zero = sheet.left + _NAME - low * unit
    for place, (value, label) in enumerate(zip(shown_values.tolist(), shown_labels, strict=True)):
        middle = sheet.top + place * _LINE + _LINE // 2
        sheet.text((sheet.left + _NAME - 6, middle), _cut(label), size=12, anchor="rm")
        ends = (zero, zero + value * unit) if math.isfinite(value) else (sheet.left + _NAME, sheet.left + _NAME + _BAR)
        colour = _BLUE if math.isfinite(value) else _PINK
        sheet.draw.rectangle((min(ends), middle - 6, max(ends), middle + 6), fill=colour)
        sheet.text((sheet.left + _NAME + _BAR + 6, middle), shown(value), size=11, faint=True, anchor="lm")
    sheet.draw.line((zero, sheet.top, zero, sheet.top + size[0]), fill=INK)
    return sheet.png()


def _bars(values: Values, numbers: Sequence[int], title: str, extent: Extent) -> bytes:
    low, high = extent_or_unit(extent)
    low, high = min(low, 0.0), max(high, 0.0)
    step = max(4, min(24, _WIDTH // len(values)))
    about = f"{len(values)} units, bars from {shown(low)} to {shown(high)}; the line is 0"
    sheet = Sheet((_CHART + 2 * MARGIN, len(values) * step), title=[title, about], extent=extent, scale_note=None)
    unit = _CHART / (high - low) if high > low else 0
    zero = sheet.top + high * unit
    for place, value in enumerate(values.tolist()):
        left = sheet.left + place * step
        ends = (zero, zero - value * unit) if math.isfinite(value) else (sheet.top, sheet.top + _CHART)
        colour = _BLUE if math.isfinite(value) else _PINK
        sheet.draw.rectangle((left, min(ends), left + step - 2, max(ends)), fill=colour)
    sheet.draw.line((sheet.left, zero, sheet.left + len(values) * step, zero), fill=FAINT)
    _number_bars(sheet, numbers, step)
    return sheet.png()


def _number_bars(sheet: Sheet, numbers: Sequence[int], step: int) -> None:
    every = math.ceil(28 / step)
    for place in range(0, len(numbers), every):
        at = (sheet.left + place * step, sheet.top + _CHART + 4)
        sheet.text(at, str(numbers[place]), faint=True)


def _cells(values: Values, title: str, extent: Extent) -> bytes:
    values = values[:_MOST_CELLS]
    low, high = extent_or_unit(extent)
    across = math.ceil(math.sqrt(len(values)))
    rows = math.ceil(len(values) / across)
    factor = max(1, min(_LARGEST_CELL, 600 // across))
    pixels = np.full((rows * across, 3), 255, np.uint8)
    pixels[: len(values)] = painted(values, VIRIDIS, low=low, high=high)
    about = f"{len(values):,} units, {across} a row"
    note = "one scale for all units"
    sheet = Sheet((rows * factor, across * factor), title=[title, about], extent=extent, scale_note=note)
    sheet.place((0, 0), enlarged(pixels.reshape(rows, across, 3), factor))
    return sheet.png()


def _cut(label: str) -> str:
    return label if len(label) <= 22 else label[:21] + "…"
