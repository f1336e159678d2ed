"""Models that take no pictures, or answer in maps: built, served and asked for numbers; Keras is the oracle."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray

from service.app import create_app
from service.cli.look import layers as show_layers
from service.cli.predict import predict
from service.errors import UnsupportedModelError
from service.model.hints import hints_of
from service.model.stack import NO_MAPS, NO_VECTOR, maps_to_vector_text
from service.settings import Settings
from tests.fakes import describe
from tests.pictures import encoded, noise, npy
from tests.prebuilt import prebuild

keras = pytest.importorskip("keras")
layers = keras.layers

from service.builder.inspect import layers_of, output_facts  # noqa: E402 (only after the skip)

PNET = "wild/multi_output_mtcnn_pnet/12net.h5"
COLOUR = noise(16, 16, 3, seed=5)


def sequential(*stack: Any) -> Any:
    return keras.Sequential(list(stack))


def classifier(*item: int) -> Any:
    """Return a net of three classes that takes items of this shape."""
    convolutions = {1: [], 2: [layers.Conv1D(4, 3)], 3: [layers.Conv2D(4, 3)]}[len(item)]
    return sequential(
        keras.Input(item, name="item"), *convolutions, layers.Flatten(), layers.Dense(3, activation="softmax")
    )


def segmenter(*item: int | None) -> Any:
    """Return a net that answers with two channels for every second pixel, as softmax."""
    stack = [layers.Conv2D(4, 3, strides=2, padding="same", activation="relu"), layers.Conv2D(2, 1)]
    return sequential(keras.Input(item), *stack, layers.Softmax(name="prob"))


def kind_and_where() -> Any:
    image = keras.Input((16, 16, 3), name="image")
    maps = layers.Conv2D(4, 3, activation="relu")(image)
    kind = layers.Dense(3, activation="softmax", name="kind")(layers.Flatten()(maps))
    return keras.Model(image, [layers.Conv2D(1, 1, name="where")(maps), kind])


def bright_pixels() -> Any:
    image = keras.Input((16, 16, 3))
    return keras.Model(image, keras.ops.cast(image > 0.5, "int32"))


def logarithms() -> Any:
    image = keras.Input((16, 16, 3))
    return keras.Model(image, keras.ops.log(image))


TAKES_NUMBERS: dict[str, tuple[int, ...]] = {
    "bands": (16, 16, 13),
    "flow": (8, 8, 2),
    "vector": (20,),
    "volume": (6, 6, 6, 1),
}
TAKES_NUMBERS_AND_GREY = {"spectrogram": (40, 100), "series": (128, 9)}


def volume() -> Any:
    return sequential(
        keras.Input((6, 6, 6, 1), name="item"), layers.Conv3D(2, 3), layers.Flatten(), layers.Dense(3, "softmax")
    )


MODELS: dict[str, Callable[[], Any]] = {
    "bands": lambda: classifier(16, 16, 13),
    "flow": lambda: classifier(8, 8, 2),
    "vector": lambda: classifier(20),
    "volume": volume,
    "spectrogram": lambda: classifier(40, 100),
    "series": lambda: classifier(128, 9),
    "segmenter": lambda: segmenter(16, 16, 3),
    "any-size": lambda: segmenter(None, None, 3),
    "kind-and-where": kind_and_where,
    "pixels": bright_pixels,
    "no-activation": lambda: sequential(
        keras.Input((20,)), layers.Dense(30, name="hidden"), layers.Dense(3, "softmax", name="out")
    ),
    "logarithms": logarithms,
}


@pytest.fixture(scope="module")
def nets() -> dict[str, Any]:
    keras.utils.set_random_seed(8)
    return {name: make() for name, make in MODELS.items()}


@pytest.fixture(scope="module")
def folder(nets: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, net in nets.items():
        net.save(folder / f"{name}.keras")
    return folder


@pytest.fixture(scope="module")
def built(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cache with a bundle of every model."""
    cache = tmp_path_factory.mktemp("cache")
    prebuild(folder, cache)
    return cache


def serving(folder: Path, cache: Path, run: Path) -> Flask:
    run.mkdir(exist_ok=True)
    settings = {"models_dir": folder, "cache_dir": cache, "runtime_dir": run, "tune": 0}
    return create_app(Settings.read(settings, environ={}))


