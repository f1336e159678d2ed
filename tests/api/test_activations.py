"""What a layer gives, asked through Flask's client: every form, picked channels, calls, and what cannot be given."""

import io
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from service.api import activations
from service.app import Runtime
from service.explain.colour import VIRIDIS, painted
from service.explain.drawing import BAR_HEIGHT, LINE, MARGIN, enlarged
from service.explain.insight import Insights
from service.explain.sheet import grid_for
from service.model.insight import LayerTap
from service.settings import Settings
from tests.api.conftest import AppOf
from tests.pictures import encoded, noise, npy

keras = pytest.importorskip("keras")
layers = keras.layers

PIXELS = noise(8, 8, 1, seed=5)
NUMBERS = (PIXELS / np.float32(255)).astype(np.float32)
PICTURE = encoded(PIXELS[..., 0])
JSON, NPY = {"Accept": "application/json"}, {"Accept": "application/x-npy"}


def conv() -> Any:
    keras.utils.set_random_seed(4)
    image = keras.Input((8, 8, 1), name="image")
    maps = layers.Conv2D(6, 3, activation="relu", name="maps")(image)
    small = layers.MaxPooling2D(name="small")(maps)
    flat = layers.Flatten(name="flat")(small)
    return keras.Model(image, layers.Dense(3, activation="softmax", name="kind")(flat))


def shared() -> Any:
    keras.utils.set_random_seed(5)
    # Keras runs what lies equally deep from the last to the first.
    images = [keras.Input((8, 8, 1), name=name) for name in ("left", "middle", "right")]
    thrice = layers.Conv2D(2, 3, name="thrice")
    inner = keras.Sequential([keras.Input((6, 6, 2)), layers.ReLU(name="relu")], name="inner")
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(inner(thrice(one))) for one in images])
    return keras.Model(images, layers.Dense(2, name="kind")(joined))


def logarithm() -> Any:
    image = keras.Input((8, 8, 1), name="image")
    logs = keras.ops.log(layers.Rescaling(1.0, offset=-0.5)(image))
    return keras.Model(image, [layers.Dense(2, name="kind")(layers.Flatten()(image)), logs])


def first() -> Any:
    """Return a net whose channels come first: no axis is as long as another."""
    keras.utils.set_random_seed(6)
    image = keras.Input((2, 7, 8), name="image")
    maps = layers.Conv2D(4, 3, data_format="channels_first", name="maps")(image)
    flat = layers.Flatten(data_format="channels_first", name="flat")(layers.ReLU(name="bent")(maps))
    return keras.Model(image, layers.Dense(3, activation="softmax", name="kind")(flat))


MODELS = {"conv": conv, "shared": shared, "logarithm": logarithm, "first": first}
SHADES = {"left": 0.1, "middle": 0.6, "right": 1.0}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    return app_of(nets)


def ask(client: FlaskClient, query: str, *, model: str = "conv", data: Any = None, **headers: Any) -> Any:
    return client.post(f"/api/models/{model}/activations{query}", data=data or PICTURE, **headers)


def given(client: FlaskClient, query: str, **kwargs: Any) -> dict[str, Any]:
    response = ask(client, query, headers=JSON, **kwargs)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def by_keras(net: Any, layer: str) -> NDArray[np.float32]:
    tap = keras.Model(net.input, net.get_layer(layer).output)
    return np.asarray(tap(NUMBERS[np.newaxis], training=False))


def refused(client: FlaskClient, query: str, *, status: int = 422, **kwargs: Any) -> str:
    response = ask(client, query, **kwargs)
    assert response.status_code == status, response.text
    assert response.mimetype == "application/problem+json"
    return str(response.get_json()["detail"])


