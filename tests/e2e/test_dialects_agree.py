"""One picture gives the same numbers through every dialect, bit for bit."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.pictures import encoded, noise
from tests.servers import Server

pytest.importorskip("keras")

PHOTO = encoded(noise(90, 120, 3, seed=8), "JPEG")
TEXT = base64.b64encode(PHOTO).decode()
MODELS = ["mnist", "mnist-gap", "fashion-mnist", "cats-dogs", "cats-dogs-gray"]


def answered(answer: Any) -> Any:
    assert answer.status_code == 200, answer.text
    return answer.json()


def outputs(server: Server, model: str) -> dict[str, NDArray[np.float32]]:
    """Return the model's own outputs for the photo, by dialect."""
    name = server.get(f"/v2/models/{model}").json()["inputs"][0]["name"]
    tensor = {"name": name, "shape": [1], "datatype": "BYTES", "data": [TEXT]}
    rows = {"instances": [{"b64": TEXT}]}
    found = {
        "v1 rows": answered(server.post(f"/v1/models/{model}:predict", json=rows))["predictions"],
        "v1 columns": answered(server.post(f"/v1/models/{model}:predict", json={"inputs": {"b64": TEXT}}))["outputs"],
        "v2": [answered(server.post(f"/v2/models/{model}/infer", json={"inputs": [tensor]}))["outputs"][0]["data"]],
    }
    return {dialect: np.array(values, np.float32) for dialect, values in found.items()}


@pytest.mark.parametrize("model", MODELS)
def test_the_models_own_outputs_are_the_same(mnist_server: Server, model: str) -> None:
    first, *others = outputs(mnist_server, model).values()

    assert all(np.array_equal(one, first) for one in others)


@pytest.mark.parametrize("model", MODELS)
def test_what_the_head_makes_of_them_is_the_same(mnist_server: Server, model: str) -> None:
    native = answered(mnist_server.predict(model, PHOTO))["predictions"][0]
    raw = outputs(mnist_server, model)["v2"][0]
    expected = np.array(native["probabilities"], np.float32)
    labels = [one["label"] for one in native["top"]]

    ranked = answered(mnist_server.post(f"/hf/models/{model}", PHOTO))
    classified = answered(
        mnist_server.post(f"/v1/models/{model}:classify", json={"examples": [{"image": {"b64": TEXT}}]})
    )["results"][0]

    assert [one["label"] for one in ranked[: len(labels)]] == labels
    assert np.array_equal(np.array([one["score"] for one in ranked[:1]], np.float32), np.sort(expected)[::-1][:1])
    assert np.array_equal(np.array([value for _, value in classified], np.float32), expected)
    # softmax nets end in their probabilities, those of two classes in the second one's.
    assert np.array_equal(raw, expected if len(expected) > 2 else expected[1:])


def test_a_platform_without_a_name_in_the_path_asks_the_default_model(serve: Any, bundled_models: Path) -> None:
    server: Server = serve(bundled_models / "mnist/1/model.keras", workers=1).wait_ready()

    native = answered(server.post("/api/models/mnist/predict", PHOTO))["predictions"][0]["probabilities"]
    rows = answered(server.post("/invocations", json={"instances": [{"b64": TEXT}]}))["predictions"][0]
    picture = answered(server.post("/invocations", PHOTO, headers={"Content-Type": "image/jpeg"}))

    assert np.array_equal(np.array(rows, np.float32), np.array(native, np.float32))
    assert picture["predictions"][0]["probabilities"] == native
