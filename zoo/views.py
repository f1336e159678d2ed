"""Owns the view: how a picture becomes one input, for training and, as the sidecar says it, for serving alike."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Literal

import keras
import numpy as np
from numpy.typing import NDArray

Color = Literal["grayscale", "rgb"]
CHANNELS: Mapping[Color, int] = MappingProxyType({"grayscale": 1, "rgb": 3})
RESIZE = "bilinear"


@dataclass(frozen=True, slots=True)
class View:
    """One input's picture: its colour and (height, width).

    `is_free` marks a net that takes any size, so that the sidecar has to name one; `is_light_on_dark` one whose
    pictures show something light on a dark ground, so that the sidecar names the key that turns others round.
    """

    color: Color
    size: tuple[int, int]
    is_free: bool = False
    is_light_on_dark: bool = False

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return (height, width, channels)."""
        return (*self.size, CHANNELS[self.color])

    def of(self, file: Path) -> NDArray[np.float32]:
        """Return a picture file as float32 [height, width, channels] in 0..1.

        Keras' own `load_img` reads it, so that `recipe = "keras.load_img"` is what the net was trained on. Raises
        OSError where Pillow cannot read the file.
        """
        image = keras.utils.load_img(file, color_mode=self.color, target_size=self.size, interpolation=RESIZE)
        return np.asarray(keras.utils.img_to_array(image), dtype=np.float32) / np.float32(255)

    def sidecar(self) -> dict[str, str | bool | list[int]]:
        """Return the keys of the sidecar's `[preprocessing]` that repeat this view."""
        size = {"size": list(self.size)} if self.is_free else {}
        polarity = {"invert": False} if self.is_light_on_dark else {}
        return {"recipe": "keras.load_img", "color": self.color, **size, "resize": RESIZE, "scale": "0..1", **polarity}
