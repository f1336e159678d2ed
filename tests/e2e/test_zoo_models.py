"""Every bundled model answers photos over HTTP, with the layers it was designed with and Keras' own numbers."""

import base64
import functools
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.pictures import encoded, noise, npy
from tests.servers import Server

keras = pytest.importorskip("keras")

from zoo.photographs import photographs  # noqa: E402 (only after the skip)

PETS = ["cat", "dog"]
DIGITS = list("0123456789")
CLOTHES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
LABELS = {
    "mnist": DIGITS,
    "mnist-dense": DIGITS,
    "mnist-gap": DIGITS,
    "fashion-mnist": CLOTHES,
    "cats-dogs": PETS,
    "cats-dogs-gray": PETS,
    "cats-dogs-shared-input": PETS,
    "cats-dogs-two-inputs": PETS,
}
HEADS = dict.fromkeys(LABELS, "softmax") | dict.fromkeys([one for one in LABELS if "cats" in one], "binary")
HEADS["mnist-dense"] = "sigmoid-exclusive"

# Colour, height and width of each input, in the model's order.
VIEWS: dict[str, list[tuple[str, int, int]]] = {
    "mnist": [("grayscale", 28, 28)],
    "mnist-dense": [("grayscale", 28, 28)],
    "mnist-gap": [("grayscale", 28, 28)],
    "fashion-mnist": [("grayscale", 28, 28)],
    "cats-dogs": [("rgb", 64, 64)],
    "cats-dogs-gray": [("grayscale", 64, 64)],
    "cats-dogs-shared-input": [("grayscale", 64, 64)],
    "cats-dogs-two-inputs": [("grayscale", 64, 64), ("rgb", 32, 32)],
}

# Layers with weights or of their own shape, worked out from the architecture: a k x k kernel takes k - 1 off each
# side, pooling halves and rounds down, parameters are k * k * channels * filters + filters. A free size is None.
LAYERS: dict[str, list[tuple[str, list[int | None], int]]] = {
    "mnist": [
        ("InputLayer", [1, 28, 28, 1], 0),
        ("Conv2D", [1, 26, 26, 32], 320),
        ("MaxPooling2D", [1, 13, 13, 32], 0),
        ("Conv2D", [1, 11, 11, 64], 18_496),
        ("MaxPooling2D", [1, 5, 5, 64], 0),
        ("Flatten", [1, 1600], 0),
        ("Dense", [1, 128], 204_928),
        ("Dense", [1, 10], 1_290),
    ],
    "mnist-dense": [("InputLayer", [1, 28, 28], 0), ("Flatten", [1, 784], 0), ("Dense", [1, 10], 7_850)],
    "mnist-gap": [
        ("InputLayer", [1, None, None, 1], 0),
        ("Conv2D", [1, None, None, 32], 320),
        ("MaxPooling2D", [1, None, None, 32], 0),
        ("Conv2D", [1, None, None, 64], 18_496),
        ("MaxPooling2D", [1, None, None, 64], 0),
        ("Conv2D", [1, None, None, 128], 73_856),
        ("GlobalAveragePooling2D", [1, 128], 0),
        ("Dense", [1, 10], 1_290),
    ],
    "fashion-mnist": [
        ("InputLayer", [1, 28, 28, 1], 0),
        ("Conv2D", [1, 26, 26, 32], 320),
        ("MaxPooling2D", [1, 13, 13, 32], 0),
        ("Flatten", [1, 5408], 0),
        ("Dense", [1, 10], 54_090),
    ],
    "cats-dogs": [
        ("InputLayer", [1, 64, 64, 3], 0),
        ("Conv2D", [1, 62, 62, 32], 896),
        ("MaxPooling2D", [1, 31, 31, 32], 0),
        ("Conv2D", [1, 29, 29, 32], 9_248),
        ("MaxPooling2D", [1, 14, 14, 32], 0),
        ("Flatten", [1, 6272], 0),
        ("Dense", [1, 128], 802_944),
        ("Dense", [1, 1], 129),
    ],
    "cats-dogs-gray": [
        ("InputLayer", [1, 64, 64, 1], 0),
        ("Conv2D", [1, 61, 61, 32], 544),
        ("MaxPooling2D", [1, 30, 30, 32], 0),
        ("Conv2D", [1, 27, 27, 16], 8_208),
        ("MaxPooling2D", [1, 13, 13, 16], 0),
        ("Flatten", [1, 2704], 0),
        ("Dense", [1, 10], 27_050),
        ("Dense", [1, 1], 11),
    ],
    "cats-dogs-shared-input": [
        ("InputLayer", [1, 64, 64, 1], 0),
        ("Conv2D", [1, 61, 61, 32], 544),
        ("Conv2D", [1, 57, 57, 16], 1_040),
        ("MaxPooling2D", [1, 30, 30, 32], 0),
        ("MaxPooling2D", [1, 28, 28, 16], 0),
        ("Flatten", [1, 28_800], 0),
        ("Flatten", [1, 12_544], 0),
        ("Concatenate", [1, 41_344], 0),
        ("Dense", [1, 10], 413_450),
        ("Dense", [1, 1], 11),
    ],
    "cats-dogs-two-inputs": [
        ("InputLayer", [1, 64, 64, 1], 0),
        ("InputLayer", [1, 32, 32, 3], 0),
        ("Conv2D", [1, 61, 61, 32], 544),
        ("Conv2D", [1, 29, 29, 32], 1_568),
        ("MaxPooling2D", [1, 30, 30, 32], 0),
        ("MaxPooling2D", [1, 14, 14, 32], 0),
        ("Conv2D", [1, 27, 27, 16], 8_208),
        ("Conv2D", [1, 11, 11, 16], 8_208),
        ("MaxPooling2D", [1, 13, 13, 16], 0),
        ("MaxPooling2D", [1, 5, 5, 16], 0),
        ("Flatten", [1, 2704], 0),
        ("Flatten", [1, 400], 0),
        ("Concatenate", [1, 3104], 0),
        ("Dense", [1, 10], 31_050),
        ("Dense", [1, 10], 110),
        ("Dense", [1, 1], 11),
    ],
}
PER_CLASS = 10
TOLERANCE = 1e-4


