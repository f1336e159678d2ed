"""TensorFlow Serving's REST API and KServe v1, asked through Flask's client: every answer, status and message."""

import base64
import json
import time
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from service.api.tfserving.metadata import status_body
from service.serving.live import VersionState
from tests.api.conftest import AppOf
from tests.pictures import encoded, noise, npy
from tests.servers import wait_for

keras = pytest.importorskip("keras")
layers = keras.layers

PIXELS = noise(6, 6, 1, seed=9)
OTHERS = noise(6, 6, 1, seed=10)
NUMBERS = (PIXELS / np.float32(255)).astype(np.float32)
IMAGE = {"b64": base64.b64encode(encoded(PIXELS[..., 0])).decode()}
OTHER_IMAGE = {"b64": base64.b64encode(encoded(OTHERS[..., 0])).decode()}


def net(units: int, activation: str | None) -> Any:
    keras.utils.set_random_seed(4)
    image = keras.Input((6, 6, 1), name="image")
    return keras.Model(image, layers.Dense(units, activation=activation, name="kind")(layers.Flatten()(image)))


def line() -> Any:
    x = keras.Input((), name="x")
    return keras.Model(x, layers.Rescaling(0.5, offset=2.0, name="y")(x))


def logarithm() -> Any:
    x = keras.Input((2,), name="x")
    return keras.Model(x, keras.ops.log(x))


def whole() -> Any:
    x = keras.Input((2,), name="count", dtype="int32")
    return keras.Model(x, layers.Rescaling(0.5, name="y")(x))


def two() -> Any:
    keras.utils.set_random_seed(5)
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((3,), name="right")
    joined = layers.Concatenate()([layers.Flatten()(left), right])
    outputs = [
        layers.Dense(3, activation="softmax", name="kind")(joined),
        layers.Dense(1, activation="sigmoid", name="any")(joined),
    ]
    return keras.Model([left, right], outputs)


MODELS = {
    "softmax": lambda: net(3, "softmax"),
    "logits": lambda: net(3, None),
    "binary": lambda: net(1, "sigmoid"),
    "line": line,
    "logarithm": logarithm,
    "whole": whole,
    "two": two,
}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    files = {
        "softmax.toml": 'labels = ["cat", "dog", "eel"]\n',
        "binary.toml": 'labels = ["no", "yes"]\n',
        "line/model.toml": "[versions]\nlabels = { stable = 1, gone = 7 }\n",
    }
    return app_of(nets, files=files, broken=b"no model", max_images=5)


def ask(client: FlaskClient, what: str, body: Any) -> dict[str, Any]:
    response = client.post(f"/v1/models/{what}", data=body if isinstance(body, str) else json.dumps(body))
    assert response.status_code == 200, response.text
    assert response.headers["Content-Type"] == "application/json"
    return dict(json.loads(response.text))


def refused(client: FlaskClient, what: str, body: Any, *, status: int = 400) -> str:
    response = client.post(f"/v1/models/{what}", data=body if isinstance(body, str) else json.dumps(body))
    assert response.status_code == status, response.text
    assert response.headers["Content-Type"] == "application/json"
    (error,) = json.loads(response.text).items()
    assert error[0] == "error"
    return str(error[1])


def same(found: Any, expected: Any) -> None:
    np.testing.assert_allclose(np.array(found), np.asarray(expected), atol=1e-6)


# ------------------------------------------------------------------------------------------------ :predict


def test_rows_are_answered_row_by_row(client: FlaskClient, nets: dict[str, Any]) -> None:
    answer = ask(client, "softmax:predict", {"instances": [NUMBERS.tolist(), (NUMBERS / 2).tolist()]})

    assert list(answer) == ["predictions"]
    same(answer["predictions"], nets["softmax"](np.stack([NUMBERS, NUMBERS / 2]), training=False))


def test_columns_are_answered_under_outputs(client: FlaskClient, nets: dict[str, Any]) -> None:
    expected = nets["softmax"](NUMBERS[np.newaxis], training=False)

    for inputs in ([NUMBERS.tolist()], {"image": [NUMBERS.tolist()]}):
        answer = ask(client, "softmax:predict", {"inputs": inputs})
        assert list(answer) == ["outputs"]
        same(answer["outputs"], expected)


