"""Fills in docs/layers.md what the nets of `python -m zoo.experiments FOLDER` answer while `convoy serve FOLDER` runs.

python docs/experiments.py [URL] [--data FILE.npz]
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from asking import URL, Service, npy
from layers import PAGE, table
from numpy.typing import NDArray
from PIL import Image
from readme import filled

from zoo.experiments import (
    BUNDLED,
    EPOCHS,
    MISPLACED,
    NETS,
    ON_SCRAMBLED,
    PICTURES,
    REORDERED,
    SCRAMBLED,
    SEEDS,
    scrambled,
)

Images = NDArray[np.float32]
ONE_REQUEST = 1000
DIRECTIONS = ((0, 1), (1, 0), (0, -1), (-1, 0))


@dataclass(frozen=True)
class Digits:
    """MNIST's test part: float32 [N, 28, 28, 1] in 0..1, and the right classes, int64 [N]."""

    images: Images
    classes: NDArray[np.int64]


class Measured:
    """How many of the digits a running service tells, asked as any client does."""

    def __init__(self, url: str, digits: Digits) -> None:
        self._service = Service(url)
        self._digits = digits

    def setup(self) -> str:
        """Say how many pictures, epochs and seeds the tables come from."""
        return (
            f"Every table is of the {len(self._digits.classes):,} test digits of MNIST, which no net was trained on. "
            f"The nets\nbelow learnt from its first {PICTURES:,} training digits in {EPOCHS} epochs without "
            f"augmentation, once for each of\n{len(SEEDS)} seeds. Tables have the percentage told right: the mean of "
            f"the seeds ± half of what lies between the\nbest and the worst."
        )

    def scrambled(self) -> str:
        """Return how each net does that was trained and asked on pixels in their order and in another."""
        mixed = scrambled(self._digits.images)
        rows = []
        for name in ON_SCRAMBLED:
            plain, other = self._of_seeds(name, self._digits.images), self._of_seeds(name + SCRAMBLED, mixed)
            change = f"{100 * (np.mean(other) - np.mean(plain)):+.1f}"
            rows.append([f"`{name}`", f"{self._parameters(name):,}", spread(plain), spread(other), change])
        return table(["net", "parameters", "pixels in their order", "pixels scrambled", "points"], rows)

    def order(self) -> str:
        """Return what another order of the flattened vector changes in the bundled `mnist`."""
        before = self._probabilities("mnist")
        rows = []
        for name, said in ORDERS.items():
            after = self._probabilities(name)
            differ = int((after.argmax(axis=1) != before.argmax(axis=1)).sum())
            right = percent((after.argmax(axis=1) == self._digits.classes).mean())
            rows.append([said, right, differ, f"{np.abs(after - before).max():.6f}"])
        return table(["the vector", "right", "other answers", "largest change of a probability"], rows)

    def moved(self) -> str:
        """Return how the nets that were trained alike do on digits moved, over the seeds."""
        rows = [[f"`{name}`", f"{self._parameters(name):,}"] for name in NETS]
        for move in MOVES.values():
            images = move(self._digits.images)
            for row, name in zip(rows, NETS, strict=True):
                row.append(spread(self._of_seeds(name, images)))
        return table(["net", "parameters", *MOVES], rows)

    def moved_bundled(self) -> str:
        """Return how the bundled digit models do on digits moved."""
        rows = [
            [f"`{name}`"] + [percent(self.right(name, 1, move(self._digits.images))) for move in MOVES.values()]
            for name in BUNDLED
        ]
        return table(["model", *MOVES], rows)

    def right(self, name: str, version: int, images: Images) -> float:
        """Return the share of the digits, given as `images`, that a version of a net tells."""
        said = [one["index"] for one in self._answers(name, version, images, "probabilities=false&top_k=1")]
        return float((np.array(said) == self._digits.classes).mean())

    def _of_seeds(self, name: str, images: Images) -> list[float]:
        return [self.right(name, seed, images) for seed in SEEDS]

    def _probabilities(self, name: str) -> NDArray[np.float64]:
        return np.array([one["probabilities"] for one in self._answers(name, 1, self._digits.images, "top_k=1")])

    def _answers(self, name: str, version: int, images: Images, query: str) -> list[dict[str, Any]]:
        path = f"/api/models/{name}/versions/{version}/predict?layers=none&{query}"
        parts = range(0, len(images), ONE_REQUEST)
        return [
            answer
            for start in parts
            for answer in self._service.asked(path, npy(images[start : start + ONE_REQUEST]))["predictions"]
        ]

    def _parameters(self, name: str) -> int:
        return sum(one["parameters"] for one in self._service.layers(name))


ORDERS = {
    "mnist": "as it is",
    REORDERED: "in another order, the Dense's rows with it",
    MISPLACED: "in another order, the Dense's rows as they were",
}
PARTS: dict[str, Callable[[Measured], str]] = {
    "measured-setup": Measured.setup,
    "measured-order": Measured.order,
    "measured-scrambled": Measured.scrambled,
    "measured-moved": Measured.moved,
    "measured-bundled": Measured.moved_bundled,
}
"""What stands between the page's markers of measurements."""


# ----------------------------------------------------------------------------------------------- pictures


def shifted(images: Images, pixels: int) -> Images:
    """Return the pictures moved: the first to the right, the next down, left, up, and so on; what is bared is black."""
    height, width = images.shape[1:3]
    ground = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)))
    moved = np.empty_like(images)
    for first, (down, right) in enumerate(DIRECTIONS):
        top, left = pixels * (1 - down), pixels * (1 - right)
        moved[first :: len(DIRECTIONS)] = ground[first :: len(DIRECTIONS), top : top + height, left : left + width]
    return moved


def turned(images: Images, degrees: int) -> Images:
    """Return the pictures turned about their middle by Pillow, bilinear: every other one clockwise."""
    return np.stack([_turned(one, degrees if index % 2 else -degrees) for index, one in enumerate(images)])


def _turned(image: Images, degrees: int) -> Images:
    return np.asarray(Image.fromarray(image[..., 0]).rotate(degrees, Image.Resampling.BILINEAR))[..., np.newaxis]


MOVES: dict[str, Callable[[Images], Images]] = {
    "as they are": partial(shifted, pixels=0),
    **{f"{pixels} px": partial(shifted, pixels=pixels) for pixels in (1, 2, 3, 4)},
    **{f"{degrees}°": partial(turned, degrees=degrees) for degrees in (5, 10, 15, 20)},
}


# --------------------------------------------------------------------------------------------------- text


def percent(share: float) -> str:
    return f"{100 * share:.2f} %"


def spread(shares: Sequence[float]) -> str:
    """Return the mean of several seeds, and half of what lies between the worst and the best, in percent."""
    return f"{100 * np.mean(shares):.1f} ± {50 * (max(shares) - min(shares)):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(prog="python docs/experiments.py")
    parser.add_argument("url", nargs="?", default=URL)
    parser.add_argument("--data", type=Path, help=".npz with x_test and y_test (else: download)")
    options = parser.parse_args()
    measured = Measured(options.url, digits(options.data))
    said = {name: made(measured) for name, made in PARTS.items()}
    PAGE.write_text(filled(PAGE.read_text("utf-8"), said), "utf-8")


def digits(data: Path | None) -> Digits:
    from zoo.catalogue import CATALOGUE

    model = CATALOGUE["mnist"]
    test = model.dataset.load(data, tuple(model.views.values())).test
    return Digits(test.inputs[0], test.classes)


if __name__ == "__main__":
    sys.exit(main())