@pytest.fixture(scope="module")
def net(bundled_models: Path) -> Callable[[str], Any]:
    """Load a bundled model with Keras, once."""
    return functools.cache(lambda name: keras.models.load_model(bundled_models / name / "1" / "model.keras"))


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A colour picture of no right size: what models of every input have to bring into their own."""
    return made_up(tmp_path_factory.mktemp("photo") / "photo.png", seed=1)


def made_up(path: Path, *, seed: int) -> Path:
    """Write a picture of coarse colour patches, 96x120."""
    path.write_bytes(encoded(np.kron(noise(8, 10, 3, seed=seed), np.ones((12, 12, 1), np.uint8))))
    return path


def by_keras(loaded_net: Any, name: str, files: Sequence[Path]) -> NDArray[np.float32]:
    """Return Keras' own probability of each class, one file for each input, loaded as its users load pictures."""
    inputs = [loaded(file, *view) for file, view in zip(files, VIEWS[name], strict=True)]
    outputs = loaded_net.predict(inputs if len(inputs) > 1 else inputs[0], verbose=0)[0]
    values = np.array([1 - outputs[0], outputs[0]]) if HEADS[name] == "binary" else outputs
    return np.asarray(values, np.float32)


def loaded(file: Path, color: str, height: int, width: int) -> NDArray[np.float32]:
    image = keras.utils.load_img(file, color_mode=color, target_size=(height, width), interpolation="bilinear")
    return np.asarray(keras.utils.img_to_array(image), np.float32)[np.newaxis] / np.float32(255)


def answer_of(server: Server, name: str, data: bytes | None = None, **kwargs: Any) -> dict[str, Any]:
    response = server.predict(name, data, **kwargs)
    assert response.status_code == 200, response.text
    (answer,) = response.json()["predictions"]
    return dict(answer)


def assert_is_kerass(answer: Mapping[str, Any], expected: NDArray[np.float32], name: str) -> None:
    np.testing.assert_allclose(answer["probabilities"], expected, atol=TOLERANCE)
    assert answer["label"] == LABELS[name][answer["index"]]
    assert answer["probability"] == max(answer["probabilities"])
    assert expected[answer["index"]] > expected.max() - TOLERANCE


# ------------------------------------------------------------------------------------------- any picture at all


@pytest.mark.parametrize("name", LABELS)
def test_a_posted_photo_is_answered_with_kerass_numbers(
    mnist_server: Server, net: Callable[[str], Any], name: str, photo: Path
) -> None:
    answer = answer_of(mnist_server, name, photo.read_bytes())

    assert answer["input"] == {"index": 0, "filename": None, "format": "PNG", "size": [96, 120]}
    assert_is_kerass(answer, by_keras(net(name), name, [photo] * len(VIEWS[name])), name)


@pytest.mark.parametrize("name", LABELS)
def test_the_answer_lists_the_layers_of_the_architecture(mnist_server: Server, name: str, photo: Path) -> None:
    listed = mnist_server.predict(name, photo.read_bytes()).json()["layers"]

    assert [(one["type"], one["output_shape"], one["parameters"]) for one in listed] == LAYERS[name]


@pytest.mark.parametrize("name", LABELS)
def test_the_card_knows_the_head_and_the_labels(mnist_server: Server, name: str) -> None:
    (output,) = mnist_server.get(f"/api/models/{name}").json()["outputs"]

    assert output["head"]["value"] == HEADS[name]
    assert output["labels"]["value"] == LABELS[name]


def test_the_head_of_the_sigmoids_is_read_off_the_file(mnist_server: Server) -> None:
    """No sidecar says it: the loss in the file does."""
    (output,) = mnist_server.get("/api/models/mnist-dense").json()["outputs"]

    assert output["head"]["source"] != "sidecar"