@pytest.mark.parametrize("layer", ["image", "maps", "small", "flat", "kind"])
def test_the_numbers_are_those_of_keras_in_json_and_in_npy(
    client: FlaskClient, nets: dict[str, Any], layer: str
) -> None:
    expected = NUMBERS[np.newaxis] if layer == "image" else by_keras(nets["conv"], layer)
    body = given(client, f"?layer={layer}")
    array = np.load(io.BytesIO(ask(client, f"?layer={layer}", headers=NPY).data))

    np.testing.assert_allclose(np.array(body["activations"], np.float32), expected, rtol=1e-4, atol=1e-6)
    assert array.dtype == np.float32
    assert np.array_equal(array, np.array(body["activations"], np.float32))
    assert body["shape"] == list(expected.shape)
    assert body["minimum"] == pytest.approx(float(array.min()))
    assert body["maximum"] == pytest.approx(float(array.max()))


def test_the_answer_says_what_it_is_of(client: FlaskClient) -> None:
    body = given(client, "?layer=maps&channels=0")
    assert {name: value for name, value in body.items() if name not in ("activations", "minimum", "maximum")} == {
        "model": {"name": "conv", "version": 1},
        "input": {"index": 0, "filename": None, "format": "PNG", "size": [8, 8]},
        "layer": {"name": "maps", "type": "Conv2D", "call": 0, "part": 0},
        "shape": [1, 6, 6, 6],
        "order": "channels_last",
        "channels": [0],
        "warnings": [],
    }


def test_a_flatten_says_how_its_vector_was_laid_out(client: FlaskClient) -> None:
    flat, small = given(client, "?layer=flat"), given(client, "?layer=small")
    assert flat["order"] == "row, column, channel"
    assert np.reshape(flat["activations"], flat["from"]).tolist() == small["activations"][0]


def test_channels_are_picked_in_the_order_asked_for(client: FlaskClient) -> None:
    every = np.array(given(client, "?layer=maps")["activations"])
    body = given(client, "?layer=maps&channels=4,0-1")
    assert body["channels"] == [4, 0, 1]
    assert np.array(body["activations"]).tolist() == every[..., [4, 0, 1]].tolist()
    units = given(client, "?layer=kind&channels=2")
    assert np.shape(units["activations"]) == (1, 1)


@pytest.mark.parametrize(("layer", "shape"), [("image", (2, 7, 8)), ("maps", (4, 5, 6)), ("bent", (4, 5, 6))])
def test_channels_that_come_first_are_picked_and_drawn_as_maps(
    client: FlaskClient, layer: str, shape: tuple[int, ...]
) -> None:
    data = npy(np.random.default_rng(7).random((2, 7, 8), dtype=np.float32))
    every = given(client, f"?layer={layer}", model="first", data=data)
    one = given(client, f"?layer={layer}&channels=1", model="first", data=data)

    assert (every["order"], every["shape"]) == ("channels_first", [1, *shape])
    assert (one["order"], one["shape"], one["channels"]) == ("channels_first", [1, *shape], [1])
    assert np.array(one["activations"]).tolist() == np.array(every["activations"])[:, 1:2].tolist()
    drawn = ask(client, f"?layer={layer}&channels=1", model="first", data=data)
    assert_shows(drawn, np.array(one["activations"], np.float32)[0, 0])
    assert "There is no channel 5" in refused(client, f"?layer={layer}&channels=5", model="first", data=data)


def test_a_flatten_of_channels_that_come_first_says_how_its_vector_was_laid_out(client: FlaskClient) -> None:
    data = npy(np.random.default_rng(7).random((2, 7, 8), dtype=np.float32))
    flat, bent = (given(client, f"?layer={name}", model="first", data=data) for name in ("flat", "bent"))
    assert (flat["order"], flat["from"]) == ("row, column, channel", [5, 6, 4])
    moved = np.moveaxis(np.array(bent["activations"]), 1, -1)
    assert np.reshape(flat["activations"], flat["from"]).tolist() == moved[0].tolist()


