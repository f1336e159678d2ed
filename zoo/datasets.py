"""Owns the training data: where each dataset comes from, and how its pixels become a model's input."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

ARRAY_NAMES = ("x_train", "y_train", "x_test", "y_test")
Raw = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Labelled:
    """Images float32 [N, height, width, channels] in 0..1, and their classes int64 [N]."""

    images: NDArray[np.float32]
    classes: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Split:
    """What is trained on, the test set held out from it, and the fingerprint of the arrays they came from."""

    train: Labelled
    test: Labelled
    sha256: str


@dataclass(frozen=True, slots=True)
class Dataset:
    """A public dataset: what to cite, its licence, how to download it, and the fingerprint of what arrives."""

    title: str
    citation: str
    url: str
    license: str
    sha256: str
    download: Callable[[], Raw]

    def load(self, path: Path | None = None) -> Split:
        """Download the dataset, or read it from a local `.npz` file.

        Raises ValueError where the file lacks an array or its arrays do not fit together.
        """
        raw = self.download() if path is None else read_npz(path)
        return Split(
            train=_labelled(raw["x_train"], raw["y_train"]),
            test=_labelled(raw["x_test"], raw["y_test"]),
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


def _labelled(images: NDArray[Any], classes: NDArray[Any]) -> Labelled:
    if images.dtype != np.uint8 or images.ndim not in (3, 4):
        raise ValueError(f"expected images uint8 [N, H, W] or [N, H, W, C], got {images.dtype} {images.shape}")
    if classes.size != len(images):
        raise ValueError(f"expected one class per image, got {classes.size} for {len(images)} images")
    with_channels = images[..., np.newaxis] if images.ndim == 3 else images
    scaled = with_channels.astype(np.float32) / np.float32(255)
    return Labelled(images=scaled, classes=classes.reshape(-1).astype(np.int64))


def _download_mnist() -> Raw:
    (x_train, y_train), (x_test, y_test) = keras.datasets.mnist.load_data()
    return dict(zip(ARRAY_NAMES, (x_train, y_train, x_test, y_test), strict=True))


MNIST = Dataset(
    title="MNIST (60,000 training and 10,000 test images of handwritten digits, 28x28, white on black)",
    citation="Yann LeCun, Corinna Cortes, Christopher J. C. Burges: The MNIST database of handwritten digits",
    url="http://yann.lecun.com/exdb/mnist/",
    license="CC BY-SA 3.0",
    sha256="e5ea4841dd6fde90b155843179ce5756a4864227194eec7fb09d7cfc4cf702a5",
    download=_download_mnist,
)