def test_a_net_of_free_size_takes_numbers_of_other_sizes_than_its_pictures(
    mnist_server: Server, net: Callable[[str], Any]
) -> None:
    pixels = noise(20, 36, 1, seed=4) / np.float32(255)
    answer = answer_of(mnist_server, "mnist-gap", json={"image": pixels.tolist()})

    expected = net("mnist-gap").predict(pixels[np.newaxis], verbose=0)[0]
    np.testing.assert_allclose(answer["probabilities"], expected, atol=TOLERANCE)


# --------------------------------------------------------------------------------------------------- two inputs


def test_two_photos_posted_by_name_feed_an_input_each(
    mnist_server: Server, net: Callable[[str], Any], photo: Path, tmp_path: Path
) -> None:
    name, other = "cats-dogs-two-inputs", made_up(tmp_path / "other.png", seed=2)
    parts = {"color": ("other.png", other.read_bytes()), "gray": ("photo.png", photo.read_bytes())}
    answer = answer_of(mnist_server, name, files=parts)

    expected = by_keras(net(name), name, [photo, other])
    assert_is_kerass(answer, expected, name)
    assert np.abs(expected - by_keras(net(name), name, [other, photo])).max() > 10 * TOLERANCE


def test_one_file_of_any_part_name_feeds_both_inputs(
    mnist_server: Server, net: Callable[[str], Any], photo: Path
) -> None:
    name = "cats-dogs-two-inputs"
    answer = answer_of(mnist_server, name, files={"picture": ("photo.png", photo.read_bytes())})

    assert_is_kerass(answer, by_keras(net(name), name, [photo, photo]), name)


# -------------------------------------------------------------------------------------------- held-out pictures


@pytest.mark.parametrize("name", [one for one in LABELS if "cats" in one])
def test_held_out_photos_get_kerass_numbers(
    mnist_server: Server, net: Callable[[str], Any], shared: Path, name: str
) -> None:
    held_out = [one for one in photographs(shared / "data/cats_dogs", classes=2) if one.is_test]
    for one in held_out[:PER_CLASS] + held_out[-PER_CLASS:]:
        answer = answer_of(mnist_server, name, one.file.read_bytes())
        assert_is_kerass(answer, by_keras(net(name), name, [one.file] * len(VIEWS[name])), name)


@pytest.mark.parametrize("name", [one for one in LABELS if "mnist" in one])
def test_test_images_get_kerass_numbers_and_mostly_the_right_label(
    mnist_server: Server, net: Callable[[str], Any], shared: Path, tmp_path: Path, name: str
) -> None:
    with np.load(shared / "data" / ("fashion_mnist.npz" if "fashion" in name else "mnist.npz")) as data:
        images, classes = data["x_test"][:20], data["y_test"][:20]
    right = 0
    for pixels, index in zip(images, classes, strict=True):
        file = tmp_path / "image.png"
        file.write_bytes(encoded(pixels))
        answer = answer_of(mnist_server, name, file.read_bytes())
        assert_is_kerass(answer, by_keras(net(name), name, [file]), name)
        right += answer["index"] == index
    assert right >= 15


@pytest.mark.parametrize("name", [one for one in LABELS if "cats" in one])
def test_the_readmes_accuracy_comes_out_when_all_held_out_photos_are_posted(
    mnist_server: Server, bundled_models: Path, shared: Path, name: str
) -> None:
    held_out = [one for one in photographs(shared / "data/cats_dogs", classes=2) if one.is_test]
    sent = [base64.b64encode(one.file.read_bytes()).decode() for one in held_out]

    response = mnist_server.predict(name, json={"images": sent})

    answers = response.json()["predictions"]
    right = sum(answer["index"] == one.class_index for answer, one in zip(answers, held_out, strict=True))
    assert right / len(held_out) == pytest.approx(stated_accuracy(bundled_models / name), abs=1.5 / len(held_out))


@pytest.mark.parametrize("name", [one for one in LABELS if "mnist" in one])
def test_the_readmes_accuracy_comes_out_when_all_test_images_are_posted(
    mnist_server: Server, bundled_models: Path, shared: Path, name: str
) -> None:
    with np.load(shared / "data" / ("fashion_mnist.npz" if "fashion" in name else "mnist.npz")) as data:
        images, classes = data["x_test"].astype("float32") / 255, data["y_test"]

    response = mnist_server.post(f"/api/models/{name}/predict?top_k=1&probabilities=false", npy(images))

    answers = response.json()["predictions"]
    right = sum(answer["index"] == index for answer, index in zip(answers, classes, strict=True))
    assert right / len(images) == pytest.approx(stated_accuracy(bundled_models / name), abs=1.5 / len(images))


def stated_accuracy(folder: Path) -> float:
    """Return the accuracy, 0 to 1, that the README of a bundled model states."""
    stated = re.search(r"\*\*Accuracy ([\d.]+) %\*\*", (folder / "README.md").read_text(encoding="utf-8"))
    assert stated
    return float(stated.group(1)) / 100