@pytest.mark.parametrize("call", [0, 1, 2])
def test_each_call_of_a_shared_layer_is_had_in_the_order_in_which_it_was_written(
    client: FlaskClient, nets: dict[str, Any], call: int
) -> None:
    pictures = {name: np.full((8, 8, 1), value, np.float32) for name, value in SHADES.items()}

    def asked(layer: str) -> Any:
        form = {name: (io.BytesIO(npy(one)), f"{name}.npy") for name, one in pictures.items()}
        return given(client, f"?layer={layer}&call={call}", model="shared", data=form)["activations"]

    taken = list(pictures.values())[call]
    expected = np.asarray(nets["shared"].get_layer("thrice")(taken[np.newaxis]))
    np.testing.assert_allclose(asked("thrice"), expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(asked("inner/relu"), np.maximum(expected, 0), rtol=1e-4, atol=1e-6)
    listed = client.get("/api/models/shared/layers").get_json()["layers"]
    assert [one["calls"] for one in listed if one["name"] == "thrice"] == [[[[name, 0, 0]] for name in SHADES]]


def shown(response: Any) -> NDArray[np.uint8]:
    assert (response.status_code, response.mimetype) == (200, "image/png")
    with Image.open(io.BytesIO(response.data)) as image:
        return np.asarray(image.convert("RGB"))


def coloured(values: Any) -> NDArray[np.uint8]:
    values = np.asarray(values, np.float32)
    return painted(values, VIRIDIS, low=float(values.min()), high=float(values.max()))


def assert_shows(response: Any, plane: NDArray[np.float32]) -> None:
    """Assert that a sheet's one map, below two lines of text, is a plane (height, width), each number a square."""
    height, width = plane.shape
    factor = grid_for(1, (height, width)).factor
    top, left = MARGIN + 2 * LINE, MARGIN
    tile = shown(response)[top : top + height * factor, left : left + width * factor]
    np.testing.assert_array_equal(tile, enlarged(coloured(plane), factor))


@pytest.mark.parametrize("layer", ["image", "maps", "small"])
def test_without_an_accept_header_there_is_a_picture_of_the_numbers(client: FlaskClient, layer: str) -> None:
    query = f"?layer={layer}&channels=0"
    assert_shows(ask(client, query), np.array(given(client, query)["activations"], np.float32)[0, ..., 0])


def test_a_vector_is_drawn_as_blocks_or_as_bars(client: FlaskClient) -> None:
    values = given(client, "?layer=flat")["activations"][0]
    blocks = shown(ask(client, "?layer=flat"))[MARGIN + 2 * LINE : -BAR_HEIGHT - MARGIN]
    for colour, many in zip(*np.unique(coloured(values), axis=0, return_counts=True), strict=True):
        assert (blocks == colour).all(axis=-1).sum() >= 16 * many
    bars = (shown(ask(client, "?layer=kind")) == (49, 104, 142)).all(axis=-1)
    lengths = [int(bars[row].sum()) for row in (MARGIN + 2 * LINE + np.array([9, 27, 45]))]
    shares = np.array(given(client, "?layer=kind")["activations"][0])
    np.testing.assert_allclose(lengths, 300 * shares / shares.max(), atol=3)


def test_what_is_not_finite_is_null(client: FlaskClient) -> None:
    # Keras numbers the logarithms of the whole process.
    listed = client.get("/api/models/logarithm/layers").get_json()["layers"]
    query = next(f"?layer={one['name']}" for one in listed if one["name"].startswith("log"))
    body = given(client, query, model="logarithm")
    assert any(value is None for row in body["activations"][0] for pixel in row for value in pixel)
    assert body["maximum"] == pytest.approx(np.log(NUMBERS.max() - 0.5), rel=1e-4)
    assert ask(client, query, model="logarithm").mimetype == "image/png"


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("", "layer: Missing data for required field."),
        ("?layer=maps&call=1", "has no call 1 with a part 0; send call=0&part=0."),
        ("?layer=maps&part=7", "has no call 0 with a part 7"),
        ("?layer=maps&channels=6", "There is no channel 6; this layer gives 6, numbered from 0 to 5."),
        ("?layer=maps&channels=0-999999999", "There is no channel 999999999"),
        ("?layer=maps&channels=0-5,0-5,0-5", "These ranges name 18 channels, and this layer gives 6; name each once."),
        ("?layer=maps&channels=3-1", "send numbers and ranges of channels, such as 0-15,20."),
        ("?layer=maps&channels=", "send numbers and ranges"),
        ("?layer=maps&channels=a", "send numbers and ranges"),
        ("?layer=maps&depth=1", "Unknown field."),
    ],
)
def test_what_is_not_there_is_refused_in_words(client: FlaskClient, query: str, text: str) -> None:
    assert text in refused(client, query)


