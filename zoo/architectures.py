"""Owns the bundled models' architectures: a table from a name to the function that builds it, untrained."""

from collections.abc import Callable, Mapping

import keras
from keras import layers


def mnist() -> keras.Model:
    """Build the classic digit CNN: float32 [N, 28, 28, 1] in 0..1 to softmax [N, 10]; 225,034 parameters.

    Nothing but the net is inside: no Rescaling, no Dropout, no augmentation layer.
    """
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


ARCHITECTURES: Mapping[str, Callable[[], keras.Model]] = {"mnist": mnist}
