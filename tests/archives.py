"""Makes folders of many pictures for the tiny model of `tests.ready_made`, whose answer to each is known."""

from pathlib import Path

import numpy as np

from tests.pictures import encoded
from tests.ready_made import CORNERS

SIDE = 64
PER_FOLDER = 500


def write_corners(root: Path, count: int) -> list[str]:
    """Write so many pictures of which one corner is lighter, each by another amount; return the labels in order."""
    labels = []
    for number in range(count):
        below = root / f"{number // PER_FOLDER:02}"
        below.mkdir(parents=True, exist_ok=True)
        (below / f"{number:05}.png").write_bytes(_corner(number))
        labels.append(CORNERS[number % len(CORNERS)])
    return labels


def _corner(number: int) -> bytes:
    row, column = divmod(number % len(CORNERS), 2)
    pixels = np.zeros((SIDE, SIDE), np.uint8)
    half = SIDE // 2
    pixels[row * half : (row + 1) * half, column * half : (column + 1) * half] = 56 + number // len(CORNERS) % 200
    return encoded(pixels)
