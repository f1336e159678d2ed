"""SageMaker's and Vertex's routes, asked through Flask's client: the default model, rows, pictures, refusals."""

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from service.app import create_app
from service.settings import Settings
from tests.pictures import encoded, noise, npy
from tests.prebuilt import prebuild

keras = pytest.importorskip("keras")
layers = keras.layers

Serve = Callable[..., FlaskClient]
PIXELS = noise(6, 6, 1, seed=9)
PICTURE = encoded(PIXELS[:, :, 0])
TEXT = base64.b64encode(PICTURE).decode()
ROWS = PIXELS.astype(int).tolist()
HEALTH = "/v1/endpoints/12/deployedModels/34"
PREDICT = f"{HEALTH}:predict"


def logits() -> Any:
    keras.utils.set_random_seed(4)
    return keras.Sequential([keras.Input((6, 6, 1), name="image"), layers.Flatten(), layers.Dense(3, name="classes")])


def two_of_each() -> Any:
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((2,), name="right")
    joined = layers.Concatenate()([layers.Flatten()(left), right])
    return keras.Model([left, right], [layers.Dense(2, name="a")(joined), layers.Dense(1, name="b")(joined)])


def scalar() -> Any:
    x = keras.Input((), name="x")
    return keras.Model(x, keras.ops.add(keras.ops.multiply(x, 0.5), 2.0))


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder, cache = tmp_path_factory.mktemp("all"), tmp_path_factory.mktemp("cache")
    for name, net in {"logits": logits(), "two": two_of_each(), "half": scalar()}.items():
        net.save(folder / f"{name}.keras")
    prebuild(folder, cache)
    return folder, cache


@pytest.fixture(scope="module")
def serve(built: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Serve]:
    """Return a client of a server of the models named; `environ` are the platform's variables."""
    started: dict[str, Flask] = {}

    def start(*names: str, environ: dict[str, str] | None = None, **given: Any) -> FlaskClient:
        key = repr((names, environ, given))
        if key not in started:
            started[key] = _app(built, names, tmp_path_factory.mktemp("server"), given, environ or {})
        return started[key].test_client()

    yield start
    for app in started.values():
        app.extensions["convoy"].stop()


def _app(
    built: tuple[Path, Path], names: tuple[str, ...], here: Path, given: dict[str, Any], environ: dict[str, str]
) -> Flask:
    folder, cache = built
    (here / "models").mkdir()
    for name in names:
        shutil.copy2(folder / f"{name}.keras", here / "models")
        (here / "models" / f"{name}.toml").write_text('[preprocessing]\nscale = "0..255"\n')
    paths = {"models_dir": here / "models", "cache_dir": cache, "runtime_dir": here / "run"}
    read = Settings.read({"poll_seconds": 0.1, "tune": 0, **paths, **given}, environ=environ)
    return create_app(read.with_runtime_dir())


def outputs(client: FlaskClient, name: str) -> Any:
    """Return what v2 says the model's outputs for the pixels are."""
    tensor = {"name": "image", "datatype": "FP32", "shape": [1, 6, 6, 1], "data": PIXELS.ravel().tolist()}
    answer = client.post(f"/v2/models/{name}/infer", json={"inputs": [tensor]}).get_json()
    return [answer["outputs"][0]["data"]]


# ------------------------------------------------------------------------------------------------- which model answers


def test_the_only_model_answers(serve: Serve) -> None:
    client = serve("logits")
    assert client.get("/ping").status_code == 200
    assert client.post("/invocations", data=PICTURE).get_json()["model"]["name"] == "logits"


def test_the_model_of_the_setting_answers(serve: Serve) -> None:
    client = serve("logits", "half", default_model="logits")
    assert client.get("/ping").status_code == 200
    assert client.post("/invocations", data=PICTURE).get_json()["model"]["name"] == "logits"


def test_of_several_none_answers_and_the_choice_is_named(serve: Serve) -> None:
    client = serve("logits", "half")
    ping, asked = client.get("/ping"), client.post("/invocations", data=PICTURE)

    assert (ping.status_code, asked.status_code) == (503, 404)
    for answer in (ping, asked):
        assert "several (half, logits)" in answer.get_json()["error"]
        assert "CONVOY_DEFAULT_MODEL" in answer.get_json()["error"]


@pytest.mark.parametrize(("names", "given"), [([], {}), (["half"], {"default_model": "logits"})])
def test_a_default_model_that_is_not_there_is_not_ready(serve: Serve, names: list[str], given: dict[str, str]) -> None:
    client = serve(*names, **given)
    assert client.get("/ping").status_code == 503
    assert client.post("/invocations", data=PICTURE).status_code == 404


# ------------------------------------------------------------------------------------------------------------ SageMaker


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (PICTURE, "application/x-image"),
        (PICTURE, "image/png"),
        (npy(PIXELS), "application/x-npy"),
        (json.dumps({"image": TEXT}).encode(), "application/json"),
        (json.dumps({"images": [ROWS]}).encode(), "application/json"),
    ],
)
def test_an_invocation_with_a_native_body_is_answered_as_the_native_api_answers(
    serve: Serve, body: bytes, kind: str
) -> None:
    client = serve("logits")
    asked = client.post("/invocations", data=body, content_type=kind, headers={"Accept": "application/json"})
    native = client.post("/api/models/logits/predict", data=body, content_type=kind)

    assert asked.status_code == 200
    assert asked.get_json() == native.get_json()


