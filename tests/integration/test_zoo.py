"""The bundled models: their layers, what they answer to our own pictures, and what a training run writes down."""

import hashlib
import shutil
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.repository.sidecar import parse_sidecar

keras = pytest.importorskip("keras")

from zoo.architectures import ARCHITECTURES  # noqa: E402 (only after the skip)
from zoo.augmentation import Augmentation, augmented, mixed  # noqa: E402
from zoo.catalogue import CATALOGUE  # noqa: E402
from zoo.datasets import Labelled, read_npz  # noqa: E402
from zoo.photographs import CATS_DOGS, photographs  # noqa: E402
from zoo.pipeline import Variation, batches  # noqa: E402
from zoo.provenance import Run  # noqa: E402
from zoo.train import main, train_into  # noqa: E402
from zoo.views import View  # noqa: E402

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


# Name, output shape without the batch axis, parameters: worked out by hand, 3x3 kernels unless k4 or k8.
LAYERS: dict[str, list[tuple[str, tuple[int | None, ...], int]]] = {
    "mnist": [
        ("conv2d", (26, 26, 32), 320),
        ("max_pooling2d", (13, 13, 32), 0),
        ("conv2d_1", (11, 11, 64), 18_496),
        ("max_pooling2d_1", (5, 5, 64), 0),
        ("flatten", (1600,), 0),
        ("dense", (128,), 204_928),
        ("dense_1", (10,), 1_290),
    ],
    "mnist-dense": [("flatten", (784,), 0), ("dense", (10,), 7_850)],
    "mnist-gap": [
        ("conv2d", (None, None, 32), 320),
        ("max_pooling2d", (None, None, 32), 0),
        ("conv2d_1", (None, None, 64), 18_496),
        ("max_pooling2d_1", (None, None, 64), 0),
        ("conv2d_2", (None, None, 128), 73_856),
        ("global_average_pooling2d", (128,), 0),
        ("dense", (10,), 1_290),
    ],
    "fashion-mnist": [
        ("conv2d", (26, 26, 32), 320),
        ("max_pooling2d", (13, 13, 32), 0),
        ("flatten", (5408,), 0),
        ("dense", (10,), 54_090),
    ],
    "cats-dogs": [
        ("conv2d", (62, 62, 32), 896),
        ("max_pooling2d", (31, 31, 32), 0),
        ("conv2d_1", (29, 29, 32), 9_248),
        ("max_pooling2d_1", (14, 14, 32), 0),
        ("flatten", (6272,), 0),
        ("dense", (128,), 802_944),
        ("dense_1", (1,), 129),
    ],
    "cats-dogs-gray": [
        ("input_layer", (64, 64, 1), 0),
        ("conv2d", (61, 61, 32), 544),
        ("max_pooling2d", (30, 30, 32), 0),
        ("conv2d_1", (27, 27, 16), 8_208),
        ("max_pooling2d_1", (13, 13, 16), 0),
        ("flatten", (2704,), 0),
        ("dense", (10,), 27_050),
        ("dense_1", (1,), 11),
    ],
    "cats-dogs-shared-input": [
        ("input_layer", (64, 64, 1), 0),
        ("conv2d", (61, 61, 32), 544),
        ("conv2d_1", (57, 57, 16), 1_040),
        ("max_pooling2d", (30, 30, 32), 0),
        ("max_pooling2d_1", (28, 28, 16), 0),
        ("flatten", (28_800,), 0),
        ("flatten_1", (12_544,), 0),
        ("concatenate", (41_344,), 0),
        ("dense", (10,), 413_450),
        ("dense_1", (1,), 11),
    ],
    "cats-dogs-two-inputs": [
        ("gray", (64, 64, 1), 0),
        ("color", (32, 32, 3), 0),
        ("conv2d", (61, 61, 32), 544),
        ("conv2d_2", (29, 29, 32), 1_568),
        ("max_pooling2d", (30, 30, 32), 0),
        ("max_pooling2d_2", (14, 14, 32), 0),
        ("conv2d_1", (27, 27, 16), 8_208),
        ("conv2d_3", (11, 11, 16), 8_208),
        ("max_pooling2d_1", (13, 13, 16), 0),
        ("max_pooling2d_3", (5, 5, 16), 0),
        ("flatten", (2704,), 0),
        ("flatten_1", (400,), 0),
        ("concatenate", (3104,), 0),
        ("dense", (10,), 31_050),
        ("dense_1", (10,), 110),
        ("dense_2", (1,), 11),
    ],
}


