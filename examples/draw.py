"""Draws the pictures in this folder: digits and clothes of our own lines, so that there is nothing to license.

    python examples/draw.py [FOLDER]

A stroke is a list of points (x, y) in a unit square, x to the right and y down. A smooth curve is laid through them
and drawn with a round pen four times too large, then reduced: hence the soft edges. A garment is one filled outline.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from PIL import Image, ImageDraw

Point = tuple[float, float]
Stroke = Sequence[Point]
OVERSAMPLING = 4
STEPS = 24

STROKES: Mapping[str, Sequence[Stroke]] = MappingProxyType(
    {
        "zero": [
            [
                (0.55, 0.19),
                (0.39, 0.25),
                (0.31, 0.46),
                (0.35, 0.7),
                (0.48, 0.81),
                (0.63, 0.72),
                (0.69, 0.5),
                (0.66, 0.29),
                (0.55, 0.19),
                (0.5, 0.2),
            ]
        ],
        "two": [
            [(0.32, 0.33), (0.40, 0.22), (0.54, 0.20), (0.64, 0.30), (0.61, 0.44), (0.49, 0.59), (0.33, 0.76)],
            [(0.33, 0.76), (0.49, 0.755), (0.70, 0.77)],
        ],
        "three": [
            [(0.34, 0.26), (0.46, 0.19), (0.60, 0.23), (0.62, 0.35), (0.53, 0.45), (0.44, 0.48)],
            [(0.44, 0.48), (0.57, 0.50), (0.66, 0.61), (0.61, 0.75), (0.47, 0.81), (0.33, 0.76)],
        ],
        "four": [
            [(0.42, 0.21), (0.37, 0.36), (0.31, 0.55), (0.50, 0.54), (0.71, 0.52)],
            [(0.60, 0.24), (0.585, 0.50), (0.56, 0.81)],
        ],
        "five": [
            [(0.64, 0.21), (0.52, 0.215), (0.40, 0.22)],
            [(0.40, 0.22), (0.38, 0.33), (0.36, 0.45)],
            [(0.36, 0.45), (0.49, 0.42), (0.61, 0.49), (0.65, 0.63), (0.57, 0.77), (0.44, 0.81), (0.32, 0.76)],
        ],
        "seven": [
            [(0.31, 0.26), (0.48, 0.245), (0.67, 0.24)],
            [(0.67, 0.24), (0.60, 0.41), (0.51, 0.61), (0.46, 0.81)],
        ],
        "eight": [
            [
                (0.61, 0.26),
                (0.5, 0.19),
                (0.39, 0.27),
                (0.43, 0.41),
                (0.56, 0.52),
                (0.62, 0.67),
                (0.52, 0.8),
                (0.39, 0.74),
                (0.39, 0.59),
                (0.51, 0.48),
                (0.61, 0.37),
                (0.61, 0.26),
            ]
        ],
    }
)

OUTLINES: Mapping[str, Stroke] = MappingProxyType(
    {
        "t-shirt": [
            (0.36, 0.05),
            (0.43, 0.1),
            (0.57, 0.1),
            (0.64, 0.05),
            (0.8, 0.12),
            (0.97, 0.38),
            (0.83, 0.45),
            (0.76, 0.36),
            (0.76, 0.96),
            (0.24, 0.96),
            (0.24, 0.36),
            (0.17, 0.45),
            (0.03, 0.38),
            (0.2, 0.12),
        ],
        "trouser": [
            (0.33, 0.03),
            (0.67, 0.03),
            (0.72, 0.97),
            (0.56, 0.97),
            (0.5, 0.3),
            (0.44, 0.97),
            (0.28, 0.97),
        ],
    }
)


@dataclass(frozen=True, slots=True)
class Picture:
    """One example: its file, the digit in it, its (width, height), mode, and the colours of paper and pen."""

    file: str
    digit: str
    size: tuple[int, int]
    mode: str
    paper: tuple[int, ...]
    pen: tuple[int, ...]
    width: float = 0.085


PICTURES = (
    Picture("seven-light-on-dark.png", "seven", (28, 28), "L", (0,), (255,)),
    Picture("zero-light-on-dark.png", "zero", (28, 28), "L", (0,), (250,)),
    Picture("three-light-on-dark.png", "three", (200, 200), "L", (0,), (255,), width=0.09),
    Picture("eight-light-on-dark.jpg", "eight", (160, 160), "RGB", (6, 8, 16), (250, 248, 240), width=0.08),
    Picture("four-light-on-dark.png", "four", (280, 280), "RGBA", (0, 0, 0, 255), (255, 255, 255, 255)),
    Picture("five-dark-on-light.jpg", "five", (240, 240), "RGB", (252, 250, 244), (24, 28, 60), width=0.08),
    Picture("two-dark-on-light.png", "two", (120, 120), "RGB", (255, 255, 255), (16, 16, 20)),
)


@dataclass(frozen=True, slots=True)
class Garment:
    """One example in grey: its file, the garment in it, its (width, height), and the grey of the cloth on black."""

    file: str
    outline: str
    size: tuple[int, int]
    cloth: int


GARMENTS = (
    Garment("t-shirt.png", "t-shirt", (140, 140), 190),
    Garment("trouser.png", "trouser", (84, 84), 210),
)


def main(arguments: Sequence[str]) -> int:
    """Draw every picture into the folder named, or into the one where this script lies."""
    folder = Path(arguments[0]) if arguments else Path(__file__).parent
    folder.mkdir(parents=True, exist_ok=True)
    for picture in PICTURES:
        draw(picture).save(folder / picture.file, **_options(picture))
    for garment in GARMENTS:
        cut(garment).save(folder / garment.file)
    return 0


def draw(picture: Picture) -> Image.Image:
    """Return the picture, drawn large and reduced to its size."""
    large = (picture.size[0] * OVERSAMPLING, picture.size[1] * OVERSAMPLING)
    image = Image.new(picture.mode, large, picture.paper)
    canvas = ImageDraw.Draw(image)
    for stroke in STROKES[picture.digit]:
        _pull_pen(canvas, smooth(stroke), large=large, picture=picture)
    return image.resize(picture.size, Image.Resampling.BOX)


def cut(garment: Garment) -> Image.Image:
    """Return the garment's picture, drawn large and reduced to its size."""
    large = (garment.size[0] * OVERSAMPLING, garment.size[1] * OVERSAMPLING)
    image = Image.new("L", large, 0)
    outline = [(x * large[0], y * large[1]) for x, y in OUTLINES[garment.outline]]
    ImageDraw.Draw(image).polygon(outline, fill=garment.cloth)
    return image.resize(garment.size, Image.Resampling.BOX)


