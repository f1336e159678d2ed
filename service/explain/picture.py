"""Owns which picture an activation has: maps as a contact sheet, a Flatten as blocks, units and classes as bars."""

import math

import numpy as np
from numpy.typing import NDArray

from service.explain.activations import Activation
from service.explain.sheet import map_sheet
from service.explain.vectors import class_sheet, flatten_sheet, unit_sheet
from service.model.head import to_class_values


def picture_of(found: Activation) -> bytes:
    """Return an activation as PNG; raises MisfitError where it is too large for one."""
    item = found.values[0] if found.values.ndim > 1 else found.values
    if sum(axis != 1 for axis in item.shape) > 1:
        return _maps(found, item)
    vector = item.reshape(-1)
    if found.output is not None and found.channels is None:
        values = to_class_values(vector[np.newaxis], found.output.head)[0]
        return class_sheet(values, found.output.labels, title=_title(found))
    if found.flattened is not None and found.channels is None:
        return flatten_sheet(vector, found.flattened, title=_title(found), extent=found.extent)
    numbers = found.numbers if len(found.numbers) == len(vector) else range(len(vector))
    return unit_sheet(vector, numbers, title=_title(found), extent=found.extent)


def _maps(found: Activation, item: NDArray[np.float32]) -> bytes:
    """Return maps as a sheet: rows and columns before the channels; further axes are laid below each other."""
    if found.order == "channels_first" and item.ndim > 2:
        item = np.moveaxis(item, 0, -1)
    if item.ndim < 3:
        return map_sheet(item[..., np.newaxis], title=_title(found), numbers=(0,), of=1, extent=found.extent)
    rows = math.prod(item.shape[:-2])
    maps = item.reshape(rows, *item.shape[-2:])
    axis = 1 if found.order == "channels_first" else -1
    return map_sheet(maps, title=_title(found), numbers=tuple(found.numbers), of=found.shape[axis], extent=found.extent)


def _title(found: Activation) -> str:
    shape = " x ".join(map(str, found.shape[1:]))
    call = f", call {found.tap.call}" if found.tap.call else ""
    part = f", part {found.tap.part}" if found.tap.part else ""
    return f"{found.layer.name} ({found.layer.type}{call}{part}): {shape}"