@pytest.fixture(scope="module")
def app(folder: Path, built: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    app = serving(folder, built, tmp_path_factory.mktemp("run"))
    yield app
    app.extensions["convoy"].stop()


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


def predictions(client: FlaskClient, name: str, **sent: Any) -> list[dict[str, Any]]:
    response = client.post(f"/api/models/{name}/predict", **sent)
    assert response.status_code == 200, response.text
    return list(json.loads(response.data, parse_constant=pytest.fail)["predictions"])


def numbers(*shape: int) -> NDArray[np.float32]:
    return np.random.default_rng(6).random(shape, np.float32)


def as_keras(net: Any, batch: Any) -> list[NDArray[Any]]:
    return [np.asarray(one) for one in keras.tree.flatten(net(batch, training=False))]


# ---------------------------------------------------------------------------------- inputs that are no pictures


@pytest.mark.parametrize(("name", "item"), (TAKES_NUMBERS | TAKES_NUMBERS_AND_GREY).items())
def test_numbers_reach_a_model_of_any_input_as_npy_and_as_json(
    client: FlaskClient, nets: dict[str, Any], name: str, item: tuple[int, ...]
) -> None:
    batch = numbers(2, *item)
    (expected,) = as_keras(nets[name], batch)
    ways = [
        predictions(client, name, data=npy(batch)),
        predictions(client, name, json={"images": batch.tolist()}),
        predictions(client, name, data=npy(batch[0])) + predictions(client, name, json={"image": batch[1:].tolist()}),
    ]

    for answers in ways:
        np.testing.assert_allclose([one["probabilities"] for one in answers], expected, atol=1e-5)


@pytest.mark.parametrize(("name", "item"), TAKES_NUMBERS.items())
def test_a_picture_for_an_input_that_is_none_is_refused_and_says_what_to_send(
    client: FlaskClient, name: str, item: tuple[int, ...]
) -> None:
    response = client.post(f"/api/models/{name}/predict", data=encoded(COLOUR))

    assert response.status_code == 422
    assert response.get_json()["detail"] == (f"Input item of shape {[None, *item]} takes no pictures; send numbers.")


@pytest.mark.parametrize("name", TAKES_NUMBERS)
def test_the_card_of_a_model_that_takes_no_pictures_says_so(client: FlaskClient, name: str) -> None:
    card = client.get(f"/api/models/{name}").get_json()

    assert (card["takes"], card["answers"], card["classes"]) == ("numbers", "classes", 3)
    assert card["inputs"][0]["takes_images"] is False
    assert "is no image; it is served for numbers only." in card["warnings"][0]


# ------------------------------------------------------------------------------------------ outputs that are maps


def test_a_map_is_answered_by_its_numbers_and_their_shape(client: FlaskClient, nets: dict[str, Any]) -> None:
    batch = numbers(3, 16, 16, 3)
    (expected,) = as_keras(nets["segmenter"], batch)
    answers = predictions(client, "segmenter", data=npy(batch))

    assert set(answers[0]) == {"input", "values", "shape", "warnings"}
    assert answers[0]["shape"] == [8, 8, 2]
    np.testing.assert_allclose([one["values"] for one in answers], expected, atol=1e-5)


def test_a_picture_goes_through_the_recipe_to_a_map_as_well(client: FlaskClient, nets: dict[str, Any]) -> None:
    (expected,) = as_keras(nets["segmenter"], COLOUR[np.newaxis] / np.float32(255))
    (answer,) = predictions(client, "segmenter", data=encoded(COLOUR))

    np.testing.assert_allclose(answer["values"], expected[0], atol=1e-5)


def test_the_values_can_be_left_out(client: FlaskClient) -> None:
    (answer,) = predictions(client, "segmenter", data=encoded(COLOUR), query_string={"probabilities": "false"})

    assert set(answer) == {"input", "shape", "warnings"}


@pytest.mark.parametrize("sides", [(16, 16), (20, 9)])
def test_a_map_of_any_size_has_the_size_of_its_picture(
    client: FlaskClient, nets: dict[str, Any], sides: tuple[int, int]
) -> None:
    batch = numbers(1, *sides, 3)
    (expected,) = as_keras(nets["any-size"], batch)
    (answer,) = predictions(client, "any-size", data=npy(batch))

    assert answer["shape"] == list(expected.shape[1:])
    np.testing.assert_allclose(answer["values"], expected[0], atol=1e-5)


def test_a_map_beside_a_class_is_answered_under_its_name(client: FlaskClient, nets: dict[str, Any]) -> None:
    batch = numbers(1, 16, 16, 3)
    where, kind = as_keras(nets["kind-and-where"], batch)
    (answer,) = predictions(client, "kind-and-where", data=npy(batch))

    assert list(answer["outputs"]) == ["where", "kind"]
    np.testing.assert_allclose(answer["outputs"]["where"]["values"], where[0], atol=1e-5)
    np.testing.assert_allclose(answer["outputs"]["kind"]["probabilities"], kind[0], atol=1e-5)
    assert answer["outputs"]["kind"]["label"] == f"class_{kind.argmax()}"


def test_whole_numbers_stay_whole(client: FlaskClient, nets: dict[str, Any]) -> None:
    batch = numbers(1, 16, 16, 3)
    (expected,) = as_keras(nets["pixels"], batch)
    (answer,) = predictions(client, "pixels", data=npy(batch))

    assert answer["values"] == expected[0].tolist()


def test_the_card_of_a_model_that_answers_in_maps_says_so(client: FlaskClient) -> None:
    card = client.get("/api/models/segmenter").get_json()

    assert (card["takes"], card["answers"], card["classes"]) == ("pictures and numbers", "numbers", None)
    assert card["outputs"][0]["labels"] is None
    assert card["warnings"][-1] == (
        "Output prob is a map of shape [None, 8, 8, 2]: no classes; its numbers are given as they are."
    )
    assert card["maps_to_vector"] == {"steps": [], "text": NO_VECTOR}
    assert client.get("/api/models/vector").get_json()["maps_to_vector"] == {"steps": [], "text": NO_MAPS}


def test_the_list_of_models_counts_no_classes_of_a_map(client: FlaskClient) -> None:
    classes = {one["name"]: one["classes"] for one in client.get("/api/models").get_json()["models"]}

    assert (classes["segmenter"], classes["kind-and-where"]) == (None, 3)


def test_the_softmax_of_a_map_is_compared_with_keras_before_it_is_applied(client: FlaskClient) -> None:
    (verification,) = client.get("/api/models/segmenter").get_json()["verification"]

    assert verification["compared"] == "before the head"


@pytest.mark.parametrize(
    ("sidecar", "complaint"),
    [
        ('[output]\nhead = "softmax"\n', "The head 'softmax' is for classes; output prob is a map of shape"),
        ('labels = ["a", "b"]\n', "prob has no classes"),
    ],
)
def test_a_sidecar_that_speaks_of_classes_fails_and_says_why(
    folder: Path, built: Path, tmp_path: Path, sidecar: str, complaint: str
) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "segmenter.keras").write_bytes((folder / "segmenter.keras").read_bytes())
    (models / "segmenter.toml").write_text(sidecar)
    app = serving(models, built, tmp_path / "run")
    shown = app.test_client().get("/api/models/segmenter").get_json()
    app.extensions["convoy"].stop()

    assert shown["state"] == "failed"
    assert complaint in shown["diagnosis"]


