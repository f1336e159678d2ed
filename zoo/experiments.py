"""Owns the nets that docs/layers.md compares: five architectures, trained alike on digits as they are and scrambled.

python -m zoo.experiments FOLDER [--data FILE.npz]

FOLDER then is a models folder: each net once per seed, as versions, beside copies of the bundled digit models.
"""

import argparse
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from numpy.typing import NDArray

from zoo.architectures import mnist, mnist_dense, mnist_gap
from zoo.augmentation import Augmentation, Images
from zoo.catalogue import CATALOGUE
from zoo.datasets import Labelled, Split
from zoo.pipeline import Variation
from zoo.train import accuracy, trained_net

BUNDLED = ("mnist", "mnist-dense", "mnist-gap")
SEEDS = (1, 2, 3)
EPOCHS = 4
PICTURES = 20_000
SIDE = 28
SCRAMBLED = "-scrambled"
REORDERED = "mnist-reordered"
MISPLACED = "mnist-misplaced"
SIDECAR = 'labels = ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]\n'
VERSIONS = '[versions]\nserve = "all"\n'


def dense_hidden() -> keras.Model:
    """Build two layers of Dense over the pixels: [N, 28, 28, 1] to softmax [N, 10]; 101,770 parameters."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def conv_strides() -> keras.Model:
    """Build `mnist` with strides in place of its poolings: of each 2x2 places one is kept, not the largest."""
    return keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            layers.Conv2D(32, (3, 3), strides=2, activation="relu"),
            layers.Conv2D(64, (3, 3), strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


NETS: Mapping[str, Callable[[], keras.Model]] = MappingProxyType(
    {
        "dense": mnist_dense,
        "dense-hidden": dense_hidden,
        "conv-strides": conv_strides,
        "conv-flatten": mnist,
        "conv-gap": mnist_gap,
    }
)
ON_SCRAMBLED = ("dense", "dense-hidden", "conv-flatten", "conv-gap")


def main(argv: Sequence[str] | None = None) -> int:
    """Train every net that FOLDER lacks and say how well it does."""
    options = _parser().parse_args(argv)
    tf.config.experimental.enable_op_determinism()
    whole = CATALOGUE["mnist"].dataset.load(options.data, tuple(CATALOGUE["mnist"].views.values()))
    split = replace(whole, train=whole.train.part(np.arange(len(whole.train)) < PICTURES))
    for name in BUNDLED:
        shutil.copytree(options.models_dir / name, options.folder / name, dirs_exist_ok=True)
    write_reordered(options.folder)
    other = replace(split, train=_scrambled(split.train), test=_scrambled(split.test))
    for name, data in [*((one, split) for one in NETS), *((one + SCRAMBLED, other) for one in ON_SCRAMBLED)]:
        train_versions(options.folder / name, data, epochs=EPOCHS)
    return 0


def train_versions(folder: Path, data: Split, *, epochs: int) -> None:
    """Train the net that the folder is named after, once per seed; what is there already is left."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.toml").write_text(SIDECAR + VERSIONS, encoding="utf-8")
    for seed in SEEDS:
        file = folder / str(seed) / "model.keras"
        if not file.exists():
            net = trained(folder.name.removesuffix(SCRAMBLED), data.train, epochs=epochs, seed=seed)
            file.parent.mkdir(exist_ok=True)
            net.save(file)
            print(f"{folder.name} {seed}: {accuracy(net, data.test):.4f}", flush=True)


def trained(name: str, data: Labelled, *, epochs: int, seed: int) -> keras.Model:
    """Return a net of `NETS` trained as the bundled `mnist` is, but for its augmentation: there is none."""
    base = CATALOGUE["mnist-dense" if name == "dense" else "mnist"]
    alike = replace(base, variation=Variation(Augmentation()))
    return trained_net(alike, data, epochs=epochs, seed=seed, build=NETS[name])


def scrambled(images: Images) -> Images:
    """Return the pictures, float32 [N, 28, 28, 1], with their pixels in another order, the same for every picture."""
    order = np.random.default_rng(0).permutation(SIDE * SIDE)
    return images.reshape(len(images), -1)[:, order].reshape(images.shape)


def _scrambled(data: Labelled) -> Labelled:
    return Labelled((scrambled(*data.inputs),), data.classes)


def write_reordered(folder: Path) -> None:
    """Write the bundled `mnist` twice with its flattened vector in another order: the Dense's rows with it, or not."""
    source = keras.models.load_model(folder / "mnist/1/model.keras")
    order = np.random.default_rng(0).permutation(source.get_layer("flatten").output.shape[1])
    kernel, bias = source.get_layer("dense").get_weights()
    for name, rows in {REORDERED: kernel[order], MISPLACED: kernel}.items():
        net = reordered(source, order)
        net.get_layer("dense").set_weights([rows, bias])
        file = folder / name / "1/model.keras"
        file.parent.mkdir(parents=True, exist_ok=True)
        net.save(file)
        (folder / name / "model.toml").write_text(SIDECAR, encoding="utf-8")


def reordered(source: keras.Model, order: NDArray[np.int64]) -> keras.Model:
    """Return a net with the weights of `source` that puts the flattened vector into another order."""
    flat = source.get_layer("flatten").output
    numbers = keras.ops.take(flat, order.tolist(), axis=1)
    hidden = layers.Dense(128, activation="relu", name="dense")(numbers)
    net = keras.Model(source.inputs, layers.Dense(10, activation="softmax", name="dense_1")(hidden))
    net.get_layer("dense_1").set_weights(source.get_layer("dense_1").get_weights())
    return net


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m zoo.experiments", description="Train the nets that docs/layers.md compares."
    )
    parser.add_argument("folder", type=Path, help="where the nets go: a models folder")
    parser.add_argument("--data", type=Path, help=".npz with x_train, y_train, x_test, y_test (else: download)")
    parser.add_argument("--models-dir", type=Path, default=Path("models"), help="the bundled models")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