def described(net: Any) -> list[tuple[str, tuple[int | None, ...], int]]:
    return [(layer.name, layer.output.shape[1:], layer.count_params()) for layer in net.layers]


def test_the_catalogue_and_the_architectures_are_the_eight_models_that_are_bundled(bundled_models: Path) -> None:
    folders = {one.name for one in bundled_models.iterdir() if one.is_dir()}
    assert set(CATALOGUE) == set(ARCHITECTURES) == set(LAYERS) == folders


@pytest.mark.parametrize("name", LAYERS)
def test_a_net_has_the_shapes_and_parameters_worked_out_by_hand(name: str) -> None:
    keras.utils.clear_session()
    assert described(ARCHITECTURES[name]()) == LAYERS[name]


def test_the_nets_answer_with_one_sigmoid_or_with_ten_units() -> None:
    last = {name: make().layers[-1].activation.__name__ for name, make in ARCHITECTURES.items()}
    assert last == {
        "mnist": "softmax",
        "mnist-dense": "sigmoid",
        "mnist-gap": "softmax",
        "fashion-mnist": "softmax",
        "cats-dogs": "sigmoid",
        "cats-dogs-gray": "sigmoid",
        "cats-dogs-shared-input": "sigmoid",
        "cats-dogs-two-inputs": "sigmoid",
    }


# ------------------------------------------------------------------------------------------ bundled model


@pytest.fixture(scope="module")
def bundled(bundled_models: Path) -> Any:
    return keras.models.load_model(bundled_models / "mnist" / "1" / "model.keras")


# What a model at least has to be right on; far under what its README states, far over guessing.
LEAST = {
    "mnist": 0.99,
    "mnist-dense": 0.91,
    "mnist-gap": 0.97,
    "fashion-mnist": 0.88,
    "cats-dogs": 0.7,
    "cats-dogs-gray": 0.65,
    "cats-dogs-shared-input": 0.65,
    "cats-dogs-two-inputs": 0.65,
}
COMMANDS = {name: f"python -m zoo.train {name}" + " --data FOLDER" * name.startswith("cats") for name in LEAST}


@pytest.mark.parametrize("name", LAYERS)
def test_a_bundled_file_is_that_net_and_keeps_no_optimizer_state(name: str, bundled_models: Path) -> None:
    file = bundled_models / name / "1" / "model.keras"
    net = keras.models.load_model(file, safe_mode=True)
    assert (net.name, described(net)) == (name, LAYERS[name])
    assert {weight.dtype for weight in net.weights} == {"float32"}
    assert file.stat().st_size < 4 * net.count_params() + 80_000


def test_only_the_dense_net_keeps_the_loss_it_was_trained_by(bundled_models: Path) -> None:
    nets = {name: keras.models.load_model(bundled_models / name / "1" / "model.keras") for name in LAYERS}
    assert [name for name, net in nets.items() if net.compiled] == ["mnist-dense"]
    dense = nets["mnist-dense"]
    assert (dense.loss, type(dense.optimizer).__name__) == ("sparse_categorical_crossentropy", "SGD")
    assert dense.optimizer.momentum == 0


def test_the_bundled_models_are_under_12_mb_together(bundled_models: Path) -> None:
    assert sum(file.stat().st_size for file in bundled_models.rglob("*") if file.is_file()) < 12_000_000


@pytest.mark.parametrize("name", LAYERS)
def test_a_bundled_readme_and_sidecar_are_of_the_bundled_file(name: str, bundled_models: Path) -> None:
    folder = bundled_models / name
    readme = (folder / "README.md").read_text(encoding="utf-8")
    provenance = tomllib.loads((folder / "1" / "model.toml").read_text(encoding="utf-8"))["provenance"]
    assert hashlib.sha256((folder / "1" / "model.keras").read_bytes()).hexdigest() in readme
    assert CATALOGUE[name].dataset.sha256 in readme
    assert f"**Accuracy {100 * provenance['accuracy']:.2f} %**" in readme
    assert provenance["accuracy"] >= LEAST[name]
    assert provenance["command"] == COMMANDS[name]
    assert f"Made by `{COMMANDS[name]}`" in readme
    assert (provenance["epochs"], provenance["seed"]) == (CATALOGUE[name].epochs, CATALOGUE[name].seed)
    assert f"| trained | {provenance['trained']} |\n| seed | {provenance['seed']} |" in readme
    assert f"| epochs | {provenance['epochs']}, batches of " in readme
    assert all(f"| `{layer}` |" in readme for layer, _, _ in LAYERS[name])