def test_several_inputs_and_outputs_go_by_name_in_both_formats(client: FlaskClient, nets: dict[str, Any]) -> None:
    row = {"left": NUMBERS.tolist(), "right": [1, 2.5, 3]}
    kind, any_ = nets["two"]([NUMBERS[np.newaxis], np.array([[1, 2.5, 3]])], training=False)

    rows = ask(client, "two:predict", {"instances": [row, row]})["predictions"]
    columns = ask(client, "two:predict", {"inputs": {name: [value] for name, value in row.items()}})["outputs"]

    assert len(rows) == 2
    assert rows[0] == rows[1]
    same(rows[0]["kind"], kind[0])
    same(rows[0]["any"], any_[0])
    assert {name: value[0] for name, value in columns.items()} == rows[0]


def test_the_answer_is_the_models_own_output_and_never_the_head(client: FlaskClient, nets: dict[str, Any]) -> None:
    answer = ask(client, "logits:predict", {"instances": [NUMBERS.tolist()]})["predictions"]
    same(answer, nets["logits"](NUMBERS[np.newaxis], training=False))
    assert len(ask(client, "binary:predict", {"instances": [NUMBERS.tolist()]})["predictions"][0]) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [IMAGE]},
        {"instances": [{"image": IMAGE}]},
        {"inputs": IMAGE},
        {"inputs": [IMAGE]},
        {"inputs": {"image": IMAGE}},
        {"inputs": {"image": [IMAGE]}},
    ],
    ids=lambda body: json.dumps(body)[:24],
)
def test_an_encoded_image_is_decoded_by_the_recipe(client: FlaskClient, body: Any) -> None:
    (values,) = ask(client, "softmax:predict", {"instances": [NUMBERS.tolist()]})["predictions"]

    (answer,) = ask(client, "softmax:predict", body).values()

    assert answer == [values]


def test_images_and_numbers_may_stand_in_one_request(client: FlaskClient) -> None:
    both = ask(client, "softmax:predict", {"instances": [IMAGE, NUMBERS.tolist(), OTHER_IMAGE]})["predictions"]
    assert both[0] == both[1] != both[2]
    rows = ask(client, "two:predict", {"instances": [{"left": IMAGE, "right": [1, 2, 3]}]})["predictions"]
    numbers = ask(client, "two:predict", {"instances": [{"left": NUMBERS.tolist(), "right": [1, 2, 3]}]})
    assert rows == numbers["predictions"]
    columns = ask(client, "two:predict", {"inputs": {"left": [IMAGE], "right": [[1, 2, 3]]}})["outputs"]
    assert columns == {name: [value] for name, value in rows[0].items()}


def test_the_same_image_gives_the_same_bits_as_the_native_dialect(client: FlaskClient) -> None:
    picture = encoded(PIXELS[..., 0])
    for name, instance, body in (("softmax", IMAGE, picture), ("softmax", NUMBERS.tolist(), npy(NUMBERS))):
        native = client.post(f"/api/models/{name}/predict", data=body).get_json()["predictions"][0]["probabilities"]
        (answer,) = ask(client, f"{name}:predict", {"instances": [instance]})["predictions"]
        assert np.array(answer, np.float32).tobytes() == np.array(native, np.float32).tobytes()


def test_an_instance_may_have_another_shape_that_loses_nothing(client: FlaskClient) -> None:
    expected = ask(client, "softmax:predict", {"instances": [NUMBERS.tolist()] * 3})

    for shape in ((36,), (6, 6)):
        one = NUMBERS.reshape(shape).tolist()
        assert ask(client, "softmax:predict", {"instances": [one] * 3}) == expected