def test_an_invocation_takes_a_form_and_the_native_query(serve: Serve) -> None:
    client = serve("logits")
    form = {"image": (io.BytesIO(PICTURE), "cat.png")}
    answer = client.post("/invocations?top_k=1&layers=none", data=form).get_json()

    assert len(answer["predictions"][0]["top"]) == 1
    assert "layers" not in answer


@pytest.mark.parametrize("instance", [ROWS, {"image": ROWS}, {"b64": TEXT}, {"image": {"b64": TEXT}}])
def test_instances_are_answered_with_the_models_own_outputs(serve: Serve, instance: Any) -> None:
    client = serve("logits")
    answer = client.post("/invocations", json={"instances": [instance, instance]}).get_json()
    assert answer == {"predictions": outputs(client, "logits") * 2}


def test_several_outputs_are_objects(serve: Serve) -> None:
    client = serve("two")
    row = {"left": ROWS, "right": [1, 2]}
    answer = client.post("/invocations", json={"instances": [row] * 2, "signature_name": "serving_default"}).get_json()

    assert [{name: len(value) for name, value in one.items()} for one in answer["predictions"]] == [
        {"a": 2, "b": 1}
    ] * 2


def test_scalars_are_instances_too(serve: Serve) -> None:
    client = serve("half")
    assert client.post("/invocations", json={"instances": [1, 2.0, 5]}).get_json() == {"predictions": [2.5, 3.0, 4.5]}


REFUSED: dict[str, tuple[int, Any, str]] = {
    "no instance": (400, {"instances": []}, "at least one instance"),
    "no list": (400, {"instances": {"image": ROWS}}, "at least one instance"),
    "text": (400, {"instances": [TEXT]}, "instances[0]: An instance is"),
    "no picture": (400, {"instances": [ROWS, {"b64": "aGVsbG8="}]}, "instances[1]: "),
    "no base64": (400, {"instances": [{"b64": "%"}]}, "instances[0]: The text is no base64"),
    "ragged": (400, {"instances": [[[1], [1, 2]]]}, "instances[0]: The numbers are ragged"),
    "wrong shape": (400, {"instances": [[1, 2, 3]]}, "instances[0]: Numbers of shape [3] do not fit"),
    "a batch in an instance": (400, {"instances": [[ROWS, ROWS]]}, "1 instances came and hold 2 examples"),
    "another input": (400, {"instances": [{"picture": ROWS}]}, "There is no input 'picture'"),
    "columns": (400, {"inputs": [ROWS]}, "inputs: Unknown field."),
}


@pytest.mark.parametrize(("status", "body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_answered_says_which_instance_and_why(
    serve: Serve, status: int, body: Any, message: str
) -> None:
    response = serve("logits").post("/invocations", json=body)
    assert response.status_code == status
    assert message in response.get_json()["error"]


# --------------------------------------------------------------------------------------------------------------- Vertex

VERTEX = {"AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": PREDICT}


def test_vertex_finds_its_routes(serve: Serve) -> None:
    client = serve("logits", environ=VERTEX)
    asked = client.post(PREDICT, json={"instances": [{"b64": TEXT}], "parameters": {"anything": 1}})

    assert client.get(HEALTH).status_code == 200
    assert (asked.status_code, asked.get_json()) == (200, {"predictions": outputs(client, "logits")})


@pytest.mark.parametrize("body", [PICTURE, b"{}", b"[]", b"", b"{"])
def test_vertex_is_told_what_to_send(serve: Serve, body: bytes) -> None:
    response = serve("logits", environ=VERTEX).post(PREDICT, data=body)
    assert response.status_code == 400
    assert list(response.get_json()) == ["error"]


def test_vertex_sees_a_model_that_is_not_there(serve: Serve) -> None:
    assert serve(environ=VERTEX).get(HEALTH).status_code == 503


def test_routes_that_are_another_dialects_stay_that_dialects(serve: Serve) -> None:
    routes = {"AIP_HEALTH_ROUTE": "/healthz", "AIP_PREDICT_ROUTE": "/api/models/logits/predict"}
    client = serve("logits", environ=routes)

    assert client.get("/healthz").get_json() == {"status": "ok"}
    assert client.post("/api/models/logits/predict", data=PICTURE).status_code == 200


def test_without_the_variables_there_are_no_such_routes(serve: Serve) -> None:
    assert serve("logits").post("/predict", json={"instances": [ROWS]}).status_code == 404


def test_the_same_picture_gives_the_same_outputs_whatever_asks(serve: Serve) -> None:
    client = serve("logits", environ=VERTEX)
    (expected,) = outputs(client, "logits")
    found = [
        client.post("/invocations", json={"instances": [{"b64": TEXT}]}).get_json()["predictions"][0],
        client.post(PREDICT, json={"instances": [ROWS]}).get_json()["predictions"][0],
    ]
    scores = client.post("/hf", json={"inputs": TEXT, "parameters": {"function_to_apply": "none"}}).get_json()
    assert found == [expected] * 2
    assert [one["score"] for one in scores] == sorted(map(np.float64, expected), reverse=True)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(TEXT) | st.just({"b64": TEXT}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["image", "b64", "x"]), inner),
    max_leaves=8,
)


@settings(deadline=None, max_examples=150)
@given(body=st.fixed_dictionaries({"instances": VALUES | st.lists(VALUES)}) | VALUES)
@pytest.mark.parametrize("route", ["/invocations", PREDICT])
def test_no_json_makes_a_server_error(serve: Serve, route: str, body: Any) -> None:
    response = serve("logits", environ=VERTEX).post(route, data=json.dumps(body))
    assert response.status_code < 500
