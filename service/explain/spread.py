"""Owns how the heat of a map's cells lies over the picture: about the middle of what each cell looks at.

With valid padding that is not evenly from edge to edge: of a 28x28 digit, the 5x5 last maps of a small net look at 5 to
21. And a cell does not see all of its field alike: what the middle counts for falls off as a Gaussian (Luo et al.,
2016, https://arxiv.org/abs/1701.04128).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.errors import ConvoyError
from service.model.card import ModelCard
from service.model.insight import CamTap, LayerTap
from service.model.layers import Layer
from service.model.regions import Size, unit_of
from service.model.stack import shapes_in

Shares = NDArray[np.float64]
"""What each pixel has of the heat of each cell, (pixels, cells)."""
_FIELD_IN_DEVIATIONS = 4.0
_AXES = ("row", "column", "channel")


def spread_of(card: ModelCard, cam: CamTap, input_name: str, *, cells: Size, size: Size) -> tuple[Shares, Shares]:
    """Return what each row and each column of an input of `size` has of the `cells` (rows, columns) of a map.

    Where a cell sees the whole side, as behind many layers, the middle of what it sees says nothing: there the cells
    lie evenly, and what is between them is bilinear.
    """
    layer = next((one for one in card.facts.layers or () if one.name == cam.source), None)
    if layer is None:
        return _evenly(cells[0], size[0]), _evenly(cells[1], size[1])
    looking = _Looking(card, layer, input_name, cells, size)
    return looking.along(0), looking.along(1)


def _evenly(count: int, length: int) -> Shares:
    places = (np.arange(count) + 0.5) * length / count - 0.5
    return np.stack([np.interp(np.arange(length), places, one) for one in np.eye(count)], axis=1)


@dataclass(frozen=True, slots=True)
class _Looking:
    """The cells of what a layer gives, and the input that they look at."""

    card: ModelCard
    layer: Layer
    input_name: str
    cells: Size
    size: Size

    def along(self, axis: int) -> Shares:
        """Return the shares along rows (0) or columns (1)."""
        count, length = self.cells[axis], self.size[axis]
        field = self.layer.receptive_field
        if field is None or field[axis] >= length:
            return _evenly(count, length)
        first = (count - 1) // 2  # in the middle, where no edge cuts off what is seen
        seen = [self._middle(axis, place) for place in range(first, min(first + 2, count))]
        start, end = seen[0], seen[-1]
        if start is None or end is None or (end <= start and count > 1):
            return _evenly(count, length)
        places = start + (end - start) * (np.arange(count) - first)
        away = (np.arange(length)[:, np.newaxis] - places) * _FIELD_IN_DEVIATIONS / field[axis]
        return np.exp(-0.5 * away**2)

    def _middle(self, axis: int, place: int) -> float | None:
        """Return the middle of what a cell of the first row or column sees, None where that is not known."""
        try:
            unit = unit_of(self.card, LayerTap(self.layer.name), self._index(axis, place), size=self._free_size())
        except ConvoyError:
            return None
        found = next((one for one in unit.regions if one.input == self.input_name), None)
        if found is None:
            return None
        start, end = ((found.top, found.bottom), (found.left, found.right))[axis]
        return (start + end - 1) / 2 if end > start else None

    def _index(self, axis: int, place: int) -> int:
        """Return the number of the unit at `place` along `axis`, the first along the others."""
        lengths = {"row": self.cells[0], "column": self.cells[1]}
        index = 0
        for name in self.layer.axes or _AXES:
            index = index * lengths.get(name, self._channels()) + (place if name == _AXES[axis] else 0)
        return index

    def _channels(self) -> int:
        names, shape = self.layer.axes or _AXES, shapes_in(self.layer.output_shape)[0][1:]
        return shape[names.index("channel")] or 1

    def _free_size(self) -> Size | None:
        is_free = any(None in one.spec.item_shape for one in self.card.inputs)
        return self.size if is_free else None
