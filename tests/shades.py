"""Makes a small colour model whose answers depend on scale, colour order and polarity, and pictures of its classes.

It tells dark from light red and dark from light blue by the mean of each channel, in 0..1: under any other recipe half
of its answers or more are wrong.
"""

import functools
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.pictures import encoded

LABELS = ("dark red", "light red", "dark blue", "light blue")
_MEANS = {"dark red": (0.4, 0.0), "light red": (0.85, 0.0), "dark blue": (0.0, 0.4), "light blue": (0.0, 0.85)}
_SIDE = 16


def save_shade_model(path: Path, *, sharpness: float = 8.0, activation: str = "softmax") -> None:
    """Save the model, of input (16, 16, 3); the same file each time, so that it is built once."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_saved(sharpness, activation))


@functools.cache
def _saved(sharpness: float, activation: str) -> bytes:
    import keras

    model = keras.Sequential(
        [
            keras.Input((_SIDE, _SIDE, 3), name="pixels"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(4, activation),
        ]
    )
    # red minus blue tells the colour, and red plus blue over 0.625 the shade
    colour, shade = np.array([1, 1, -1, -1]), np.array([-1, 1, -1, 1])
    weights = sharpness * np.array([colour + shade, np.zeros(4), shade - colour])
    model.layers[-1].set_weights([weights.astype("float32"), (-0.625 * sharpness * shade).astype("float32")])
    with tempfile.TemporaryDirectory() as folder:
        model.save(Path(folder) / "shades.keras")
        return (Path(folder) / "shades.keras").read_bytes()


def shade_pixels(label: str, seed: int, *, side: int = _SIDE) -> NDArray[np.uint8]:
    """Return a noisy picture (side, side, 3) of one class."""
    draw = np.random.default_rng(seed)
    red, blue = _MEANS[label]
    pixels = draw.normal((red, 0.2, blue), 0.05, (side, side, 3)) + draw.normal(0, 0.05)
    return np.asarray(np.clip(pixels * 255, 0, 255), np.uint8)


def write_shades(root: Path, *, per_class: int, side: int = _SIDE, labels: tuple[str, ...] = LABELS) -> Path:
    """Write a labelled folder of PNG files, `per_class` of each class."""
    for index, label in enumerate(labels):
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(per_class):
            pixels = shade_pixels(label, 1000 * index + number, side=side)
            (root / label / f"{number:03}.png").write_bytes(encoded(pixels))
    return root


def write_sidecar(path: Path, *lines: str) -> None:
    """Write a `model.toml` with the labels, and more lines."""
    listed = ", ".join(f'"{label}"' for label in LABELS)
    path.write_text("\n".join([f"labels = [{listed}]", *lines]) + "\n")
