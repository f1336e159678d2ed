"""The Open Inference Protocol, asked through Flask's client: what its own clients cannot be made to send."""

import gzip
import json
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.app import create_app
from service.settings import Settings
from tests.pictures import encoded, noise
from tests.prebuilt import prebuild

keras = pytest.importorskip("keras")
layers = keras.layers

PIXELS = noise(6, 6, 1, seed=9)
NUMBERS = (PIXELS / np.float32(255)).astype(np.float32)[np.newaxis]
LENGTH = "Inference-Header-Content-Length"
BODY_LIMIT = 2_000_000


def softmax() -> Any:
    keras.utils.set_random_seed(4)
    return keras.Sequential([keras.Input((6, 6, 1), name="image"), layers.Flatten(), layers.Dense(3, "softmax")])


def two_inputs() -> Any:
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((4, 4, 3), name="right")
    joined = layers.Concatenate()([layers.Flatten()(left), layers.Flatten()(right)])
    return keras.Model([left, right], layers.Dense(2, activation="softmax")(joined))


def whole_numbers() -> Any:
    image = keras.Input((6, 6, 1), dtype="uint8", name="image")
    return keras.Model(image, layers.Dense(2, activation="softmax")(layers.Flatten()(keras.ops.cast(image, "float32"))))


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FlaskClient]:
    folder: Path = tmp_path_factory.mktemp("openinference")
    models = folder / "models"
    models.mkdir()
    for name, make in (("softmax", softmax), ("pair", two_inputs), ("whole", whole_numbers)):
        make().save(models / f"{name}.keras")
    prebuild(models, folder / "cache")
    app = create_app(
        Settings(
            models_dir=models,
            cache_dir=folder / "cache",
            runtime_dir=folder,
            workers=1,
            max_body_bytes=BODY_LIMIT,
            tune=False,
        ).with_runtime_dir()
    )
    yield app.test_client()
    app.extensions["convoy"].stop()


def request_body(**changes: Any) -> dict[str, Any]:
    one = {"name": "image", "shape": [1, 6, 6, 1], "datatype": "FP32", "data": NUMBERS.ravel().tolist()}
    return {"inputs": [one | changes]}


def infer(client: FlaskClient, body: Any, *, model: str = "softmax", **headers: str) -> Any:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return client.post(f"/v2/models/{model}/infer", data=data, headers=headers)


def probabilities(answer: Any) -> NDArray[np.float32]:
    assert answer.status_code == 200, answer.text
    return np.array(answer.json["outputs"][0]["data"], np.float32)


def native(client: FlaskClient) -> NDArray[np.float32]:
    answer = client.post("/api/models/softmax/predict", json={"image": NUMBERS[0].tolist()})
    return np.array(answer.get_json()["predictions"][0]["probabilities"], np.float32)


def test_the_answer_is_the_models_own_output_bit_for_bit(client: FlaskClient) -> None:
    answer = infer(client, request_body() | {"id": "7"})

    assert np.array_equal(probabilities(answer), native(client))
    body = answer.json
    assert (body["id"], body["model_name"], body["model_version"]) == ("7", "softmax", "1")
    (output,) = body["outputs"]
    assert (output["datatype"], output["shape"]) == ("FP32", [1, 3])


def test_data_may_be_nested_as_its_shape_is(client: FlaskClient) -> None:
    assert np.array_equal(probabilities(infer(client, request_body(data=NUMBERS.tolist()))), native(client))


def test_an_answer_without_an_id_has_none(client: FlaskClient) -> None:
    assert "id" not in infer(client, request_body()).json


def test_binary_and_json_inputs_may_be_mixed(client: FlaskClient) -> None:
    right = np.zeros((1, 4, 4, 3), np.float32).tobytes()
    inputs = [
        {"name": "right", "shape": [1, 4, 4, 3], "datatype": "FP32", "parameters": {"binary_data_size": len(right)}},
        request_body(name="left")["inputs"][0],
    ]
    head = json.dumps({"inputs": inputs}).encode()

    answer = infer(client, head + right, model="pair", **{LENGTH: str(len(head))})

    assert answer.status_code == 200, answer.text