def smooth(points: Stroke) -> list[Point]:
    """Return points of the Catmull-Rom curve through `points`; it begins and ends at the first and last one."""
    around = [points[0], *points, points[-1]]
    curve = [_between(around[i : i + 4], step / STEPS) for i in range(len(points) - 1) for step in range(STEPS)]
    return [*curve, points[-1]]


def _between(four: Stroke, t: float) -> Point:
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = four
    return _cubic(x0, x1, x2, x3, t), _cubic(y0, y1, y2, y3, t)


def _cubic(a: float, b: float, c: float, d: float, t: float) -> float:
    return b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))


def _pull_pen(canvas: ImageDraw.ImageDraw, curve: Stroke, *, large: tuple[int, int], picture: Picture) -> None:
    """Stamp a round pen along the curve, a little wider in the middle of a stroke than at its ends."""
    for index, (x, y) in enumerate(curve):
        along = index / (len(curve) - 1)
        radius = picture.width / 2 * large[1] * (0.85 + 0.6 * along * (1 - along))
        centre = (x * large[0], y * large[1])
        box = (centre[0] - radius, centre[1] - radius, centre[0] + radius, centre[1] + radius)
        canvas.ellipse(box, fill=picture.pen)


def _options(picture: Picture) -> dict[str, Any]:
    return {"quality": 90} if picture.file.endswith(".jpg") else {}


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
