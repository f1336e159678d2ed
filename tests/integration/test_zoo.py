"""The bundled models: their layers, what they answer to our own pictures, and what a training run writes down."""

import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

keras = pytest.importorskip("keras")

from zoo.architectures import ARCHITECTURES  # noqa: E402 (only after the skip)
from zoo.augmentation import Augmentation, augmented, batches  # noqa: E402
from zoo.catalogue import CATALOGUE  # noqa: E402
from zoo.datasets import Labelled, read_npz  # noqa: E402
from zoo.provenance import Run  # noqa: E402
from zoo.train import main, train_into  # noqa: E402

MNIST = CATALOGUE["mnist"]
TEST_IMAGES = 60


@dataclass(frozen=True)
class Trained:
    """A run of one epoch on made-up digits: its folder, its data file, what it returned."""

    folder: Path
    data: Path
    run: Run

    @property
    def sidecar(self) -> dict[str, Any]:
        return tomllib.loads((self.folder / "1" / "model.toml").read_text(encoding="utf-8"))

    @property
    def readme(self) -> str:
        return (self.folder / "README.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("zoo")
    data = made_up_digits(folder / "made-up.npz")
    run = train_into(folder / "models" / "mnist", MNIST, data=data, epochs=1, seed=3)
    return Trained(folder / "models" / "mnist", data, run)


def made_up_digits(path: Path, *, train: int = 300, test: int = TEST_IMAGES) -> Path:
    """Write noise with one bright row a class: learnable in part, so that the accuracy is neither 0 nor 1."""
    random = np.random.default_rng(0)

    def split(count: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        classes = random.integers(0, 10, count).astype(np.uint8)
        images = random.integers(0, 120, (count, 28, 28)).astype(np.uint8)
        images[np.arange(count), 4 + 2 * classes.astype(int)] = 255
        return images, classes

    (x_train, y_train), (x_test, y_test) = split(train), split(test)
    np.savez(path, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)
    return path


# ------------------------------------------------------------------------------------------- architecture


def test_the_mnist_net_has_the_shapes_and_parameters_worked_out_by_hand() -> None:
    net = ARCHITECTURES["mnist"]()
    assert [(type(layer).__name__, layer.output.shape[1:], layer.count_params()) for layer in net.layers] == [
        ("Conv2D", (26, 26, 32), 320),
        ("MaxPooling2D", (13, 13, 32), 0),
        ("Conv2D", (11, 11, 64), 18_496),
        ("MaxPooling2D", (5, 5, 64), 0),
        ("Flatten", (1600,), 0),
        ("Dense", (128,), 204_928),
        ("Dense", (10,), 1_290),
    ]
    assert net.count_params() == 225_034


# ------------------------------------------------------------------------------------------ bundled model


@pytest.fixture(scope="module")
def bundled(bundled_models: Path) -> Any:
    return keras.models.load_model(bundled_models / "mnist" / "1" / "model.keras")


def test_the_bundled_mnist_is_that_net_with_default_names_and_no_training_state(
    bundled: Any, bundled_models: Path
) -> None:
    names = ["conv2d", "max_pooling2d", "conv2d_1", "max_pooling2d_1", "flatten", "dense", "dense_1"]
    assert (bundled.name, [layer.name for layer in bundled.layers]) == ("mnist", names)
    assert bundled.count_params() == 225_034
    assert not bundled.compiled
    assert (bundled_models / "mnist" / "1" / "model.keras").stat().st_size < 1_000_000


def test_the_bundled_readme_and_sidecar_are_of_the_bundled_file(bundled_models: Path) -> None:
    folder = bundled_models / "mnist"
    readme = (folder / "README.md").read_text(encoding="utf-8")
    provenance = tomllib.loads((folder / "1" / "model.toml").read_text(encoding="utf-8"))["provenance"]
    assert hashlib.sha256((folder / "1" / "model.keras").read_bytes()).hexdigest() in readme
    assert MNIST.dataset.sha256 in readme
    assert f"**Accuracy {100 * provenance['accuracy']:.2f} %**" in readme
    assert provenance["accuracy"] >= 0.99
    assert provenance["command"] == "python -m zoo.train mnist"


@pytest.mark.parametrize(
    ("picture", "digit"),
    [
        ("seven-light-on-dark.png", 7),
        ("zero-light-on-dark.png", 0),
        ("three-light-on-dark.png", 3),
        ("eight-light-on-dark.jpg", 8),
        ("four-light-on-dark.png", 4),
        ("five-dark-on-light.jpg", 5),
        ("two-dark-on-light.png", 2),
    ],
)
def test_keras_reads_our_own_pictures_once_they_are_light_on_dark(
    bundled: Any, examples: Path, picture: str, digit: int
) -> None:
    with Image.open(examples / picture) as image:
        small = image.convert("L").resize((28, 28), Image.Resampling.BILINEAR)
    pixels = np.asarray(small, dtype=np.float32)
    light_on_dark = 255 - pixels if "dark-on-light" in picture else pixels
    probabilities = bundled.predict(light_on_dark[np.newaxis, ..., np.newaxis] / 255, verbose=0)[0]
    assert probabilities[digit] > 0.9


# ----------------------------------------------------------------------------------------- a training run


def test_a_run_writes_a_model_that_keras_loads(trained: Trained) -> None:
    file = trained.folder / "1" / "model.keras"
    net = keras.models.load_model(file)
    assert (net.name, net.count_params(), net.compiled) == ("mnist", 225_034, False)
    assert (trained.run.file_bytes, trained.run.parameters) == (file.stat().st_size, 225_034)


def test_the_sidecar_says_the_accuracy_that_the_saved_file_has_on_the_test_set(trained: Trained) -> None:
    raw = read_npz(trained.data)
    net = keras.models.load_model(trained.folder / "1" / "model.keras")
    probabilities = net.predict(raw["x_test"][..., np.newaxis].astype(np.float32) / 255, verbose=0)
    right = int((probabilities.argmax(axis=1) == raw["y_test"]).sum())
    assert 0 < right < TEST_IMAGES
    assert trained.sidecar["provenance"]["accuracy"] == right / TEST_IMAGES == trained.run.accuracy


def test_the_sidecar_describes_the_model_in_the_keys_that_convoy_reads(trained: Trained) -> None:
    sidecar = trained.sidecar
    provenance = sidecar.pop("provenance")
    assert sidecar == {
        "description": "Handwritten digits 0 to 9, light on dark, 28x28",
        "labels": ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"],
        "preprocessing": {
            "recipe": "keras.load_img",
            "color": "grayscale",
            "resize": "bilinear",
            "scale": "0..1",
            "invert": False,
        },
        "output": {"head": "softmax"},
    }
    assert list(provenance) == ["dataset", "license", "accuracy", "seed", "epochs", "trained", "command"]
    assert (provenance["seed"], provenance["epochs"]) == (3, 1)


def test_the_command_written_down_names_data_that_is_not_the_public_dataset(trained: Trained) -> None:
    command = "python -m zoo.train mnist --data made-up.npz --epochs 1 --seed 3"
    assert trained.sidecar["provenance"]["command"] == command
    assert f"`{command}`" in trained.readme


def test_the_readme_holds_the_hash_of_the_file_the_citation_and_every_layer(trained: Trained) -> None:
    digest = hashlib.sha256((trained.folder / "1" / "model.keras").read_bytes()).hexdigest()
    assert f"`{digest}`" in trained.readme
    assert "Yann LeCun, Corinna Cortes, Christopher J. C. Burges" in trained.readme
    assert "CC BY-SA 3.0" in trained.readme
    assert "| `conv2d_1` | Conv2D | 11x11x64 | 18,496 |" in trained.readme
    assert "225,034" in trained.readme


# ------------------------------------------------------------------------------- data and input pipeline


def test_a_file_that_lacks_an_array_is_refused_by_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "half.npz", x_train=np.zeros(1), y_train=np.zeros(1))
    with pytest.raises(ValueError, match=r"half\.npz lacks x_test, y_test"):
        read_npz(tmp_path / "half.npz")


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    one = np.array([{}], dtype=object)
    np.savez(tmp_path / "bad.npz", x_train=one, y_train=one, x_test=one, y_test=one)
    with pytest.raises(ValueError, match="allow_pickle=False"):
        read_npz(tmp_path / "bad.npz")


def test_no_augmentation_leaves_pixels_as_they_are() -> None:
    images = np.random.default_rng(0).random((3, 28, 28, 1), dtype=np.float32)
    same = augmented(images, Augmentation(), random=np.random.default_rng(0))
    np.testing.assert_allclose(same, images, atol=1e-5)


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    random = np.random.default_rng(0)
    data = Labelled(random.random((8, 28, 28, 1), dtype=np.float32), np.arange(8, dtype=np.int64))

    def first(seed: int) -> NDArray[np.float32]:
        return next(batches(data, MNIST.augmentation, batch_size=4, seed=seed))[0]

    assert np.array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


@pytest.mark.parametrize("arguments", [["no-such-model"], ["mnist", "--epochs", "0"]])
def test_the_command_line_refuses_what_it_cannot_do(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    assert refusal.value.code == 2
