"""Tells where a unit of a layer looks: the rectangle of the input that can influence it, exactly or too large."""

from service.model.regions.picture import Region, Size
from service.model.regions.unit import Unit, unit_at, unit_of

__all__ = ["Region", "Size", "Unit", "unit_at", "unit_of"]
