"""Owns what a training run is given: labelled inputs, their split, and the datasets that come as arrays."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np
from numpy.typing import NDArray

from zoo.views import View

ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test")
FOLDS = 5
Raw = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Labelled:
    """For each input of a model float32 [N, height, width, channels] in 0..1, and the classes, int64 [N]."""

    inputs: tuple[NDArray[np.float32], ...]
    classes: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of examples."""
        return len(self.classes)

    def part(self, chosen: NDArray[np.bool_]) -> "Labelled":
        """Return the examples that `chosen`, one truth value each, names."""
        return Labelled(tuple(images[chosen] for images in self.inputs), self.classes[chosen])


@dataclass(frozen=True, slots=True)
class Split:
    """What is trained on, the test part held out from it, and the fingerprint of the data they came from."""

    train: Labelled
    test: Labelled
    sha256: str

    def for_validation(self) -> "Split":
        """Return the training part alone, every fifth example held out in place of the test part."""
        is_held_out = np.arange(len(self.train)) % FOLDS == FOLDS - 1
        return Split(self.train.part(~is_held_out), self.train.part(is_held_out), self.sha256)


class Dataset(Protocol):
    """Public data: what to cite, its licence, the fingerprint of what arrives, and how to read it."""

    @property
    def title(self) -> str:
        """What it is, in a few words."""

    @property
    def citation(self) -> str:
        """Its authors and the work to cite."""

    @property
    def url(self) -> str:
        """Where it is described."""

    @property
    def license(self) -> str:
        """Its licence, in words."""

    @property
    def sha256(self) -> str:
        """The fingerprint of the data as the bundled models saw it."""

    @property
    def notes(self) -> str:
        """What a README says besides: how it is split, where to get it; may be empty."""

    @property
    def argument(self) -> str | None:
        """What stands for the data in a command line; None where nothing has to be given."""

    def load(self, path: Path | None, views: Sequence[View]) -> Split:
        """Read it from `path`, or download it where that is None, as one input for each of `views`."""


@dataclass(frozen=True, slots=True)
class ArrayDataset:
    """A dataset that Keras downloads as four arrays; it feeds models of one input."""

    title: str
    citation: str
    url: str
    license: str
    sha256: str
    download: Callable[[], Raw]
    notes: str = ""
    argument: str | None = None

    def load(self, path: Path | None, views: Sequence[View]) -> Split:
        """Download the dataset, or read it from a local `.npz` file.

        Raises ValueError where the file lacks an array, its arrays do not fit together, or they do not fit the view.
        """
        raw = self.download() if path is None else read_npz(path)
        (view,) = views
        return Split(
            train=_labelled(raw["x_train"], raw["y_train"], view),
            test=_labelled(raw["x_test"], raw["y_test"], view),
            sha256=fingerprint(raw),
        )


def read_npz(path: Path) -> Raw:
    """Read the four arrays of `path`; pickled objects are refused. Raises ValueError where one is missing."""
    with np.load(path, allow_pickle=False) as file:
        missing = [name for name in ARRAY_NAMES if name not in file]
        if missing:
            raise ValueError(f"{path.name} lacks {', '.join(missing)}; it needs {', '.join(ARRAY_NAMES)}")
        return {name: file[name] for name in ARRAY_NAMES}


def fingerprint(raw: Raw) -> str:
    """Return the SHA-256 over each array's name, type, shape and bytes, whatever file they were packed in."""
    digest = hashlib.sha256()
    for name in ARRAY_NAMES:
        array = np.ascontiguousarray(raw[name])
        digest.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()


def _labelled(images: NDArray[Any], classes: NDArray[Any], view: View) -> Labelled:
    with_channels = images[..., np.newaxis] if images.ndim == 3 else images
    if images.dtype != np.uint8 or with_channels.shape[1:] != view.shape:
        raise ValueError(f"expected images uint8 [N, {view.shape}], got {images.dtype} {images.shape}")
    if classes.size != len(images):
        raise ValueError(f"expected one class per image, got {classes.size} for {len(images)} images")
    scaled = with_channels.astype(np.float32) / np.float32(255)
    return Labelled((scaled,), classes.reshape(-1).astype(np.int64))


def _download(module: Any) -> Raw:
    (x_train, y_train), (x_test, y_test) = module.load_data()
    return dict(zip(ARRAY_NAMES, (x_train, y_train, x_test, y_test), strict=True))


MNIST = ArrayDataset(
    title="MNIST (60,000 training and 10,000 test images of handwritten digits, 28x28, white on black)",
    citation="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database of handwritten digits",
    url="http://yann.lecun.com/exdb/mnist/",
    license="CC BY-SA 3.0",
    sha256="e5ea4841dd6fde90b155843179ce5756a4864227194eec7fb09d7cfc4cf702a5",
    download=lambda: _download(keras.datasets.mnist),
)

FASHION_MNIST = ArrayDataset(
    title="Fashion-MNIST (60,000 training and 10,000 test images of clothing, 28x28, light on black)",
    citation=(
        "Han Xiao, Kashif Rasul, Roland Vollgraf (Zalando SE): Fashion-MNIST: a Novel Image Dataset for Benchmarking "
        "Machine Learning Algorithms, 2017"
    ),
    url="https://github.com/zalandoresearch/fashion-mnist",
    license="MIT",
    sha256="8294d2ca571ee42977a0b2dbf2f2f22ac6655a869e4497e2cd010da5acf40c92",
    download=lambda: _download(keras.datasets.fashion_mnist),
)