GRAY_RECIPE = {"recipe": "keras.load_img", "color": "grayscale", "resize": "bilinear", "scale": "0..1"}
DIGIT_RECIPE = GRAY_RECIPE | {"invert": False}


@pytest.mark.parametrize(
    ("name", "recipes", "head"),
    [
        ("mnist", {"": DIGIT_RECIPE}, "softmax"),
        ("mnist-dense", {"": DIGIT_RECIPE}, None),
        ("mnist-gap", {"": DIGIT_RECIPE | {"size": (28, 28)}}, "softmax"),
        ("fashion-mnist", {"": DIGIT_RECIPE}, "softmax"),
        ("cats-dogs", {"": GRAY_RECIPE | {"color": "rgb"}}, "binary"),
        ("cats-dogs-gray", {"": GRAY_RECIPE}, "binary"),
        ("cats-dogs-shared-input", {"": GRAY_RECIPE}, "binary"),
        ("cats-dogs-two-inputs", {"gray": GRAY_RECIPE, "color": GRAY_RECIPE | {"color": "rgb"}}, "binary"),
    ],
)
def test_convoy_reads_a_bundled_sidecar(
    name: str, recipes: dict[str, Any], head: str | None, bundled_models: Path
) -> None:
    text = (bundled_models / name / "1" / "model.toml").read_text(encoding="utf-8")
    sidecar = parse_sidecar(tomllib.loads(text))
    assert sidecar.labels == CATALOGUE[name].labels
    assert {one: sidecar.recipe_values(one) for one in recipes} == recipes
    assert sidecar.output_settings("any").head == head


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


@pytest.mark.parametrize(("picture", "garment"), [("t-shirt.png", "T-shirt/top"), ("trouser.png", "Trouser")])
def test_keras_reads_our_own_clothes(bundled_models: Path, examples: Path, picture: str, garment: str) -> None:
    net = keras.models.load_model(bundled_models / "fashion-mnist" / "1" / "model.keras")
    image = keras.utils.load_img(
        examples / picture, color_mode="grayscale", target_size=(28, 28), interpolation="bilinear"
    )
    probabilities = net.predict(np.asarray(image, dtype=np.float32)[np.newaxis, ..., np.newaxis] / 255, verbose=0)[0]
    assert CATALOGUE["fashion-mnist"].labels[probabilities.argmax()] == garment
    assert probabilities.max() > 0.5


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
    (same,) = augmented([images], Augmentation(), random=np.random.default_rng(0))
    np.testing.assert_allclose(same, images, atol=1e-5)


def test_pictures_are_mirrored_alike_in_every_input_and_only_some_of_them() -> None:
    gray, color = noise_of(40, 8, 8, 1), noise_of(40, 4, 4, 3)
    moved = augmented([gray, color], Augmentation(is_mirrored=True), random=np.random.default_rng(0))
    mirrored = [
        [np.allclose(one, before[:, ::-1], atol=1e-5) for one, before in zip(after, images, strict=True)]
        for after, images in zip(moved, (gray, color), strict=True)
    ]
    assert mirrored[0] == mirrored[1]
    assert 5 < sum(mirrored[0]) < 35


def test_light_changes_stay_in_0_to_1() -> None:
    images = noise_of(20, 8, 8, 3)
    (lit,) = augmented([images], Augmentation(light=0.9), random=np.random.default_rng(0))
    assert (lit.min(), lit.max()) == (0, 1)
    assert not np.allclose(lit, images, atol=0.1)


