"""Reasons and activations from a real server: the heat maps beat the baselines, and the pictures come as asked for."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from benchmarks.insertion import Model, held_out, measured
from tests.servers import Server

JSON = {"Accept": "application/json"}
NAMES = ["mnist", "mnist-dense", "fashion-mnist"]


@pytest.mark.parametrize("name", NAMES)
def test_the_hottest_pixels_count_for_more_than_random_ones_and_those_of_the_centre(
    mnist_server: Server, shared: Path, name: str
) -> None:
    pictures = held_out(name, shared / "data", count=6)
    found = measured(Model(mnist_server.url, name), pictures, methods=["occlusion"])

    for baseline in ("random", "centre"):
        assert found["occlusion"].deletion < found[baseline].deletion
        assert found["occlusion"].insertion > found[baseline].insertion


@pytest.fixture
def seven(examples: Path) -> bytes:
    return (examples / "seven-light-on-dark.png").read_bytes()


def explained(server: Server, name: str, data: bytes, **query: Any) -> dict[str, Any]:
    answer = server.post(f"/api/models/{name}/explain", data, headers=JSON, params=query)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_the_default_is_occlusion_for_small_models_and_says_what_it_took(mnist_server: Server, seven: bytes) -> None:
    body = explained(mnist_server, "mnist", seven)
    assert (body["class"]["label"], body["method"]) == ("7", "occlusion")
    assert 200 <= body["passes"] <= 1000


@pytest.mark.parametrize("method", ["occlusion", "grad-cam"])
@pytest.mark.parametrize("name", ["mnist", "mnist-gap"])
def test_the_heat_of_a_digit_lies_on_the_digit(mnist_server: Server, seven: bytes, name: str, method: str) -> None:
    (tensor,) = explained(mnist_server, name, seven, method=method)["tensors"]
    heat = np.array(tensor["heatmap"])
    with Image.open(io.BytesIO(seven)) as image:
        strokes = np.asarray(image.convert("L").resize((28, 28))) > 100
    assert heat[strokes].mean() > 2 * heat[~strokes].mean()


def test_both_methods_answer_for_every_bundled_model_that_allows_them(mnist_server: Server, seven: bytes) -> None:
    for name in ("mnist", "mnist-gap", "fashion-mnist", "cats-dogs", "cats-dogs-shared-input"):
        body = explained(mnist_server, name, seven, method="grad-cam")
        assert (body["method"], body["passes"]) == ("grad-cam", 1)
        assert np.isfinite(body["tensors"][0]["heatmap"]).all()
    two = explained(mnist_server, "cats-dogs-two-inputs", seven, method="grad-cam")
    assert [one["name"] for one in two["tensors"]] == ["gray", "color"]


def test_a_model_without_maps_has_no_gradients_and_says_what_to_ask(mnist_server: Server, seven: bytes) -> None:
    answer = mnist_server.post("/api/models/mnist-dense/explain?method=grad-cam", seven)
    assert answer.status_code == 422
    assert "method=occlusion" in answer.json()["detail"]
    assert explained(mnist_server, "mnist-dense", seven)["method"] == "occlusion"


def test_kserves_explain_says_the_same(mnist_server: Server, seven: bytes) -> None:
    body = {"instances": [{"b64": base64.b64encode(seven).decode()}]}
    (found,) = mnist_server.post("/v1/models/mnist:explain", json=body).json()["explanations"]
    assert found["tensors"] == explained(mnist_server, "mnist", seven)["tensors"]


@pytest.mark.parametrize("path", ["explain", "activations?layer=conv2d", "activations?layer=flatten"])
def test_the_default_is_a_picture(mnist_server: Server, seven: bytes, path: str) -> None:
    answer = mnist_server.post(f"/api/models/mnist/{path}", seven)
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "image/png")
    assert "model=mnist version=1 images=1" in mnist_server.log
    with Image.open(io.BytesIO(answer.content)) as image:
        assert min(image.size) >= 224
