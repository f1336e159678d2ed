"""Owns decoding each picture once for all the recipes that are tried on it."""

import threading
from pathlib import Path

import numpy as np

from service.image.decode import ImageLimits
from service.image.pipeline import DecodedPicture, decode_picture
from service.model.recipe import Recipe
from service.model.recipes import library_of

_ROOM = 512 * 2**20


class Decoder:
    """Decodes pictures by a recipe's library, colours and EXIF rule, and keeps them as long as they fit in memory."""

    def __init__(self, limits: ImageLimits, *, room: int = _ROOM) -> None:
        self._limits = limits
        self._room = room
        self._kept: dict[tuple[object, ...], DecodedPicture] = {}
        self._lock = threading.Lock()

    def decoded(self, path: Path, recipe: Recipe) -> DecodedPicture:
        """Return a decoded picture file; raises RequestError as `decode_picture` does, and OSError."""
        key = (path, library_of(recipe.recipe), recipe.color, recipe.exif)
        if key in self._kept:
            return self._kept[key]
        found = decode_picture(path.read_bytes(), recipe=recipe, limits=self._limits)
        with self._lock:
            if self._room >= (taken := _bytes_of(found)):
                self._room -= taken
                self._kept[key] = found
        return found


def _bytes_of(picture: DecodedPicture) -> int:
    pixels = picture.pixels
    return pixels.nbytes if isinstance(pixels, np.ndarray) else pixels.width * pixels.height * len(pixels.getbands())
