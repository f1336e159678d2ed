"""The native dialect, asked through Flask's client: each head's answer, inputs by name, queries, states, cards."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import AppOf
from tests.pictures import encoded, noise, npy

keras = pytest.importorskip("keras")
layers = keras.layers

PIXELS = noise(6, 6, 1, seed=9)
NUMBERS = (PIXELS / np.float32(255)).astype(np.float32)


def head(units: int, activation: str | None, bias: list[float]) -> Any:
    """Return a net whose last layer adds `bias` to a weighted sum of a 6x6x1 input."""
    keras.utils.set_random_seed(4)
    last = layers.Dense(units, activation=activation, bias_initializer=keras.initializers.Constant(0))
    model = keras.Sequential([keras.Input((6, 6, 1), name="image"), layers.Flatten(), last])
    kernel, _ = last.get_weights()
    last.set_weights([kernel, np.array(bias, "float32")])
    return model


def not_finite() -> Any:
    """Return a net that takes the logarithm of a negative and of a positive number."""
    net = head(2, None, [-100, 100])
    return keras.Model(net.inputs, keras.ops.log(net.outputs[0]))


def two_inputs() -> Any:
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((4, 4, 3), name="right")
    joined = layers.Concatenate()([layers.Flatten()(left), layers.Flatten()(right)])
    return keras.Model([left, right], layers.Dense(2, activation="softmax")(joined))


def two_outputs() -> Any:
    image = keras.Input((6, 6, 1), name="image")
    flat = layers.Flatten()(image)
    return keras.Model(
        image,
        [
            layers.Dense(3, activation="softmax", name="kind")(flat),
            layers.Dense(1, activation="sigmoid", name="any")(flat),
        ],
    )


def map_of_logarithms() -> Any:
    """Return a net that answers with the logarithm of each pixel less a half: of the dark ones there is none."""
    image = keras.Input((6, 6, 1), name="image")
    return keras.Model(image, keras.ops.log(image - 0.5))


def class_and_map() -> Any:
    net = head(3, "softmax", [0, 1, 2])
    where = layers.Conv2D(2, 3, name="where")(net.inputs[0])
    return keras.Model(net.inputs[0], [net.outputs[0], where])


MODELS = {
    "softmax": lambda: head(3, "softmax", [0, 1, 2]),
    "logits": lambda: head(3, None, [5, -5, 0]),
    "binary": lambda: head(1, "sigmoid", [0.4]),
    "binary-logit": lambda: head(1, None, [-3]),
    "multi-label": lambda: head(3, "sigmoid", [4, -4, 4]),
    "scores": lambda: head(3, "relu", [10, 20, 30]),
    "not-finite": not_finite,
    "two-inputs": two_inputs,
    "two-outputs": two_outputs,
    "map": map_of_logarithms,
    "class-and-map": class_and_map,
}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    files = {
        "binary.toml": 'labels = ["cat", "dog"]\n[output]\nthreshold = 0.99\n',
        "not-finite.toml": '[output]\nhead = "scores"\n',
    }
    return app_of(nets, files=files, max_images=5)


def ask(client: FlaskClient, name: str, body: bytes | None = None, query: str = "") -> dict[str, Any]:
    response = client.post(f"/api/models/{name}/predict{query}", data=npy(NUMBERS) if body is None else body)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def raw(nets: dict[str, Any], name: str) -> Any:
    return np.asarray(nets[name](NUMBERS[np.newaxis], training=False), np.float64)[0]


def test_softmax_answers_probabilities_in_class_order(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "softmax")["predictions"]
    expected = raw(nets, "softmax")

    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)
    assert answer["index"] == expected.argmax()
    assert answer["label"] == f"class_{expected.argmax()}"
    assert answer["probability"] == max(answer["probabilities"])
    assert [one["index"] for one in answer["top"]] == np.argsort(-expected).tolist()
    assert answer["warnings"] == []


def test_logits_get_a_softmax_and_say_so(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "logits")["predictions"]
    powers = np.exp(raw(nets, "logits"))

    np.testing.assert_allclose(answer["probabilities"], powers / powers.sum(), atol=1e-6)
    assert "softmax" in answer["warnings"][0]


def test_one_sigmoid_is_two_classes_decided_by_the_sidecars_threshold(
    client: FlaskClient, nets: dict[str, Any]
) -> None:
    (answer,) = ask(client, "binary")["predictions"]
    (positive,) = raw(nets, "binary")

    np.testing.assert_allclose(answer["probabilities"], [1 - positive, positive], atol=1e-6)
    assert 0.5 < positive < 0.99
    assert (answer["label"], answer["index"]) == ("cat", 0)
    np.testing.assert_allclose(answer["probability"], 1 - positive, atol=1e-6)


def test_one_linear_unit_gets_a_sigmoid_and_says_so(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "binary-logit")["predictions"]
    (logit,) = raw(nets, "binary-logit")

    np.testing.assert_allclose(answer["probabilities"][1], 1 / (1 + np.exp(-logit)), atol=1e-6)
    assert "sigmoid" in answer["warnings"][0]


def test_several_sigmoids_name_every_class_over_the_threshold(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "multi-label")["predictions"]
    expected = raw(nets, "multi-label")

    assert [one["index"] for one in answer["labels"]] == np.flatnonzero(expected >= 0.5).tolist()
    np.testing.assert_allclose(answer["probabilities"], expected, atol=1e-6)


def test_scores_are_never_called_probabilities(client: FlaskClient, nets: dict[str, Any]) -> None:
    body = ask(client, "scores")
    (answer,) = body["predictions"]

    np.testing.assert_allclose(answer["scores"], raw(nets, "scores"), rtol=1e-5)
    assert answer["score"] == max(answer["scores"])
    assert "probabilit" not in json.dumps(body)


def test_outputs_that_are_not_finite_are_null_with_a_warning(client: FlaskClient) -> None:
    response = client.post("/api/models/not-finite/predict", data=npy(NUMBERS))
    (answer,) = json.loads(response.data, parse_constant=pytest.fail)["predictions"]

    assert None in answer["scores"]
    assert any("not finite" in note for note in answer["warnings"])


def test_one_picture_feeds_every_input(client: FlaskClient, nets: dict[str, Any]) -> None:
    picture = encoded(noise(12, 12, 3))
    answers = [
        client.post("/api/models/two-inputs/predict", data=picture),
        client.post("/api/models/two-inputs/predict", data={"x": (picture_file(picture), "a.png")}),
    ]

    assert [one.status_code for one in answers] == [200, 200]
    assert (
        answers[0].get_json()["predictions"][0]["probabilities"]
        == answers[1].get_json()["predictions"][0]["probabilities"]
    )


def test_each_input_is_fed_by_its_name(client: FlaskClient, nets: dict[str, Any]) -> None:
    left, right = NUMBERS, (noise(4, 4, 3) / np.float32(255)).astype(np.float32)
    expected = np.asarray(nets["two-inputs"]([left[np.newaxis], right[np.newaxis]], training=False))[0]
    files = {"right": (picture_file(npy(right)), "r.npy"), "left": (picture_file(npy(left)), "l.npy")}
    answers = [
        client.post("/api/models/two-inputs/predict", data=files),
        client.post("/api/models/two-inputs/predict", json={"image": {"left": left.tolist(), "right": right.tolist()}}),
    ]

    for answer in answers:
        assert answer.status_code == 200, answer.text
        np.testing.assert_allclose(answer.get_json()["predictions"][0]["probabilities"], expected, atol=1e-6)


@pytest.mark.parametrize(
    "image",
    [
        {"left": NUMBERS.tolist()},
        {"left": NUMBERS.tolist(), "middle": [[1]]},
        {"left": [NUMBERS.tolist()] * 2, "right": "aGk="},
    ],
)
def test_missing_unknown_and_uneven_inputs_are_refused(client: FlaskClient, image: Any) -> None:
    response = client.post("/api/models/two-inputs/predict", json={"image": image})

    assert response.status_code in (400, 422)
    assert response.content_type == "application/problem+json"


def test_several_outputs_answer_under_their_names(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "two-outputs")["predictions"]
    kind, either = (np.asarray(one)[0] for one in nets["two-outputs"](NUMBERS[np.newaxis], training=False))

    np.testing.assert_allclose(answer["outputs"]["kind"]["probabilities"], kind, atol=1e-6)
    np.testing.assert_allclose(answer["outputs"]["any"]["probabilities"], [1 - either[0], either[0]], atol=1e-6)


def test_a_map_is_answered_by_numbers_and_their_shape_with_null_where_there_is_none(client: FlaskClient) -> None:
    response = client.post("/api/models/map/predict", data=npy(NUMBERS))
    (answer,) = json.loads(response.data, parse_constant=pytest.fail)["predictions"]
    with np.errstate(invalid="ignore"):
        expected = np.log(NUMBERS - np.float32(0.5))

    assert set(answer) == {"input", "values", "shape", "warnings"}
    assert answer["shape"] == [6, 6, 1]
    np.testing.assert_allclose(np.array(answer["values"], np.float32), expected, rtol=1e-5)
    assert any("not finite" in note for note in answer["warnings"])


def test_a_map_beside_a_class_leaves_the_class_its_answer(client: FlaskClient, nets: dict[str, Any]) -> None:
    (answer,) = ask(client, "class-and-map")["predictions"]
    kind, where = (np.asarray(one)[0] for one in nets["class-and-map"](NUMBERS[np.newaxis], training=False))
    by_class, by_map = answer["outputs"].values()

    assert by_class["label"] == f"class_{kind.argmax()}"
    assert set(by_map) == {"values", "shape"}
    np.testing.assert_allclose(by_map["values"], where, atol=1e-5)
    assert client.get("/api/models/class-and-map").get_json()["answers"] == "classes and numbers"


def test_the_query_shapes_the_answer(client: FlaskClient) -> None:
    body = ask(client, "softmax", query="?top_k=1&layers=none&probabilities=false")

    assert "layers" not in body
    assert "probabilities" not in body["predictions"][0]
    assert len(body["predictions"][0]["top"]) == 1
    assert "macs" in ask(client, "softmax", query="?layers=full")["layers"][0]
    assert len(ask(client, "softmax", query="?top_k=1000")["predictions"][0]["top"]) == 3


def test_a_batch_answers_each_example_under_the_index_of_what_was_sent(client: FlaskClient) -> None:
    body = ask(client, "softmax", npy(np.stack([NUMBERS, NUMBERS * 0])))

    assert len(body["predictions"]) == 2
    assert body["layers"][0]["output_shape"] == [2, 6, 6, 1]
    assert body["predictions"][0]["probabilities"] != body["predictions"][1]["probabilities"]


def test_more_images_than_the_limit_are_refused_and_an_npy_may_hold_more(client: FlaskClient) -> None:
    many = client.post("/api/models/softmax/predict", json={"images": [NUMBERS.tolist()] * 6})

    assert many.status_code == 413
    assert len(ask(client, "softmax", npy(np.stack([NUMBERS] * 6)))["predictions"]) == 6


def test_numbers_reach_a_model_in_each_lossless_shape(client: FlaskClient) -> None:
    expected = ask(client, "softmax")["predictions"]

    for shape in ((6, 6), (6, 6, 1), (1, 6, 6), (36,), (1, 36), (1, 6, 6, 1), (1, 1, 6, 6)):
        assert ask(client, "softmax", npy(NUMBERS.reshape(shape)))["predictions"] == expected, shape


def test_a_card_names_the_source_of_each_value(client: FlaskClient) -> None:
    card = client.get("/api/models/binary").get_json()

    assert card["state"] == "live"
    assert card["outputs"][0]["labels"] == {"value": ["cat", "dog"], "source": "sidecar", "file": "binary.toml"}
    assert card["outputs"][0]["head"] == {"value": "binary", "source": "graph"}
    assert card["outputs"][0]["threshold"] == 0.99
    assert card["inputs"][0]["preprocessing"]["scale"] == {"value": "0..1", "source": "default"}
    assert any("scale" in note for note in card["warnings"])
    assert card["source"]["file"] == "binary.keras"
    assert str(Path.cwd()) not in json.dumps(card)


def test_the_list_of_models_has_versions_classes_and_inputs(client: FlaskClient) -> None:
    listed = {one["name"]: one for one in client.get("/api/models").get_json()["models"]}

    assert set(listed) == set(MODELS)
    assert listed["binary"] == {
        "name": "binary",
        "versions": [{"version": 1, "state": "live", "labels": [], "held_by": [os.getpid()]}],
        "classes": 2,
        "inputs": [{"name": "image", "shape": [None, 6, 6, 1], "dtype": "float32"}],
    }


def test_a_version_can_be_asked_for_by_number_and_as_latest(client: FlaskClient) -> None:
    for version in ("1", "latest"):
        assert client.get(f"/api/models/softmax/versions/{version}/layers").status_code == 200
    assert client.get("/api/models/softmax/versions/2/layers").status_code == 404


def test_times_of_each_stage_and_the_request_id_come_in_headers(client: FlaskClient) -> None:
    response = client.post("/api/models/softmax/predict", data=npy(NUMBERS), headers={"X-Request-ID": "abc-1"})

    assert [part.split(";")[0] for part in response.headers["Server-Timing"].split(", ")] == [
        "queue", "decode", "infer", "render",
    ]  # fmt: skip
    assert response.headers["X-Request-ID"] == "abc-1"
    assert client.get("/healthz", headers={"X-Request-ID": "a b\tc"}).headers["X-Request-ID"] != "a b\tc"


def test_health_readiness_and_signpost_answer(client: FlaskClient) -> None:
    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.get("/readyz").get_json() == {"status": "ready"}
    assert client.get("/").get_json()["links"]["models"] == "/api/models"


def picture_file(data: bytes) -> Any:
    import io

    return io.BytesIO(data)


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        # A pattern that goes back over a long text would take hours over this one.
        (b'{"image": "data:' + b"a" * 300_000 + b'"}', 400, "data URI"),
        (b'{"images": [' + b"1," * 100_000 + b"1]}", 413, "100,001 images in one request"),
        (
            b'{"image": {' + b",".join(b'"k%d": 1' % one for one in range(100_000)) + b"}}",
            422,
            "There is no input 'k0'",
        ),
        (b"{" + b",".join(b'"k%d": 1' % one for one in range(50_000)) + b"}", 400, "one member alone"),
        (b'{"images": [' + b"{}," * 250_000 + b"{}]}", 413, "200,000 objects"),
    ],
    ids=["long data URI", "many images", "many names", "many members", "many objects"],
)
def test_a_small_body_that_would_cost_much_is_refused_before_it_does(
    client: FlaskClient, body: bytes, status: int, says: str
) -> None:
    answer = client.post("/api/models/softmax/predict", data=body)

    assert answer.status_code == status, answer.text[:500]
    assert says in answer.get_json()["detail"]
    assert len(answer.data) < 10_000