def test_one_instance_is_never_taken_for_several_nor_several_for_one(client: FlaskClient) -> None:
    assert "do not fit" in refused(client, "softmax:predict", {"instances": [[NUMBERS.tolist()] * 2]})
    assert "do not fit" in refused(client, "softmax:predict", {"instances": NUMBERS[..., 0].tolist()})
    assert "do not fit" in refused(client, "softmax:predict", {"instances": NUMBERS.reshape(-1).tolist()})


def test_whole_numbers_go_into_floats_and_points_do_not_go_into_integers(client: FlaskClient) -> None:
    assert ask(client, "line:predict", '{"instances": [1, 2.0, 1435774380]}')["predictions"][:2] == [2.5, 3.0]
    assert ask(client, "whole:predict", {"instances": [[1, 3]]}) == {"predictions": [[0.5, 1.5]]}
    error = refused(client, "whole:predict", '{"instances": [[1, 1.0]]}')
    assert error.endswith("JSON Value: 1.0 Type: Number is not of expected type: int32")
    error = refused(client, "whole:predict", '{"instances": [[1, 3000000000]]}')
    assert error.endswith("JSON Value: 3000000000 Type: Number is not of expected type: int32")


def test_answers_that_are_not_finite_are_bare_tokens(client: FlaskClient) -> None:
    response = client.post("/v1/models/logarithm:predict", data='{"instances": [[0, -1], [1, 2]]}')

    assert response.text == '{\n    "predictions": [[-Infinity, NaN], [0.0, 0.6931472]\n    ]\n}'


def test_what_follows_the_first_value_and_unknown_keys_are_ignored(client: FlaskClient) -> None:
    assert ask(client, "line:predict", '{"instances": [1], "parameters": {"a": [NaN]}} and more') == {
        "predictions": [2.5]
    }


@pytest.mark.parametrize("name", ["", "serving_default", "serve"])
def test_the_one_signature_goes_by_the_names_keras_exports(client: FlaskClient, name: str) -> None:
    assert ask(client, "line:predict", {"signature_name": name, "instances": [1]}) == {"predictions": [2.5]}


