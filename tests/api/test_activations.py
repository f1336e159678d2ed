"""What a layer gives, asked through Flask's client: every form, picked channels, calls, and what cannot be given."""

import io
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from numpy.typing import NDArray
from PIL import Image

from service.api import activations
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
    left, right = keras.Input((8, 8, 1), name="left"), keras.Input((8, 8, 1), name="right")
    twice = layers.Conv2D(2, 3, name="twice")
    joined = layers.Concatenate()([layers.GlobalAveragePooling2D()(twice(one)) for one in (left, right)])
    return keras.Model([left, right], layers.Dense(2, name="kind")(joined))


def logarithm() -> Any:
    image = keras.Input((8, 8, 1), name="image")
    logs = keras.ops.log(layers.Rescaling(1.0, offset=-0.5)(image))
    return keras.Model(image, [layers.Dense(2, name="kind")(layers.Flatten()(image)), logs])


MODELS = {"conv": conv, "shared": shared, "logarithm": logarithm}


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


def test_each_call_of_a_shared_layer_is_had(client: FlaskClient) -> None:
    dark, light = np.zeros((8, 8, 1), np.float32), np.ones((8, 8, 1), np.float32)
    data = {"left": (io.BytesIO(npy(dark)), "left.npy"), "right": (io.BytesIO(npy(light)), "right.npy")}
    calls = []
    for number in (0, 1):
        form = {name: (io.BytesIO(file.getvalue()), text) for name, (file, text) in data.items()}
        calls.append(given(client, f"?layer=twice&call={number}", model="shared", data=form)["activations"])
    assert sorted(map(np.any, calls)) == [False, True]


@pytest.mark.parametrize("layer", ["image", "maps", "small", "flat", "kind"])
def test_without_an_accept_header_there_is_a_picture(client: FlaskClient, layer: str) -> None:
    response = ask(client, f"?layer={layer}")
    assert (response.status_code, response.mimetype) == (200, "image/png")
    with Image.open(io.BytesIO(response.data)) as image:
        assert min(image.size) >= 50


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
        ("?layer=map", "There is no layer 'map'; GET …/layers lists them all. Send 'maps'"),
        ("?layer=zzz", "There is no layer 'zzz'"),
        ("?layer=maps&call=1", "has no call 1 with a part 0; send call=0&part=0."),
        ("?layer=maps&part=7", "has no call 0 with a part 7"),
        ("?layer=maps&channels=6", "There is no channel 6; this layer gives 6, numbered from 0 to 5."),
        ("?layer=maps&channels=0-999999999", "There is no channel 999999999"),
        ("?layer=maps&channels=3-1", "send numbers and ranges of channels, such as 0-15,20."),
        ("?layer=maps&channels=", "send numbers and ranges"),
        ("?layer=maps&channels=a", "send numbers and ranges"),
        ("?layer=maps&depth=1", "Unknown field."),
    ],
)
def test_what_is_not_there_is_refused_in_words(client: FlaskClient, query: str, text: str) -> None:
    assert text in refused(client, query)


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
    assert "channels=0-15" in refused(client, "?layer=maps", headers=JSON)
    assert given(client, "?layer=maps&channels=1")["channels"] == [1]
    assert ask(client, "?layer=maps", headers=NPY).status_code == 200


def test_looking_inside_is_logged_and_timed_but_no_prediction(client: FlaskClient) -> None:
    before = client.get("/v2/models/conv/stats").get_json()["model_stats"][0]["inference_count"]
    response = ask(client, "?layer=maps")
    assert "infer;dur=" in response.headers["Server-Timing"]
    assert client.get("/v2/models/conv/stats").get_json()["model_stats"][0]["inference_count"] == before
