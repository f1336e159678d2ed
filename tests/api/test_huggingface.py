"""Hugging Face's image classification, asked through Flask's client: the head, `function_to_apply`, refusals."""

import base64
import io
import json
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.api.conftest import AppOf
from tests.pictures import encoded, noise

keras = pytest.importorskip("keras")
layers = keras.layers

PIXELS = noise(6, 6, 1, seed=9)
PICTURE = encoded(PIXELS[:, :, 0])
TEXT = base64.b64encode(PICTURE).decode()


def net(units: int, activation: str | None, bias: list[float]) -> Any:
    keras.utils.set_random_seed(4)
    last = layers.Dense(units, activation=activation)
    model = keras.Sequential([keras.Input((6, 6, 1), name="image"), layers.Flatten(), last])
    kernel, _ = last.get_weights()
    last.set_weights([kernel / 255, np.array(bias, "float32")])
    return model


def map_of_pixels() -> Any:
    image = keras.Input((6, 6, 1), name="image")
    return keras.Model(image, keras.ops.log(image + 1.0))


def not_finite() -> Any:
    model = net(2, None, [-1000, 1000])
    return keras.Model(model.inputs, keras.ops.log(model.outputs[0]))


MODELS = {
    "softmax": lambda: net(3, "softmax", [0, 1, 2]),
    "logits": lambda: net(3, None, [5, -5, 0]),
    "binary": lambda: net(1, "sigmoid", [0.4]),
    "multi-label": lambda: net(7, "sigmoid", [4, -4, 4, 3, 2, 1, 0]),
    "not-finite": not_finite,
    "map": map_of_pixels,
}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    files = {"binary.toml": 'labels = ["cat", "dog"]\n', "not-finite.toml": '[output]\nhead = "scores"\n'}
    return app_of(nets, files=files, max_images=3, default_model="softmax")


def classified(client: FlaskClient, name: str, **parameters: Any) -> list[dict[str, Any]]:
    response = client.post(f"/hf/models/{name}", json={"inputs": TEXT, "parameters": parameters})
    assert response.status_code == 200, response.text
    return list(response.get_json())


def raw(client: FlaskClient, name: str) -> Any:
    """Return the model's own outputs for the picture, as v2 gives them."""
    card = client.get(f"/v2/models/{name}").get_json()
    tensor = {"name": card["inputs"][0]["name"], "datatype": "BYTES", "shape": [1], "data": [TEXT]}
    tensor["parameters"] = {"content_type": "base64"}
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]})
    assert answer.status_code == 200, answer.text
    return np.array(answer.get_json()["outputs"][0]["data"], np.float32)


def test_a_raw_picture_is_answered_with_labels_and_scores_in_falling_order(client: FlaskClient) -> None:
    answer = client.post("/hf/models/multi-label", data=PICTURE, content_type="image/png").get_json()

    scores = [one["score"] for one in answer]
    assert [set(one) for one in answer] == [{"label", "score"}] * 5
    assert scores == sorted(scores, reverse=True)


def test_base64_gives_what_the_raw_picture_gives(client: FlaskClient) -> None:
    assert classified(client, "softmax") == client.post("/hf/models/softmax", data=PICTURE).get_json()
    uri = {"inputs": f"data:image/png;base64,{TEXT}"}
    assert client.post("/hf/models/softmax", json=uri).get_json() == classified(client, "softmax")


def test_the_scores_are_those_of_the_head(client: FlaskClient) -> None:
    for name in ("softmax", "logits", "binary"):
        (native,) = client.post(f"/api/models/{name}/predict", data=PICTURE).get_json()["predictions"]
        assert classified(client, name) == [
            {"label": one["label"], "score": one["probability"]} for one in native["top"]
        ]