ROW = "Failed to process element: {} of 'instances' list. Error: INVALID_ARGUMENT: "
MESSAGES = [
    ("line", "", "JSON Parse error: The document is empty"),
    ("line", " ", "JSON Parse error: The document is empty. at offset: 1"),
    ("line", "instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
    ("line", '{"a" 1}', "JSON Parse error: Missing a colon after a name of object member. at offset: 5"),
    ("line", '{"a": 1 "b"}', "JSON Parse error: Missing a comma or } after an object member. at offset: 8"),
    ("line", '{"ä": [1 2]}', "JSON Parse error: Missing a comma or ] after an array element. at offset: 10"),
    ("line", '{"a": 1,}', "JSON Parse error: Missing a name for object member. at offset: 8"),
    ("line", '{"a": "b', "JSON Parse error: Missing a closing quotation mark in string. at offset: 6"),
    ("line", '{"a": "\\x"}', "JSON Parse error: Invalid escape character in string. at offset: 7"),
    ("line", "[1, 2]", "JSON Value: [1, 2] Is not object"),
    ("line", '{"x": [1]}', "Missing 'inputs' or 'instances' key"),
    ("line", '{"instances": 1}', "JSON Value: {\n    \"instances\": 1\n} Expecting 'instances' to be an list/array"),
    ("line", '{"instances": []}', "JSON Value: {\n    \"instances\": []\n} No values in 'instances' array"),
    (
        "line",
        '{"instances": [1], "inputs": [1]}',
        'JSON Value: {\n    "instances": [1],\n    "inputs": [1]\n} Not formatted correctly expecting only one of '
        "'inputs' or 'instances' keys to exist ",
    ),
    (
        "line",
        '{"signature_name": 100}',
        "JSON Value: {\n    \"signature_name\": 100\n} not formatted correctly. 'signature_name' key must be a string "
        "value.",
    ),
    (
        "line",
        '{"signature_name": "x", "instances": [1]}',
        'Serving signature name: "x" not found in signature def',
    ),
    ("line", '{"instances": ["x"]}', ROW.format(0) + 'JSON Value: "x" Type: String is not of expected type: float'),
    ("line", '{"instances": [1, null]}', ROW.format(1) + "JSON Value: null Type: Null is not of expected type: float"),
    ("line", '{"instances": [1, true]}', ROW.format(1) + "JSON Value: true Type: True is not of expected type: float"),
    ("line", '{"instances": [1, [1]]}', ROW.format(1) + "Expecting shape [] but got: [1]"),
    ("line", '{"instances": [[1, 2], [3]]}', ROW.format(1) + "Expecting tensor size: 2 but got: 1"),
    ("line", '{"instances": [[[1, 2]], [[1], [2]]]}', ROW.format(1) + "Expecting shape [1,2] but got: [2,1]"),
    (
        "line",
        '{"instances": [[[1, 2], [3]]]}',
        ROW.format(0) + "Encountered list at unexpected size: 1 at level: 1 expected size: 2",
    ),
    (
        "line",
        '{"instances": [[[1], 2]]}',
        ROW.format(0) + "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
    ),
    ("line", '{"instances": [[1, [2]]]}', ROW.format(0) + "Encountered list at unexpected level: 1 expected < 1"),
    (
        "line",
        '{"instances": [{"b64": "aGk="}]}',
        ROW.format(0) + 'JSON Value: {\n    "b64": "aGk="\n} Type: Object is not of expected type: float',
    ),
    ("line", '{"instances": [1, {"x": 1}]}', "Expecting value/list but got object at item 1 of input list"),
    ("line", '{"instances": [{"x": 1}, 1]}', "Expecting object but got list at item 1 of input list"),
    (
        "line",
        '{"instances": [{"z": 1}]}',
        ROW.format("0 key: z") + "JSON object: does not have named input: z",
    ),
    (
        "line",
        '{"instances": [{"x": "a"}]}',
        ROW.format("0 key: x") + 'JSON Value: "a" Type: String is not of expected type: float',
    ),
    (
        "two",
        '{"instances": [{"left": 1}]}',
        "Failed to process element: 0 of 'instances' list. JSON object: {\n    \"left\": 1\n} keys must be equal to: "
        "left,right",
    ),
    (
        "two",
        '{"instances": [[1]]}',
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    (
        "two",
        '{"inputs": [[1]]}',
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map",
    ),
    ("two", '{"inputs": {"left": [1]}}', "Missing named input: right in 'inputs' object."),
    ("line", '{"inputs": ["x"]}', 'JSON Value: "x" Type: String is not of expected type: float'),
    ("softmax", '{"instances": [{"b64": "%"}]}', ROW.format(0) + "Unable to base64 decode"),
]


@pytest.mark.parametrize(("name", "body", "message"), MESSAGES, ids=[f"{row[0]} {row[1]}" for row in MESSAGES])
def test_what_is_wrong_is_worded_as_tensorflow_serving_words_it(
    client: FlaskClient, name: str, body: str, message: str
) -> None:
    assert refused(client, f"{name}:predict", body) == message


def test_an_image_that_cannot_be_decoded_is_named_by_its_place(client: FlaskClient) -> None:
    error = refused(client, "softmax:predict", {"instances": [IMAGE, {"b64": "aGVsbG8="}]})
    assert error.startswith("Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: ")


def test_columns_of_different_lengths_are_refused(client: FlaskClient) -> None:
    body = {"inputs": {"left": [IMAGE, IMAGE], "right": [[1, 2, 3]]}}
    assert "left: 2, right: 1" in refused(client, "two:predict", body)
    body = {"inputs": {"left": [NUMBERS.tolist()] * 2, "right": [[1, 2, 3]]}}
    assert "left: 2, right: 1" in refused(client, "two:predict", body)


def test_more_than_is_taken_is_too_large(client: FlaskClient) -> None:
    assert "at most 5" in refused(client, "softmax:predict", {"instances": [IMAGE] * 6}, status=413)
    assert "at most 5" in refused(client, "softmax:classify", {"examples": [{"image": IMAGE}] * 6}, status=413)
    for much in ("0," * 10_000_001 + "0", "[]," * 4_000_001 + "[]", "{}," * 4_000_001 + "{}"):
        refused(client, "line:predict", f'{{"instances": [{much}]}}', status=413)


@pytest.mark.parametrize(
    ("what", "body"),
    [
        ("line:predict", '{"instances": [%s"x"]}' % ("0," * 9_000_000)),
        ("softmax:predict", '{"instances": [%s0]}' % ("0," * 9_000_000)),
        ("line:predict", '{"inputs": [%s{"b64": ""}]}' % ("0," * 60_000)),
        ("line:classify", '{"examples": [%s{"x": 0}]}' % ('{"x": 0},' * 60_000)),
    ],
    ids=["numbers", "numbers of another shape", "numbers and an image", "features"],
)
def test_more_examples_than_are_taken_are_refused_before_any_is_made(client: FlaskClient, what: str, body: str) -> None:
    assert "at most 50,000" in refused(client, what, body, status=413)


def test_a_packed_body_is_refused(client: FlaskClient) -> None:
    response = client.post("/v1/models/line:predict", data=b"x", headers={"Content-Encoding": "gzip"})
    assert response.status_code == 400
    assert "gzip" in response.get_json()["error"]


# --------------------------------------------------------------------------------- :classify and the others


def test_classify_gives_the_heads_values_under_their_labels_in_class_order(client: FlaskClient) -> None:
    native = client.post("/api/models/softmax/predict", data=npy(NUMBERS)).get_json()["predictions"][0]

    flat = NUMBERS.reshape(-1).tolist()
    for name, feature in (("image", IMAGE), ("any", [IMAGE]), ("image", flat), ("image", NUMBERS.tolist())):
        answer = ask(client, "softmax:classify", {"examples": [{name: feature}] * 2})
        assert list(answer) == ["results"]
        expected = [list(pair) for pair in zip(["cat", "dog", "eel"], native["probabilities"], strict=True)]
        assert answer["results"] == [expected, expected]


def test_classify_turns_logits_and_single_units_into_classes(client: FlaskClient) -> None:
    native = client.post("/api/models/logits/predict", data=npy(NUMBERS)).get_json()["predictions"][0]
    (logits,) = ask(client, "logits:classify", {"examples": [{"image": IMAGE}]})["results"]
    (binary,) = ask(client, "binary:classify", {"context": {"image": IMAGE}, "examples": [{}]})["results"]

    assert logits == [["", value] for value in native["probabilities"]]
    assert [label for label, _ in binary] == ["no", "yes"]
    assert binary[0][1] + binary[1][1] == pytest.approx(1)


def test_regress_gives_the_value_of_a_model_that_has_one(client: FlaskClient) -> None:
    body = {"signature_name": "tensorflow/serving/regress", "examples": [{"x": 1.0}, {"x": [2]}]}
    assert ask(client, "line:regress", body) == {"results": [2.5, 3.0]}


@pytest.mark.parametrize(
    ("what", "body", "message"),
    [
        ("softmax:regress", {"examples": [{}]}, "Expected regression signature method_name to be tensorflow/serving/"),
        ("two:regress", {"examples": [{}]}, "Expected regression signature method_name to be tensorflow/serving/"),
        ("softmax:classify", {"signature_name": "x"}, "No signature was found with the name: x"),
        ("softmax:classify", {}, "JSON Value: {} When method is classify, key 'examples' is expected and was not"),
        ("softmax:classify", {"examples": 1}, "JSON Value: {\n    \"examples\": 1\n} Expecting 'examples' value to be"),
        ("softmax:classify", {"examples": []}, "JSON Value: {\n    \"examples\": []\n} 'examples' value is an empty"),
        ("softmax:classify", {"examples": [[1]]}, "Example must be JSON object but got JSON Array"),
        ("softmax:classify", {"examples": [], "context": 1}, "Example must be JSON object but got JSON Number"),
        (
            "softmax:classify",
            {"examples": [{"a": 1, "image": 1}]},
            "Failed to process element: 0 of 'examples' list. JSON object",
        ),
        (
            "softmax:classify",
            {"examples": [{"image": {"a": 1}}]},
            "Failed to process element: 0 of 'examples' list. Error: INVALID_ARGUMENT: Feature: image has element with "
            "unexpected JSON type: Object",
        ),
        (
            "softmax:classify",
            {"examples": [{"image": IMAGE}, {"image": {"b64": "aGk="}}]},
            "Failed to process element: 1 of 'examples' list. Error: INVALID_ARGUMENT: ",
        ),
        ("softmax:classify", {"examples": [{"image": [1, 2]}]}, "Failed to process element: 0 of 'examples' list."),
    ],
)
def test_what_cannot_be_classified_is_said(client: FlaskClient, what: str, body: Any, message: str) -> None:
    assert refused(client, what, body).startswith(message)


def test_explain_finds_its_model_as_the_other_verbs_do(client: FlaskClient) -> None:
    assert client.post("/v1/models/softmax:explain", json={"instances": [IMAGE]}).status_code == 200
    assert refused(client, "half:explain", {}, status=404) == "Servable not found for request: Latest(half)"


# ------------------------------------------------------------------------------------- status and addresses

AVAILABLE = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}


@pytest.mark.parametrize("path", ["", "/versions/1", "/labels/stable", "/labels/latest"])
def test_the_status_has_the_keys_of_both_servers(client: FlaskClient, path: str) -> None:
    response = client.get(f"/v1/models/line{path}")

    assert response.status_code == 200
    assert response.get_json() == {"model_version_status": [AVAILABLE], "name": "line", "ready": True}
    assert response.text.startswith('{\n "model_version_status": [\n  {\n   "version": "1",\n')


def test_a_model_that_is_not_ready_is_503_with_its_state(client: FlaskClient) -> None:
    def failed() -> Any:
        response = client.get("/v1/models/broken")
        (status,) = response.get_json()["model_version_status"]
        if status["state"] == "LOADING":
            assert (response.status_code, response.headers["Retry-After"]) == (503, "2")
            return None
        return response

    response = wait_for(failed, what="the diagnosis")

    body = response.get_json()
    assert (response.status_code, body["ready"], body["name"]) == (503, False, "broken")
    (status,) = body["model_version_status"]
    assert (status["version"], status["state"], status["status"]["error_code"]) == ("1", "END", "FAILED_PRECONDITION")
    assert status["status"]["error_message"]
    assert status["status"]["error_message"] in refused(client, "broken:predict", {"instances": [1]}, status=503)


def test_only_versions_that_this_worker_holds_are_available() -> None:
    versions = {1: VersionState("live"), 2: VersionState("live"), 3: VersionState("building")}

    body = status_body("m", versions, {1})

    states = [(one["version"], one["state"]) for one in body["model_version_status"]]
    assert states == [("3", "LOADING"), ("2", "LOADING"), ("1", "AVAILABLE")]
    assert body["ready"]
    assert not status_body("m", versions, ())["ready"]


def test_the_metadata_is_the_signature_of_every_input_and_output(client: FlaskClient) -> None:
    body = client.get("/v1/models/two/versions/1/metadata").get_json()

    assert body["model_spec"] == {"name": "two", "signature_name": "", "version": "1"}
    signatures = body["metadata"]["signature_def"]["signature_def"]
    assert list(signatures) == ["serving_default", "serve"]
    assert signatures["serve"] == signatures["serving_default"]
    assert list(signatures["serve"]) == ["inputs", "outputs", "method_name", "defaults"]
    left = signatures["serve"]["inputs"]["left"]
    assert left["dtype"] == "DT_FLOAT"
    assert [one["size"] for one in left["tensor_shape"]["dim"]] == ["-1", "6", "6", "1"]
    assert list(signatures["serve"]["outputs"]) == ["kind", "any"]
    whole = client.get("/v1/models/whole/metadata").get_json()["metadata"]["signature_def"]["signature_def"]
    assert whole["serve"]["inputs"]["count"]["dtype"] == "DT_INT32"


def test_the_models_are_listed_as_kserve_lists_them(client: FlaskClient) -> None:
    assert client.get("/v1/models").get_json() == {"models": sorted([*MODELS, "broken"])}


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
        ("GET", "/v1/models/line/versions/9", 404, "Could not find version 9 of model line"),
        ("GET", "/v1/models/line/labels/gone", 404, "Could not find version 7 of model line"),
        ("GET", "/v1/models/line/labels/x", 400, "Unrecognized servable version label: x"),
        ("GET", "/v1/models/half/metadata", 404, "Servable not found for request: Latest(half)"),
        ("GET", "/v1/models/line/versions/9/metadata", 404, "Servable not found for request: Specific(line, 9)"),
        ("GET", "/v1/models/versions/3", 400, "Missing model name in request."),
        ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        ("POST", "/v1/models/a%3Ab:predict", 404, "Servable not found for request: Latest(a:b)"),
        ("POST", "/v1/models/line/versions/9:predict", 404, "Servable not found for request: Specific(line, 9)"),
        ("POST", "/v1/models/line/labels/gone:predict", 404, "Servable not found for request: Specific(line, 7)"),
        ("POST", "/v1/models/line/labels/a%20b:predict", 400, "Unrecognized servable version label: a b"),
        (
            "POST",
            "/v1/models/line/versions/18446744073709551615:predict",
            400,
            "Failed to convert version: 18446744073709551615 to numeric.",
        ),
        *(
            (method, path, 400, f"Malformed request: {method} {path}")
            for method, path in [
                ("GET", "/v1/"),
                ("GET", "/v1/foo"),
                ("POST", "/v1/foo"),
                ("GET", "/v1//models/line"),
                ("GET", "/v1/models/line/"),
                ("GET", "/v1/models/debug/model_name"),
                ("POST", "/v1/models"),
                ("GET", "/v1/models/line:predict"),
                ("POST", "/v1/models/line"),
                ("POST", "/v1/models/line:generate"),
                ("POST", "/v1/models/line/version/50:predict"),
                ("POST", "/v1/models/line/versions/HELLO:regress"),
                ("POST", "/v1/models/line/metadata"),
                ("POST", "/v1/models/line/label/some_label:regress"),
                ("POST", "/v1/models/line/versions/50/labels/some_label:regress"),
                ("PUT", "/v1/models/line"),
                ("DELETE", "/v1/models/line:predict"),
                ("PATCH", "/v1/models"),
            ]
        ),
    ],
)
def test_an_address_that_leads_nowhere_is_told_so(
    client: FlaskClient, method: str, path: str, status: int, message: str
) -> None:
    response = client.open(path, method=method, data='{"instances": [1]}' if method == "POST" else None)

    assert (response.status_code, response.get_json()) == (status, {"error": message})
    assert response.headers["Content-Type"] == "application/json"