def text() -> Any:
    word = keras.Input((), dtype="string")
    return keras.Model(word, layers.Identity(dtype="string", name="word")(word))


def waves() -> Any:
    wave = keras.Input((8,), dtype="complex64")
    return keras.Model(wave, layers.Identity(dtype="complex64", name="wave")(wave))


def mean_of_the_batch() -> Any:
    image = keras.Input((4, 4, 1))
    return keras.Model(image, keras.ops.mean(image))


@pytest.mark.parametrize(
    ("make", "diagnosis"),
    [
        (text, "Output word gives string, not numbers; Convoy serves numbers only."),
        (waves, "Output wave gives complex64, not numbers; Convoy serves numbers only."),
        (mean_of_the_batch, "is one number for a whole batch; Convoy serves models that answer each example."),
    ],
)
def test_what_is_no_answer_in_numbers_for_each_example_is_refused(make: Callable[[], Any], diagnosis: str) -> None:
    with pytest.raises(UnsupportedModelError, match=diagnosis):
        output_facts(make(), loss=None)


def test_the_first_net_of_mtcnn_answers_for_pictures_of_any_size(shared: Path, tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    (models / "pnet.h5").write_bytes((shared / PNET).read_bytes())
    prebuild(models, tmp_path / "cache")
    app = serving(models, tmp_path / "cache", tmp_path / "run")
    batch = numbers(1, 24, 31, 3)
    (answer,) = predictions(app.test_client(), "pnet", data=npy(batch))
    app.extensions["convoy"].stop()

    faces, boxes = as_keras(keras.models.load_model(shared / PNET, compile=False), [batch])
    assert {name: one["shape"] for name, one in answer["outputs"].items()} == {
        "conv4-1": list(faces.shape[1:]),
        "conv4-2": list(boxes.shape[1:]),
    }
    np.testing.assert_allclose(answer["outputs"]["conv4-1"]["values"], faces[0], atol=1e-5)
    np.testing.assert_allclose(answer["outputs"]["conv4-2"]["values"], boxes[0], atol=1e-4)


# ----------------------------------------------------------------------------------------------- the command line


def run(command: click.Command, built: Path, *words: object) -> Result:
    return CliRunner().invoke(command, [*map(str, words), "--cache-dir", str(built)])


def test_the_command_line_shows_shape_and_extent_of_a_map(
    folder: Path, built: Path, nets: dict[str, Any], tmp_path: Path
) -> None:
    batch = numbers(1, 16, 16, 3)
    (tmp_path / "batch.npy").write_bytes(npy(batch))
    (expected,) = as_keras(nets["segmenter"], batch)
    done = run(predict, built, folder / "segmenter.keras", tmp_path / "batch.npy")

    assert done.exit_code == 0, done.output
    assert done.stdout == (
        f"{tmp_path / 'batch.npy'}: 8x8x2 numbers from {expected.min():.4g} to {expected.max():.4g}\n"
    )


@pytest.mark.parametrize(
    ("value", "extent"), [(-1, "none of them finite"), (1, "from 0 to 0")], ids=["no number", "finite"]
)
def test_the_command_line_says_what_of_a_map_is_finite(
    folder: Path, built: Path, tmp_path: Path, value: float, extent: str
) -> None:
    (tmp_path / "one.npy").write_bytes(npy(np.full((16, 16, 3), value, np.float32)))
    done = run(predict, built, folder / "logarithms.keras", tmp_path / "one.npy")

    assert done.stdout == f"{tmp_path / 'one.npy'}: 16x16x3 numbers {extent}\n"


def test_the_command_line_classifies_every_row_of_an_npy(
    folder: Path, built: Path, nets: dict[str, Any], tmp_path: Path
) -> None:
    batch = numbers(3, 16, 16, 13)
    (tmp_path / "batch.npy").write_bytes(npy(batch))
    done = run(predict, built, folder / "bands.keras", tmp_path / "batch.npy")

    best = [line.split()[1] for line in done.stdout.splitlines()]
    assert best == [f"class_{index}" for index in as_keras(nets["bands"], batch)[0].argmax(axis=1)]


def test_the_command_line_says_what_a_look_at_the_layers_tells_as_the_card_does(
    folder: Path, built: Path, client: FlaskClient
) -> None:
    (hint,) = client.get("/api/models/no-activation").get_json()["hints"]
    done = run(show_layers, built, folder / "no-activation.keras")

    assert hint.startswith("hidden (Dense) has no activation before out (Dense)")
    assert done.stdout.endswith(f"\n723 parameters\n{NO_MAPS}\nhint: {hint}\n")


# ----------------------------------------------------------------------------- what is read off real Keras layers


@pytest.mark.parametrize(
    ("vectorise", "text"),
    [
        (
            layers.Flatten,
            "last (Flatten) turns maps of 6x6x4 into a vector of 144, in the order row, column, channel.",
        ),
        (layers.GlobalAveragePooling2D, "last (GlobalAveragePooling2D) turns maps of 6x6x4 into a vector of 4."),
        (layers.GlobalMaxPooling2D, "last (GlobalMaxPooling2D) turns maps of 6x6x4 into a vector of 4."),
    ],
)
def test_the_layer_that_makes_the_vector_is_found_in_a_keras_model(vectorise: Any, text: str) -> None:
    body = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3), vectorise(name="last")], name="body")
    image = keras.Input((8, 8, 3))
    found = layers_of(keras.Model(image, layers.Dense(2)(body(image))), order="channels_last")

    assert maps_to_vector_text(found) == f"body/{text}"


