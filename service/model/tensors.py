"""Owns the description of a model's inputs and outputs: name, shape, dtype, and which axes form an image."""

import math
import re
from dataclasses import dataclass
from typing import Any, Literal

Shape = tuple[int | None, ...]
"""A shape whose free axes are None; the first axis is the batch."""

ChannelOrder = Literal["channels_last", "channels_first"]
_NUMERIC = re.compile(r"bool|(u?int|float)\d+")


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """One input or output of a model: `shape` with the batch axis first, `dtype` as NumPy names it."""

    name: str
    shape: Shape
    dtype: str = "float32"

    @property
    def item_shape(self) -> Shape:
        """Return the shape of one example, without the batch axis."""
        return self.shape[1:]

    @property
    def is_numeric(self) -> bool:
        """Return whether its values are booleans, integers or floating-point numbers, not text or complex ones."""
        return _NUMERIC.fullmatch(self.dtype) is not None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form; a free axis is null."""
        return {"name": self.name, "shape": list(self.shape), "dtype": self.dtype}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "TensorSpec":
        """Read what `to_json` wrote."""
        return cls(data["name"], tuple(data["shape"]), data["dtype"])


def is_map(shape: Shape) -> bool:
    """Return whether the items of `shape` (batch axis included) have several axes that are not 1: no single vector."""
    return sum(axis != 1 for axis in shape[1:]) > 1


def units_of(spec: TensorSpec) -> int | None:
    """Return the number of values of an output, of which one axis alone may be longer than 1: (N, C), (N, 1, 1, C).

    None for an output that is no vector of classes: a map, a sequence, an axis left free.
    """
    if is_map(spec.shape) or None in spec.item_shape:
        return None
    return math.prod(axis or 0 for axis in spec.item_shape)


@dataclass(frozen=True, slots=True)
class ImageLayout:
    """How an input's axes carry an image: sides in pixels (None where free), channels, axis order.

    `has_channel_axis` is False for inputs of shape (height, width) and for flat vectors; `is_flat` is
    True where the image is one vector in row, column, channel order.
    """

    height: int | None
    width: int | None
    channels: int
    order: ChannelOrder = "channels_last"
    has_channel_axis: bool = True
    is_flat: bool = False

    @property
    def size(self) -> tuple[int | None, int | None]:
        """Return (height, width) in pixels."""
        return (self.height, self.width)


IMAGE_CHANNELS = (1, 3, 4)


def image_layout(shape: Shape, *, order: ChannelOrder = "channels_last") -> ImageLayout | None:
    """Say how an input of `shape` (batch axis included) takes an image, or None where it cannot.

    Rank 4 is an image with 1, 3 or 4 channels in the given `order`; rank 3 is grey without a channel
    axis; rank 2 is a flat grey or RGB square, such as 784 = 28x28 or 3072 = 32x32x3.
    """
    item = shape[1:]
    if len(item) == 3:
        return _spatial_layout(item, order)
    if len(item) == 2:
        return ImageLayout(item[0], item[1], 1, has_channel_axis=False)
    if len(item) == 1 and item[0] is not None:
        return _flat_layout(item[0])
    return None


def _spatial_layout(item: Shape, order: ChannelOrder) -> ImageLayout | None:
    height, width, channels = item if order == "channels_last" else (item[1], item[2], item[0])
    if channels not in IMAGE_CHANNELS:
        return None
    return ImageLayout(height, width, channels, order)


def _flat_layout(length: int) -> ImageLayout | None:
    for channels in (1, 3):
        side = round((length / channels) ** 0.5)
        if side >= 8 and side * side * channels == length:
            return ImageLayout(side, side, channels, has_channel_axis=channels > 1, is_flat=True)
    return None