def test_a_shift_moves_a_smaller_input_by_the_same_fraction_of_its_width() -> None:
    """A ramp of x over the width looks the same in both sizes, so its mean moves by the same amount."""
    large = np.tile(((np.arange(64) + 0.5) / 64).astype(np.float32)[None, None, :, None], (30, 64, 1, 1))
    small = np.tile(((np.arange(32) + 0.5) / 32).astype(np.float32)[None, None, :, None], (30, 32, 1, 1))
    moved = augmented([large, small], Augmentation(shift=8, edge="reflect"), random=np.random.default_rng(0))
    by = [after[:, 16, after.shape[2] // 4 : -after.shape[2] // 4].mean(axis=(1, 2)) - 0.5 for after in moved]
    assert np.abs(by[0]).max() > 0.05
    np.testing.assert_allclose(by[0], by[1], atol=1e-4)


def test_a_mixed_example_is_as_much_of_two_classes_as_of_two_pictures() -> None:
    images = np.stack([np.zeros((4, 4, 1)), np.ones((4, 4, 1))] * 10).astype(np.float32)
    (blended,), targets = mixed([images], np.tile([0, 1], 10).astype(np.float32), 1.0, random=np.random.default_rng(0))
    np.testing.assert_allclose(blended, np.broadcast_to(targets[:, None, None, None], images.shape), atol=1e-6)
    assert ((targets > 0.1) & (targets < 0.9)).any()


def test_a_batch_is_resized_to_one_of_the_sizes() -> None:
    data = Labelled((noise_of(8, 28, 28, 1),), np.arange(8, dtype=np.int64))
    stream = batches(data, Variation(Augmentation(), sizes=(20, 32)), batch_size=4, seed=0)
    shapes = {next(stream)[0][0].shape for _ in range(20)}
    assert shapes == {(4, 20, 20, 1), (4, 32, 32, 1)}


def noise_of(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(7).random(shape, dtype=np.float32)


# ------------------------------------------------------------------------------------------ folder of photos

GRAY, COLOR = View("grayscale", (8, 8)), View("rgb", (4, 6))


@pytest.fixture(scope="module")
def photo_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten dark cats and ten light dogs, in sub-folders named as in the public archive."""
    folder = tmp_path_factory.mktemp("pets")
    for kind, level in {"Cat": 60, "Dog": 200}.items():
        (folder / kind).mkdir()
        for number in range(10):
            Image.new("RGB", (12, 9), (level + 6 * number, 0, 0)).save(folder / kind / f"{number}.jpg")
        (folder / kind / "Thumbs.db").write_bytes(b"no picture")
    return folder


def test_a_fifth_of_each_class_is_held_out_and_nothing_is_in_both_parts(photo_folder: Path) -> None:
    split = CATS_DOGS.load(photo_folder, [COLOR])
    assert split.train.classes.tolist() == [0] * 8 + [1] * 8
    assert split.test.classes.tolist() == [0, 0, 1, 1]
    reds = np.concatenate([part.inputs[0][:, 0, 0, 0] for part in (split.train, split.test)]) * 255
    np.testing.assert_allclose(sorted(reds), [*range(60, 120, 6), *range(200, 260, 6)], atol=2.5)


def test_the_split_and_the_fingerprint_do_not_hang_on_the_files_names(photo_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(photo_folder, tmp_path / "pets")
    for number in range(10):
        (tmp_path / f"pets/Dog/{number}.jpg").rename(tmp_path / f"pets/Dog/dog.{9 - number}.jpg")
    named, renamed = (CATS_DOGS.load(folder, [COLOR]) for folder in (photo_folder, tmp_path / "pets"))
    assert named.sha256 == renamed.sha256
    assert np.array_equal(named.test.inputs[0], renamed.test.inputs[0])


def test_the_fingerprint_changes_with_a_photo(photo_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(photo_folder, tmp_path / "pets")
    (tmp_path / "pets/Dog/3.jpg").write_bytes((photo_folder / "Cat/3.jpg").read_bytes())
    assert CATS_DOGS.load(photo_folder, [COLOR]).sha256 != CATS_DOGS.load(tmp_path / "pets", [COLOR]).sha256


def test_a_photo_becomes_each_input_as_keras_loads_it(photo_folder: Path) -> None:
    split = CATS_DOGS.load(photo_folder, [GRAY, COLOR])
    file = next(one.file for one in photographs(photo_folder, classes=2) if one.is_test)
    gray = keras.utils.load_img(file, color_mode="grayscale", target_size=(8, 8), interpolation="bilinear")
    color = keras.utils.load_img(file, color_mode="rgb", target_size=(4, 6), interpolation="bilinear")
    assert np.array_equal(split.test.inputs[0][0], np.asarray(gray, np.float32)[..., None] / np.float32(255))
    assert np.array_equal(split.test.inputs[1][0], np.asarray(color, np.float32) / np.float32(255))


def test_validation_leaves_the_test_part_out(photo_folder: Path) -> None:
    split = CATS_DOGS.load(photo_folder, [COLOR])
    inner = split.for_validation()
    assert (len(inner.train), len(inner.test)) == (13, 3)
    both = np.concatenate([inner.train.inputs[0], inner.test.inputs[0]])
    assert sorted(both[:, 0, 0, 0]) == sorted(split.train.inputs[0][:, 0, 0, 0])


def test_a_folder_without_a_sub_folder_for_each_class_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cats").mkdir()
    with pytest.raises(ValueError, match=r"expected 2 sub-folders with 5 pictures .*, got cats: 0"):
        photographs(tmp_path, classes=2)


def test_a_file_that_is_no_picture_is_named(photo_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(photo_folder, tmp_path / "pets")
    (tmp_path / "pets/Dog/3.jpg").write_bytes(b"cut off")
    with pytest.raises(ValueError, match=r"Dog/3\.jpg is no picture that Pillow can read; take it out"):
        CATS_DOGS.load(tmp_path / "pets", [COLOR])


def test_photos_without_a_folder_are_refused_with_the_place_they_are_at(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["cats-dogs"])
    refused = " ".join(capsys.readouterr().err.split())
    assert "cats-dogs needs --data FOLDER" in refused
    assert "https://www.kaggle.com/c/dogs-vs-cats" in refused


def test_a_run_on_photos_writes_two_recipes_and_the_name_of_the_folder_alone(
    photo_folder: Path, tmp_path: Path
) -> None:
    run = train_into(tmp_path, CATALOGUE["cats-dogs-two-inputs"], data=photo_folder, epochs=1, seed=1)
    text = (tmp_path / "1" / "model.toml").read_text(encoding="utf-8")
    assert list(tomllib.loads(text)["preprocessing"]) == ["gray", "color"]
    assert run.command == f"python -m zoo.train cats-dogs-two-inputs --data {photo_folder.name} --epochs 1"
    for written in (text, (tmp_path / "README.md").read_text(encoding="utf-8")):
        assert str(photo_folder.parent) not in written


def test_a_run_that_keeps_its_loss_can_be_told_from_the_file(trained: Trained, tmp_path: Path) -> None:
    run = train_into(tmp_path, CATALOGUE["mnist-dense"], data=trained.data, epochs=1, seed=1)
    net = keras.models.load_model(tmp_path / "1" / "model.keras")
    assert (net.loss, net.input_shape, run.parameters) == ("sparse_categorical_crossentropy", (None, 28, 28), 7_850)
    assert "[output]" not in (tmp_path / "1" / "model.toml").read_text(encoding="utf-8")


def test_a_run_at_several_sizes_says_its_accuracy_at_each_other_one(trained: Trained, tmp_path: Path) -> None:
    run = train_into(tmp_path, CATALOGUE["mnist-gap"], data=trained.data, epochs=1, seed=1)
    assert tuple(run.accuracy_at) == CATALOGUE["mnist-gap"].variation.sizes
    assert f"| 40x40 | {100 * run.accuracy_at[40]:.2f} % |" in (tmp_path / "README.md").read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_batches_and_another_seed_others() -> None:
    random = np.random.default_rng(0)
    data = Labelled((random.random((8, 28, 28, 1), dtype=np.float32),), np.arange(8, dtype=np.int64))

    def first(seed: int) -> NDArray[np.float32]:
        return next(batches(data, CATALOGUE["cats-dogs"].variation, batch_size=4, seed=seed))[0][0]

    assert np.array_equal(first(1), first(1))
    assert not np.array_equal(first(1), first(2))


@pytest.mark.parametrize("arguments", [["no-such-model"], ["mnist", "--epochs", "0"]])
def test_the_command_line_refuses_what_it_cannot_do(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as refusal:
        main(arguments)
    assert refusal.value.code == 2
