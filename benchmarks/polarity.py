"""Measures the warning of reversed polarity on whole test sets: `python -m benchmarks.polarity DATA_FOLDER`.

Each test picture is given to the bundled models of grey pictures as it is, the other way round, and as a scan: six
times as large, printed in grey ink on grey paper with noise, through JPEG and the model's own recipe.
"""

import argparse
import io
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.contestants import ROOT
from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.repository.bundles import BundleStore
from service.serving.live_model import LiveModel
from service.serving.local import open_model, source_of
from service.serving.polarity import LearnedPolarity, polarity_warnings

MODELS = {"mnist": "mnist", "mnist-dense": "mnist", "mnist-gap": "mnist", "fashion-mnist": "fashion_mnist"}
SCANS = 1000
PAPER, INK = 235, 40
_LARGER = 6
_LIMITS = BuildLimits(600, 8 * 2**30)
_IMAGES = ImageLimits(2**24, 2**24)

Pictures = NDArray[np.uint8]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "data", type=Path, help="a folder that holds mnist.npz and fashion_mnist.npz, as Keras has them"
    )
    data: Path = parser.parse_args(arguments).data
    print("| model | pictures | shown | warned of |")
    print("|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for name, dataset in MODELS.items():
            source = source_of(name, ROOT / "models")
            model = open_model(source, store=BundleStore(Path(folder)), limits=_LIMITS, progress=lambda _: None)
            for row in rows(model, np.load(data / f"{dataset}.npz")["x_test"]):
                print(f"| {name} | {' | '.join(row)} |")


def rows(model: LiveModel, pictures: Pictures) -> Iterator[tuple[str, str, str]]:
    """Yield what was shown to a model that learned light on dark, how many, and the share that was warned of."""
    learned = LearnedPolarity()
    random = np.random.default_rng(1)
    shown: dict[str, tuple[Pictures, Callable[[Pictures], NDArray[Any]]]] = {
        "light on dark, right": (pictures, lambda one: _as_stored(model, one)),
        "dark on light, reversed": (255 - pictures, lambda one: _as_stored(model, one)),
        "scans inverted, right": (pictures[:SCANS], lambda one: _through_recipe(model, 255 - _scan(255 - one, random))),
        "scans, reversed": (pictures[:SCANS], lambda one: _through_recipe(model, _scan(255 - one, random))),
    }
    for what, (chosen, prepared) in shown.items():
        batch = np.stack([prepared(one) for one in chosen])
        warned = sum(one is not None for one in polarity_warnings(batch, model, learned))
        yield what, f"{len(chosen):,}", f"{100 * warned / len(chosen):.2f} %"


def _as_stored(model: LiveModel, picture: Pictures) -> NDArray[Any]:
    return _through_recipe(model, picture, format="PNG")


def _scan(picture: Pictures, random: np.random.Generator) -> Pictures:
    """Return a picture of dark on light as a scanner gives it: larger, blurred, grey on grey, with noise."""
    sides = (picture.shape[1] * _LARGER, picture.shape[0] * _LARGER)
    large = np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling.BICUBIC), np.float64)
    grey = INK + large / 255 * (PAPER - INK) + random.normal(0, 4, large.shape)
    return np.clip(np.rint(grey), 0, 255).astype(np.uint8)


def _through_recipe(model: LiveModel, picture: Pictures, *, format: str = "JPEG") -> NDArray[Any]:
    (card,) = model.card.inputs
    assert card.recipe is not None
    assert card.layout is not None
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format)
    prepared = picture_to_input(
        file.getvalue(), recipe=card.recipe, layout=card.layout, dtype=card.spec.dtype, limits=_IMAGES
    )
    return prepared.array


if __name__ == "__main__":
    main()