def hints(net: Any) -> tuple[str, ...]:
    return hints_of(replace(describe(), layers=layers_of(net, order="channels_last")), {})


def test_the_hints_find_what_they_look_for_in_a_keras_model() -> None:
    net = sequential(
        keras.Input((40, 40, 3)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(64, 3, 3, activation="relu"),
        layers.Flatten(),
        layers.Dropout(0.5),
        layers.Dense(100),
        layers.Dense(1, activation="softmax"),
    )
    found = hints(net)

    assert [one.split()[0] for one in found] == [
        net.layers[4].name,
        net.layers[1].name,
        *(one.name for one in net.layers[4:]),
    ]
    assert "1,081,700" in found[0]


@pytest.mark.parametrize("family", ["MobileNet", "EfficientNetB0", "ConvNeXtTiny", "DenseNet121"])
def test_the_nets_of_keras_applications_pool_and_get_no_hint(family: str) -> None:
    net = getattr(keras.applications, family)(weights=None, input_shape=(64, 64, 3))
    found = layers_of(net, order="channels_last")

    assert hints(net) == ()
    assert maps_to_vector_text(found).count("(GlobalAveragePooling2D)") == 1


def test_the_bundled_digits_flatten_into_most_of_their_parameters(bundled_models: Path) -> None:
    (hint,) = hints(keras.models.load_model(bundled_models / "mnist/1/model.keras"))

    assert "204,928 of the model's 225,034 parameters (91 %)" in hint