@pytest.mark.parametrize("name", ["softmax", "logits", "multi-label"])
def test_a_function_is_applied_to_the_models_own_outputs(client: FlaskClient, name: str) -> None:
    outputs = raw(client, name).astype(np.float64)
    powers = np.exp(outputs - outputs.max())
    expected = {"none": outputs, "softmax": powers / powers.sum(), "sigmoid": 1 / (1 + np.exp(-outputs))}

    for function, values in expected.items():
        found = classified(client, name, function_to_apply=function, top_k=100)
        assert [one["label"] for one in found] == [f"class_{index}" for index in np.argsort(-values, kind="stable")]
        np.testing.assert_allclose([one["score"] for one in found], -np.sort(-values), rtol=1e-5)


def test_a_model_of_one_unit_has_one_class_under_a_function(client: FlaskClient) -> None:
    (found,) = classified(client, "binary", function_to_apply="none")
    (native,) = client.post("/api/models/binary/predict", data=PICTURE).get_json()["predictions"]

    assert found == {"label": "dog", "score": native["probabilities"][1]}


def test_top_k_shortens_and_none_counts_as_not_given(client: FlaskClient) -> None:
    assert len(classified(client, "multi-label", top_k=2)) == 2
    assert classified(client, "softmax", top_k=None, function_to_apply=None) == classified(client, "softmax")


def test_several_pictures_get_a_list_each(client: FlaskClient) -> None:
    answer = client.post("/hf/models/softmax", json={"inputs": [TEXT, TEXT]}).get_json()
    assert answer == [classified(client, "softmax")] * 2


def test_without_a_name_the_default_model_answers(client: FlaskClient) -> None:
    assert client.post("/hf", data=PICTURE).get_json() == classified(client, "softmax")


def test_a_version_can_be_named(client: FlaskClient) -> None:
    assert client.post("/hf/models/softmax/versions/1", data=PICTURE).get_json() == classified(client, "softmax")
    for version in (0, 2):
        assert client.post(f"/hf/models/softmax/versions/{version}", data=PICTURE).status_code == 404


REFUSED: dict[str, tuple[int, str, dict[str, Any]]] = {
    "no such model": (404, "nothing", {"data": PICTURE}),
    "no picture": (400, "softmax", {"data": b"hello"}),
    "a form": (400, "softmax", {"data": {"image": (io.BytesIO(PICTURE), "cat.png")}}),
    "empty": (400, "softmax", {"data": b""}),
    "a list": (422, "softmax", {"json": [TEXT]}),
    "no inputs": (422, "softmax", {"json": {"image": TEXT}}),
    "no base64": (400, "softmax", {"json": {"inputs": "cat.png"}}),
    "numbers": (422, "softmax", {"json": {"inputs": [[0.5]]}}),
    "no number of classes": (422, "softmax", {"json": {"inputs": TEXT, "parameters": {"top_k": 0}}}),
    "another function": (422, "softmax", {"json": {"inputs": TEXT, "parameters": {"function_to_apply": "tanh"}}}),
    "too many": (413, "softmax", {"json": {"inputs": [TEXT] * 4}}),
    "no classes": (422, "map", {"data": PICTURE}),
    "not finite": (422, "not-finite", {"data": PICTURE}),
    "none at all": (422, "softmax", {"json": {"inputs": []}}),
}


@pytest.mark.parametrize(("status", "name", "sent"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_is_an_error_object(
    client: FlaskClient, status: int, name: str, sent: dict[str, Any]
) -> None:
    response = client.post(f"/hf/models/{name}", **sent)
    assert response.status_code == status
    assert response.mimetype == "application/json"
    assert list(response.get_json()) == ["error"]
    assert len(response.get_json()["error"]) > 10


def test_flasks_own_errors_have_the_same_form(client: FlaskClient) -> None:
    for response in (client.get("/hf/models/softmax"), client.post("/hf/nothing")):
        assert response.status_code in (404, 405)
        assert list(response.get_json()) == ["error"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.just(TEXT),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(body=st.fixed_dictionaries({}, optional={"inputs": VALUES, "parameters": VALUES}) | VALUES)
def test_no_json_makes_a_server_error(app: Flask, body: Any) -> None:
    response = app.test_client().post("/hf/models/softmax", data=json.dumps(body))
    assert response.status_code < 500
