"""Owns stimuli: drawn pictures, light on dark, that a model can be asked about its pictures with."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageFont, features

Grey = NDArray[np.float32]

PER_KIND = 48
_SEED = 1
_SIDE = 224
_CHARACTERS = "0123456789ABCDEFGHJKLMNPRSTUVXYZabdeghkmnqrty?&%"
_LETTER = 160
_BOLD = 4
_WHITE = 255


def stimuli(height: int, width: int) -> list[Grey]:
    """Return pictures by kind, each (N, height, width) in 0..1: strokes, filled shapes, and characters of a font.

    They are the same at every call. Characters are left out where Pillow comes without FreeType.
    """
    return [np.stack([_reduced(one, height, width) for one in kind]) for kind in _drawn()]


def _reduced(drawn: Image.Image, height: int, width: int) -> Grey:
    return np.asarray(drawn.resize((width, height), Image.Resampling.BOX), np.float32) / np.float32(_WHITE)


@lru_cache(maxsize=1)
def _drawn() -> list[list[Image.Image]]:
    # NOTE: the stream of `RandomState` never changes; that of `default_rng` may between releases of NumPy.
    random = np.random.RandomState(_SEED)
    strokes = [_strokes(random) for _ in range(PER_KIND)]
    shapes = [_shape(random) for _ in range(PER_KIND)]
    characters = [_character(one) for one in _CHARACTERS] if features.check("freetype2") else []
    return [kind for kind in (strokes, shapes, characters) if kind]


def _strokes(random: np.random.RandomState) -> Image.Image:
    """Draw one or two round curves, as a pen would."""
    picture = Image.new("L", (_SIDE, _SIDE))
    draw = ImageDraw.Draw(picture)
    for _ in range(random.randint(1, 3)):
        points = random.uniform(0.22, 0.78, (random.randint(3, 6), 2)) * _SIDE
        x, y = (_smoothed(points[:, axis]) for axis in (0, 1))
        width = int(random.uniform(0.07, 0.125) * _SIDE)
        draw.line(list(zip(x, y, strict=True)), fill=_WHITE, width=width, joint="curve")
        for end in (0, -1):
            draw.circle((x[end], y[end]), width / 2, fill=_WHITE)
    return picture


def _smoothed(corners: NDArray[np.float64]) -> list[float]:
    along = np.interp(np.linspace(0, len(corners) - 1, 40), range(len(corners)), corners)
    return [float(one) for one in np.convolve(np.pad(along, 4, mode="edge"), np.ones(9) / 9, "valid")]


def _shape(random: np.random.RandomState) -> Image.Image:
    """Draw one filled shape of some grey, with soft edges."""
    picture = Image.new("L", (_SIDE, _SIDE))
    corners = random.randint(5, 9)
    angles = np.sort(random.uniform(0, 2 * np.pi, corners))
    radii = random.uniform(0.2, 0.45, corners) * _SIDE
    points = [(_SIDE / 2 + r * np.cos(a), _SIDE / 2 + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]
    ImageDraw.Draw(picture).polygon(points, fill=int(random.uniform(120, _WHITE)))
    return picture.filter(ImageFilter.GaussianBlur(_SIDE // 28))


def _character(one: str) -> Image.Image:
    picture = Image.new("L", (_SIDE, _SIDE))
    font = ImageFont.load_default(size=_LETTER)
    centre = (_SIDE / 2, _SIDE / 2)
    ImageDraw.Draw(picture).text(centre, one, fill=_WHITE, font=font, anchor="mm", stroke_width=_BOLD)
    return picture