def test_brain_floats_are_read(client: FlaskClient) -> None:
    values = np.where(NUMBERS > 0.5, np.float32(1), np.float32(0.5))
    data = (values.view(np.uint32) >> 16).astype("<u2").tobytes()
    one = request_body(datatype="BF16", parameters={"binary_data_size": len(data)})
    del one["inputs"][0]["data"]
    head = json.dumps(one).encode()

    found = probabilities(infer(client, head + data, **{LENGTH: str(len(head))}))

    assert np.array_equal(found, probabilities(infer(client, request_body(data=values.ravel().tolist()))))


def test_only_the_outputs_asked_for_come_each_in_its_form(client: FlaskClient) -> None:
    name = client.get("/v2/models/softmax").get_json()["outputs"][0]["name"]
    asked = request_body() | {
        "parameters": {"binary_data_output": True},
        "outputs": [{"name": name, "parameters": {"binary_data": False}}],
    }

    assert np.array_equal(probabilities(infer(client, asked)), native(client))


def test_a_bad_picture_among_several_is_named_by_its_place(client: FlaskClient) -> None:
    images = [encoded(PIXELS[..., 0]), b"no picture"]
    data = b"".join(struct.pack("<I", len(one)) + one for one in images)
    one = {"name": "image", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [one]}).encode()

    answer = infer(client, head + data, **{LENGTH: str(len(head))})

    assert answer.status_code == 400
    assert answer.json["error"].startswith("Element 1 of 2 cannot be answered. The bytes are no image")


BAD: list[tuple[Any, str]] = [
    (b"", "no JSON"),
    (b"[]", "must be a JSON object"),
    (b"{", "no JSON"),
    (b'{"inputs": NaN}', "NaN is no JSON number"),
    ({}, "inputs"),
    ({"inputs": []}, "inputs"),
    ({"inputs": [{"name": "image"}]}, "datatype"),
    (request_body(name="other"), "unexpected inference input 'other'"),
    (request_body(datatype="FP12"), "datatype FP12"),
    (request_body(datatype="FP16"), "sending FP16 data via JSON is not supported"),
    (request_body(shape=[1, 6, 6, -1]), "shape"),
    (request_body(shape=[1, 6, 5, 1]), "holds 36 values"),
    (request_body(shape=[1, 6, 5, 1], data=[0.0] * 30), "[1, 6, 5, 1]"),
    (request_body(shape=[0, 6, 6, 1], data=[]), "no example"),
    (request_body(shape=[2**40, 2**40]), "2147483648"),
    (request_body(shape=[2**31, 2**31]), "elements"),
    (request_body(shape=[2**31] * 50_000), "Longer than maximum length"),
    (request_body() | {"id": "\ud800"}, "printable"),
    ({"inputs": request_body()["inputs"] * 2}, "expected 1 inputs at most but got 2"),
    ({"inputs": [{}] * 50_000}, "expected 1 inputs at most but got 50000"),
    (request_body(datatype="BYTES", shape=[1001], data=["aaaa"] * 1001), "1,001 images in one request"),
    (request_body(data=[[0.0] * 6] * 5 + [[0.0] * 5]), "ragged"),
    (request_body(data=["a"] * 36), "no numbers"),
    (request_body(data="aaaa"), "list of numbers"),
    (request_body(data=[1e300] * 36), "does not fit into FP32"),
    (request_body(datatype="UINT8", data=[300] * 36), "does not fit into UINT8"),
    (request_body(datatype="INT32", data=[0.5] * 36), "does not fit into INT32"),
    (request_body(parameters={"binary_data_size": 144}), "144 bytes of binary data, of which 0"),
    (request_body(parameters={"binary_data_size": -1}), "-1 bytes"),
    (request_body(datatype="BYTES", shape=[1], data=["!"]), "no base64"),
    (request_body(datatype="BYTES", shape=[2], data=["aaaa"]), "must hold 2 images"),
    (request_body() | {"outputs": [{"name": "other"}]}, "unexpected inference output 'other'"),
]


