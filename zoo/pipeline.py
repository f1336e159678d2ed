"""Owns the input pipeline of training: shuffled batches of varied examples, in the shape that a net takes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from zoo.augmentation import Augmentation, Images, augmented, mixed
from zoo.datasets import Labelled

Batch = tuple[tuple[Images, ...], NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Variation:
    """What happens to a batch: each image augmented, then perhaps two mixed, or all brought to another size.

    `mixing` is the alpha of mixup, for nets of one sigmoid; of `sizes`, in pixels, one is drawn for every batch.
    """

    augmentation: Augmentation
    mixing: float = 0.0
    sizes: tuple[int, ...] = ()

    def __str__(self) -> str:
        """Return it as a reader of a provenance page wants it."""
        mixing = f"; two and two mixed, by shares from Beta({self.mixing:g}, {self.mixing:g})" if self.mixing else ""
        sizes = f"; each batch brought to one of {', '.join(map(str, self.sizes))} pixels a side" if self.sizes else ""
        return f"{self.augmentation}{mixing}{sizes}"


def batches(data: Labelled, variation: Variation, *, batch_size: int, seed: int) -> Iterator[Batch]:
    """Yield full batches without end, in a new order every epoch; what is left of an epoch is dropped.

    The same seed gives the same batches. `batch_size` must not be above the number of images.
    """
    random = np.random.default_rng(seed)
    while True:
        order = random.permutation(len(data))
        for start in range(0, len(data) - batch_size + 1, batch_size):
            chosen = order[start : start + batch_size]
            yield _varied([images[chosen] for images in data.inputs], data.classes[chosen], variation, random=random)


def _varied(
    inputs: Sequence[Images], classes: NDArray[np.int64], variation: Variation, *, random: np.random.Generator
) -> Batch:
    images = augmented(inputs, variation.augmentation, random=random)
    if variation.mixing:
        return mixed(images, classes.astype(np.float32), variation.mixing, random=random)
    if variation.sizes:
        size = int(random.choice(variation.sizes))
        images = tuple(resized(one, size) for one in images)
    return images, classes


def resized(images: Images, size: int) -> Images:
    """Return float32 [N, H, W, C] images brought to `size` x `size`, bilinear and smoothed where that is less."""
    small = keras.ops.image.resize(images, (size, size), interpolation="bilinear", antialias=True)
    return np.asarray(keras.ops.convert_to_numpy(small), dtype=np.float32)


def stream(net: keras.Model, made: Iterator[Batch]) -> Any:
    """Return batches as the `tf.data.Dataset` that `net.fit` takes, made ahead while the net trains."""
    shapes = [tf.TensorSpec(one.shape, tf.float32) for one in net.inputs]
    signature = (shapes[0] if len(shapes) == 1 else tuple(shapes), tf.TensorSpec((None,), tf.float32))
    given = lambda: ((fed(net, images), targets) for images, targets in made)  # noqa: E731
    return tf.data.Dataset.from_generator(given, output_signature=signature).prefetch(2)


def fed(net: keras.Model, inputs: Sequence[Images]) -> Any:
    """Return what `net` is called with: one array alone, several as a tuple; no channel axis where it has none."""
    shaped = tuple(
        images[..., 0] if len(given.shape) == images.ndim - 1 else images
        for images, given in zip(inputs, net.inputs, strict=True)
    )
    return shaped[0] if len(shaped) == 1 else shaped
