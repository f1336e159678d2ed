"""Owns the bundled models' architectures: a table from a name to the function that builds it, untrained.

Nothing but the net is inside: no Rescaling, no Dropout, no augmentation layer; inputs are float32 in 0..1.
"""

from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers


def mnist() -> keras.Model:
    """Build the classic digit CNN: [N, 28, 28, 1] to softmax [N, 10]; 225,034 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist",
    )


def mnist_dense() -> keras.Model:
    """Build one layer of ten sigmoids over the pixels: [N, 28, 28], no channel axis, to [N, 10]; 7,850 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(10, activation="sigmoid"),
        ],
        name="mnist-dense",
    )


def mnist_gap() -> keras.Model:
    """Build a digit CNN for any size from 18x18: [N, height, width, 1] to softmax [N, 10]; 93,962 parameters."""
    return keras.Sequential(
        [
            keras.Input((None, None, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(64, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(128, (3, 3), activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10, activation="softmax"),
        ],
        name="mnist-gap",
    )


def fashion_mnist() -> keras.Model:
    """Build a CNN of one convolution: [N, 28, 28, 1] to softmax [N, 10]; 54,410 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(10, activation="softmax"),
        ],
        name="fashion-mnist",
    )


def cats_dogs() -> keras.Model:
    """Build the classic photo CNN: [N, 64, 64, 3] to the probability of a dog [N, 1]; 813,217 parameters."""
    return keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Conv2D(32, (3, 3), activation="relu"),
            layers.MaxPooling2D((2, 2)),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dense(1, activation="sigmoid"),
        ],
        name="cats-dogs",
    )


def cats_dogs_gray() -> keras.Model:
    """Build a functional CNN of 4x4 kernels: [N, 64, 64, 1] to the probability of a dog [N, 1]; 35,813 parameters."""
    image = keras.Input((64, 64, 1))
    hidden = layers.Dense(10, activation="relu")(_two_convolutions(image))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(hidden), name="cats-dogs-gray")


def cats_dogs_shared_input() -> keras.Model:
    """Build two branches over one [N, 64, 64, 1], to the probability of a dog [N, 1]; 415,045 parameters."""
    image = keras.Input((64, 64, 1))
    fine = layers.Conv2D(32, (4, 4), activation="relu")(image)
    fine = layers.Flatten()(layers.MaxPooling2D((2, 2))(fine))
    coarse = layers.Conv2D(16, (8, 8), activation="relu")(image)
    coarse = layers.Flatten()(layers.MaxPooling2D((2, 2))(coarse))
    hidden = layers.Dense(10, activation="relu")(layers.Concatenate()([fine, coarse]))
    return keras.Model(image, layers.Dense(1, activation="sigmoid")(hidden), name="cats-dogs-shared-input")


def cats_dogs_two_inputs() -> keras.Model:
    """Build a net that sees a photo twice: `gray` [N, 64, 64, 1] and `color` [N, 32, 32, 3], to [N, 1].

    The output is the probability of a dog; 49,699 parameters.
    """
    gray = keras.Input((64, 64, 1), name="gray")
    color = keras.Input((32, 32, 3), name="color")
    seen = layers.Concatenate()([_two_convolutions(gray), _two_convolutions(color)])
    hidden = layers.Dense(10, activation="relu")(seen)
    hidden = layers.Dense(10, activation="relu")(hidden)
    return keras.Model([gray, color], layers.Dense(1, activation="sigmoid")(hidden), name="cats-dogs-two-inputs")


def _two_convolutions(image: Any) -> Any:
    maps = layers.MaxPooling2D((2, 2))(layers.Conv2D(32, (4, 4), activation="relu")(image))
    maps = layers.MaxPooling2D((2, 2))(layers.Conv2D(16, (4, 4), activation="relu")(maps))
    return layers.Flatten()(maps)


ARCHITECTURES: Mapping[str, Callable[[], keras.Model]] = {
    "mnist": mnist,
    "mnist-dense": mnist_dense,
    "mnist-gap": mnist_gap,
    "fashion-mnist": fashion_mnist,
    "cats-dogs": cats_dogs,
    "cats-dogs-gray": cats_dogs_gray,
    "cats-dogs-shared-input": cats_dogs_shared_input,
    "cats-dogs-two-inputs": cats_dogs_two_inputs,
}