@pytest.mark.parametrize(("body", "says"), BAD, ids=[says for _, says in BAD])
def test_a_bad_request_is_refused_in_words(client: FlaskClient, body: Any, says: str) -> None:
    answer = infer(client, body)

    assert answer.status_code in (400, 413), answer.text
    assert says in answer.json["error"]
    assert list(answer.get_json()) == ["error"]


@pytest.mark.parametrize("length", ["-1", "x", "9999999", "1.5", ""])
def test_a_wrong_header_length_is_refused(client: FlaskClient, length: str) -> None:
    answer = infer(client, request_body(), **{LENGTH: length})

    assert answer.status_code == 400
    assert "inference header size should be in range" in answer.json["error"]


@pytest.mark.parametrize(
    ("data", "encoding", "status", "says"),
    [
        (b"no gzip", "gzip", 400, "no gzip data"),
        (gzip.compress(b"{}", mtime=0)[:-6], "gzip", 400, "breaks off"),
        (b"{}", "br", 400, "Content-Encoding br is not taken"),
        (gzip.compress(bytes(40_000_000), mtime=0), "gzip", 413, "inflated"),
        (zlib.compress(bytes(40_000_000)), "deflate", 413, "inflated"),
    ],
)
def test_a_bad_compressed_body_is_refused(
    client: FlaskClient, data: bytes, encoding: str, status: int, says: str
) -> None:
    answer = infer(client, data, **{"Content-Encoding": encoding})

    assert (answer.status_code, says in answer.json["error"]) == (status, True)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/nothing", 404),
        ("GET", "/v2/models/softmax/infer", 405),
        ("DELETE", "/v2/models/softmax", 405),
        ("GET", "/v2/models/none", 404),
        ("GET", "/v2/models/softmax/versions/9", 404),
        ("GET", "/v2/models/softmax/versions/x", 404),
        ("POST", "/v2/repository/models/softmax/unload", 403),
    ],
)
def test_every_error_is_an_object_with_one_text(client: FlaskClient, method: str, path: str, status: int) -> None:
    answer = client.open(path, method=method)

    assert answer.status_code == status
    assert list(answer.get_json()) == ["error"]
    assert answer.content_type == "application/json"


def test_too_large_a_body_is_refused_in_the_same_form(client: FlaskClient) -> None:
    answer = infer(client, bytes(BODY_LIMIT + 1))

    assert (answer.status_code, list(answer.json)) == (413, ["error"])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=20,
)
INPUTS = st.fixed_dictionaries(
    {
        "name": st.sampled_from(["image", "left", ""]) | JSON,
        "shape": st.lists(st.integers(-2, 40), max_size=5) | JSON,
        "datatype": st.sampled_from(["FP32", "UINT8", "BYTES", "BOOL", "FP16", "INT64"]) | JSON,
    },
    optional={
        "data": st.lists(st.floats() | st.integers(), max_size=40) | JSON,
        "parameters": st.fixed_dictionaries({}, optional={"binary_data_size": st.integers(-5, 300) | JSON}) | JSON,
    },
)
REQUESTS = st.fixed_dictionaries(
    {"inputs": st.lists(INPUTS, max_size=3) | JSON},
    optional={
        "id": JSON,
        "parameters": JSON,
        "outputs": st.lists(
            st.fixed_dictionaries(
                {"name": st.sampled_from(["dense", "dense_1", "output_0"])},
                optional={"parameters": st.fixed_dictionaries({}, optional={"classification": JSON}) | JSON},
            ),
            max_size=2,
        )
        | JSON,
    },
)


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    body=REQUESTS,
    tail=st.binary(max_size=200),
    lie=st.none() | st.integers(-3, 400),
    model=st.sampled_from(["softmax", "pair", "whole"]),
)
def test_no_body_brings_it_down(client: FlaskClient, body: Any, tail: bytes, lie: int | None, model: str) -> None:
    head = json.dumps(body).encode("utf-8", "surrogatepass")
    length = len(head) if lie is None else lie

    answer = infer(client, head + tail, model=model, **{LENGTH: str(length)})

    assert answer.status_code in (200, 400, 413), answer.text
    if answer.status_code != 200:
        assert list(answer.get_json()) == ["error"]