@pytest.mark.parametrize(("layer", "meant"), [("map", " Did you mean 'maps'?"), ("zzz", "")])
def test_an_unknown_layer_is_told_in_the_words_in_which_its_units_are(
    client: FlaskClient, layer: str, meant: str
) -> None:
    said = refused(client, f"?layer={layer}", status=404)
    assert said.startswith(f"The model has no layer {layer!r}.{meant} GET …/layers lists them;")
    assert client.get(f"/api/models/conv/layers/{layer}/units/0").get_json()["detail"] == said


def test_one_image_at_a_time_is_looked_into(client: FlaskClient) -> None:
    files = {"image": [(io.BytesIO(PICTURE), "a.png"), (io.BytesIO(PICTURE), "b.png")]}
    assert "send one" in refused(client, "?layer=maps", data=files)


def test_a_bad_image_is_the_error_it_is_elsewhere(client: FlaskClient) -> None:
    refused(client, "?layer=maps", data=b"\x89PNG\r\n\x1a\nbroken", status=400)
    assert client.post("/api/models/none/activations?layer=maps", data=PICTURE).status_code == 404


def test_too_many_numbers_for_json_are_had_by_channels_or_as_npy(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(activations, "MOST_NUMBERS", 100)
    with monkeypatch.context() as patched:
        patched.setattr(Insights, "activations", lambda *_, **__: pytest.fail("they were computed"))
        text = refused(client, "?layer=maps", headers=JSON)
        assert "name 2 channels at most, such as channels=0-1, or ask with" in text
        patched.setattr(activations, "MOST_NUMBERS", 3)
        text = refused(client, "?layer=maps&channels=1", headers=JSON)
        assert "3; ask with Accept: application/x-npy or image/png, or send a smaller picture" in text
    assert given(client, "?layer=maps&channels=1")["channels"] == [1]
    assert ask(client, "?layer=maps", headers=NPY).status_code == 200


def test_looking_inside_is_logged_and_timed_but_no_prediction(client: FlaskClient) -> None:
    before = client.get("/v2/models/conv/stats").get_json()["model_stats"][0]["inference_count"]
    response = ask(client, "?layer=maps")
    assert "infer;dur=" in response.headers["Server-Timing"]
    assert client.get("/v2/models/conv/stats").get_json()["model_stats"][0]["inference_count"] == before


def test_a_worker_that_stops_waits_for_no_graph(app: Flask, tmp_path: Path) -> None:
    before = set(threading.enumerate())
    folders = dict.fromkeys(("models_dir", "cache_dir", "runtime_dir"), tmp_path)
    runtime = Runtime(Settings.read({"tune": 0, **folders}, environ={}))
    model = app.extensions["convoy"].registry.get("conv")
    inputs = {"image": NUMBERS[np.newaxis]}
    runtime.insights.activations(model, inputs, [LayerTap("maps")], deadline=time.monotonic() + 30)
    (timer,) = set(threading.enumerate()) - before

    runtime.stop()

    timer.join(10)
    assert not timer.is_alive()
