"""Writes one model of keras.applications and what Keras answers: `python -m tests.applications.writer NAME FOLDER`.

No weights are downloaded. They are random, and the batch statistics are those of pictures, so that values neither
vanish nor explode on their way through hundreds of layers and another picture gets another answer.
"""

import io
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from PIL import Image

from tests.applications.catalogue import ANSWERS, CATALOGUE, PICTURES
from tests.pictures import encoded, noise

_SEED = 7
_SIDECAR = """\
[preprocessing]
recipe = "keras.load_img"
size = {size}
scale = "{scale}"
"""
_WIDTH, _HEIGHT = 420, 330
_GRAIN = (0.2, 0.8)  # a net of random weights tells textures apart, and hardly anything else
_LOGIT_SPREAD = 3.0  # standard deviation over the classes
_FREE_SIDE = 224  # where a model takes any size, the one it was trained on


def write(name: str, folder: Path, **options: Any) -> None:
    """Write `models/<name>/1/model.keras` with its sidecar, two pictures, and Keras' answers (2, classes) to them.

    `options` go to the model's constructor.
    """
    family = CATALOGUE[name]
    keras.utils.set_random_seed(_SEED)
    model = getattr(keras.applications, name)(weights=None, **options)
    version = folder / "models" / name / "1"
    version.mkdir(parents=True)
    size = tuple(side or _FREE_SIDE for side in model.input_shape[1:3])
    (version / "model.toml").write_text(_SIDECAR.format(size=list(size), scale=family.scale))
    for number, (file, grain) in enumerate(zip(PICTURES, _GRAIN, strict=True)):
        (folder / file).write_bytes(picture(seed=number, grain=grain))
    preprocess = getattr(keras.applications, family.module).preprocess_input
    pixels = [_as_keras_loads(folder / file, size) for file in PICTURES]
    randomise(model, preprocess(np.stack([*pixels, *_harsh(*size)])))
    inputs = preprocess(np.stack(pixels))
    sharpen(model, inputs)
    model.save(version / "model.keras")
    np.save(folder / ANSWERS, _answers(model, inputs))


def picture(*, seed: int, grain: float) -> bytes:
    """Return a PNG of smooth colours of which noise makes up the share `grain`; wider than high."""
    blots = Image.fromarray(noise(5, 6, 3, seed=seed)).resize((_WIDTH, _HEIGHT), Image.Resampling.BICUBIC)
    pixels = (1 - grain) * np.asarray(blots) + grain * noise(_HEIGHT, _WIDTH, 3, seed=seed)
    return encoded(pixels.astype(np.uint8))


def _as_keras_loads(path: Path, size: tuple[int, ...]) -> NDArray[np.float32]:
    image = keras.utils.load_img(io.BytesIO(path.read_bytes()), target_size=size)
    return np.asarray(keras.utils.img_to_array(image), np.float32)


def _harsh(height: int, width: int) -> list[NDArray[np.float32]]:
    """Return noise, black and white: with the statistics of mild pictures alone, a net explodes on these."""
    shape = height, width, 3
    return [noise(*shape).astype(np.float32), np.zeros(shape, np.float32), np.full(shape, 255, np.float32)]


def randomise(model: Any, inputs: NDArray[np.float32]) -> None:
    """Draw every weight that Keras starts with a constant; take the batch statistics of `inputs` (n, h, w, 3)."""
    random = np.random.default_rng(_SEED)
    for weight in model.trainable_weights:
        value = np.asarray(weight.value)
        if np.ptp(value) == 0:  # biases, gammas, layer scales; kernels keep what their initializers drew
            weight.assign(random.normal(0, 0.1, value.shape) + (0 if value.flat[0] == 0 else 1))
    _take_statistics(model, inputs)


def _take_statistics(model: Any, inputs: NDArray[np.float32]) -> None:
    averaging = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in averaging]
    for layer in averaging:
        layer.momentum = 0.0
    tf.function(model)(inputs, training=True)  # as a graph, which frees what it no longer needs
    for layer, momentum in zip(averaging, momenta, strict=True):
        layer.momentum = momentum


def sharpen(model: Any, inputs: NDArray[np.float32]) -> None:
    """Scale the last kernel so that logits spread as those of a trained net: equal ones would agree with anything."""
    spread = np.log(_answers(model, inputs)).std(axis=1).mean()
    last = [layer for layer in model.layers if hasattr(layer, "kernel")][-1]
    last.kernel.assign(last.kernel * (_LOGIT_SPREAD / spread))


def _answers(model: Any, inputs: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(model.predict(inputs, batch_size=1, verbose=0))


if __name__ == "__main__":
    write(sys.argv[1], Path(sys.argv[2]))