def test_addresses_are_read_in_any_case_but_names_as_they_are(client: FlaskClient) -> None:
    assert ask(client, "line/LABELS/stable:PREDICT", {"instances": [1]}) == {"predictions": [2.5]}
    assert client.get("/V1/MODELS/line/METADATA").status_code == 200
    assert client.get("/V1/MODELS").status_code == 200
    assert client.get("/v1/models/Line").status_code == 404


@pytest.mark.parametrize(
    ("headers", "status"), [({}, 400), ({"Origin": "ftp://a"}, 400), ({"Origin": "https://a"}, 200)]
)
def test_a_preflight_without_an_origin_is_400_and_no_body_comes(
    client: FlaskClient, headers: dict[str, str], status: int
) -> None:
    response = client.options("/v1/models/line:predict", headers=headers)

    assert (response.status_code, response.text) == (status, "")
    assert "Access-Control-Allow-Origin" not in response.headers


# ------------------------------------------------------------------------------------------- whatever comes

NUMBER = st.one_of(st.integers(), st.floats(), st.booleans(), st.integers(10**300, 10**320))
TEXT = st.one_of(st.text(max_size=8), st.sampled_from(["\ud800", "b64", "x", IMAGE["b64"], "data:,", "\x00"]))
VALUE: st.SearchStrategy[Any] = st.recursive(
    st.one_of(NUMBER, TEXT, st.none(), st.just(IMAGE), st.builds(lambda text: {"b64": text}, TEXT)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4),
        st.dictionaries(st.sampled_from(["x", "image", "b64", "\udfff"]), inner, max_size=3),
    ),
    max_leaves=12,
)
KEYS = st.sampled_from(["instances", "inputs", "examples", "context", "signature_name", "other"])
VERBS = st.sampled_from([f"{name}:{verb}" for name in MODELS for verb in ("predict", "classify", "regress")])
FUZZ = settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))


