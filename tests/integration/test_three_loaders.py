"""A model trained with any of Keras' three loaders answers a file as `model.predict` does that loader's tensor."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.parity.pictures import photo, saved
from tests.served import probabilities, served

keras = pytest.importorskip("keras")

from keras.src.legacy.preprocessing.image import ImageDataGenerator  # noqa: E402

Array = NDArray[np.float32]
ALLOWED = 1e-4
SIZE = (48, 40)
COLOURS = {"blue": (0.2, 0.3, 1.0), "green": (0.3, 1.0, 0.2), "red": (1.0, 0.2, 0.3)}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of photos per class, as a training script reads it: JPEG and PNG of many sizes."""
    root = tmp_path_factory.mktemp("photos")
    for name, tint in COLOURS.items():
        (root / name).mkdir()
        for index, (height, width) in enumerate(((211, 101), (97, 131), (60, 300), (150, 150))):
            image = Image.fromarray((photo(height, width) * np.array(tint)).astype(np.uint8))
            kind = "PNG" if index == 3 else "JPEG"
            (root / name / f"{index}.{kind.lower()}").write_bytes(saved(image, kind))
    return root


def by_load_img(folder: Path) -> Array:
    images = [keras.utils.load_img(file, target_size=SIZE) for file in files(folder)]
    tensors: Array = np.stack([keras.utils.img_to_array(image) for image in images])
    return tensors / np.float32(127.5) - np.float32(1)


def by_generator(folder: Path) -> Array:
    flow = ImageDataGenerator(rescale=1 / 255).flow_from_directory(
        folder, target_size=SIZE, batch_size=len(files(folder)), shuffle=False
    )
    return np.asarray(flow[0][0])


def by_dataset(folder: Path) -> Array:
    dataset = keras.utils.image_dataset_from_directory(folder, image_size=SIZE, shuffle=False, batch_size=None)
    return np.stack([np.asarray(image) for image, _ in dataset])


LOADERS: dict[str, tuple[Callable[[Path], Array], str]] = {
    "load_img": (by_load_img, 'recipe = "keras.load_img"\nscale = "-1..1"\n'),
    "flow_from_directory": (by_generator, 'recipe = "keras.flow_from_directory"\nscale = "0..1"\n'),
    "image_dataset_from_directory": (by_dataset, 'recipe = "keras.image_dataset"\nscale = "0..255"\n'),
}


def files(folder: Path) -> list[Path]:
    """Return the photos in the order of all three loaders: by class, then by name."""
    return sorted(folder.glob("*/*"))


def trained(tensors: Array) -> Any:
    """Return a small net that has seen these tensors, three classes of equal size, for a few steps."""
    keras.utils.set_random_seed(7)
    layers = keras.layers
    model = keras.Sequential(
        [
            keras.Input((*SIZE, 3)),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.BatchNormalization(),
            layers.Conv2D(8, 3, strides=2, activation="relu"),
            layers.Flatten(),
            layers.Dense(len(COLOURS), activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy")
    labels = np.repeat(np.arange(len(COLOURS)), len(tensors) // len(COLOURS))
    model.fit(tensors, labels, epochs=4, batch_size=4, verbose=0)
    return model


@pytest.mark.parametrize("loader", LOADERS)
def test_served_probabilities_are_those_of_the_loaders_tensors(loader: str, folder: Path, tmp_path: Path) -> None:
    load, recipe = LOADERS[loader]
    tensors = load(folder)
    model = trained(tensors)

    live = served(model, tmp_path, sidecar=f"[preprocessing]\n{recipe}")

    found = probabilities(live, [file.read_bytes() for file in files(folder)])
    expected = model.predict(tensors, verbose=0)
    assert np.ptp(expected, axis=0).min() > 0.05  # a net that says the same of all would prove nothing
    assert np.abs(found - expected).max() <= ALLOWED


def test_another_loaders_tensors_would_have_given_another_answer(folder: Path) -> None:
    """Without this the test above would pass whatever the recipe."""
    of_generator = by_generator(folder) * 255

    assert np.abs(of_generator - by_dataset(folder)).mean() > 5