def answered(app: Flask, what: str, body: bytes) -> None:
    response = app.test_client().post(f"/v1/models/{what}", data=body)
    assert response.status_code in (200, 400, 413), response.text
    assert response.headers["Content-Type"] == "application/json"
    assert isinstance(json.loads(response.text), dict)


@FUZZ
@given(what=VERBS, body=st.dictionaries(KEYS, VALUE, max_size=3))
def test_no_json_leads_to_an_error_of_ours(app: Flask, what: str, body: dict[str, Any]) -> None:
    answered(app, what, json.dumps(body).encode())


@FUZZ
@given(what=VERBS, key=st.sampled_from(["instances", "inputs", "examples"]), data=st.data())
def test_no_list_of_numbers_leads_to_an_error_of_ours(app: Flask, what: str, key: str, data: st.DataObject) -> None:
    rows = data.draw(st.recursive(NUMBER, lambda inner: st.lists(inner, max_size=6), max_leaves=40))
    answered(app, what, json.dumps({key: rows}).encode())


@FUZZ
@given(what=VERBS, place=st.integers(0, 60), junk=st.binary(max_size=6), keep=st.booleans())
def test_no_damaged_json_leads_to_an_error_of_ours(app: Flask, what: str, place: int, junk: bytes, keep: bool) -> None:
    body = json.dumps({"instances": [[1.5, 2], [3, -4e3]], "signature_name": "serve", "a": {"b": "c\u00e4"}}).encode()
    answered(app, what, body[:place] + junk + (body[place:] if keep else b""))


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 100_000,
        b'{"instances": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"instances": ' + b"[" * 900 + b"1" + b"]" * 900 + b"}",
        b'{"other": ' + b'{"a":' * 900 + b"1" + b"}" * 901,
        b'{"instances": [' + b"9" * 5000 + b"]}",
        b'{"instances": [1e999, -1e999]}',
        b'{"instances": [' + b"9" * 400 + b"]}",
        b'{"instances": [Inf, -Inf, -NaN, NaN, Infinity]}',
        b'{"instances": ["' + b'\\"' * 500_000 + b", Inf",
        b'{"instances": [Inf, "' + b'\\"' * 500_000,
        b'{"instances": ["\\ud800"]}',
        b'{"\\ud800": 1, "instances": [1, {"\\udfff": 1}]}',
        b'{"instances": [{"\\udfff": 1}]}',
        b'{"signature_name": "\\udfff", "instances": [1]}',
        b'{"instances": ["\xff\xfe"]}',
        b"\xef\xbb\xbf{}",
        b"\x00",
        b'{"instances": [[[[[[[[[[1]]]]]]]]]]}',
        b'{"instances": [[]]}',
        b'{"instances": [{}]}',
        b'{"inputs": {}}',
        b'{"inputs": []}',
        b'{"inputs": null}',
    ],
    ids=lambda body: repr(body[:40]),
)
@pytest.mark.parametrize("what", ["line:predict", "softmax:predict", "two:predict", "softmax:classify"])
def test_hostile_json_is_refused_at_once(app: Flask, what: str, body: bytes) -> None:
    began = time.monotonic()
    response = app.test_client().post(f"/v1/models/{what}", data=body)

    assert response.status_code == 400, response.text
    assert response.headers["Content-Type"] == "application/json"
    assert len(response.get_json()["error"]) < 1000
    assert time.monotonic() - began < 10
