"""Where a unit looks, asked of the native dialect: places, rectangles, sizes, and what is wrong with an address."""

from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from tests.api.conftest import AppOf

keras = pytest.importorskip("keras")
layers = keras.layers


def net() -> Any:
    """Return a net of a 12x10 picture with a stack that holds another: a convolution, a pooling, a vector."""
    body = keras.Sequential([keras.Input((10, 8, 2)), layers.MaxPooling2D(2, name="pool")], name="body")
    return keras.Sequential(
        [
            keras.Input((12, 10, 1), name="image"),
            layers.Conv2D(2, 3, name="conv"),
            body,
            layers.Flatten(name="flat"),
            layers.Dense(3, activation="softmax", name="dense"),
        ]
    )


def of_any_size() -> Any:
    return keras.Sequential(
        [
            keras.Input((None, None, 3), name="image"),
            layers.Conv2D(2, 3, strides=2, padding="same", name="conv"),
            layers.GlobalAveragePooling2D(name="mean"),
            layers.Dense(2, activation="softmax"),
        ]
    )


def two_inputs() -> Any:
    left, right = keras.Input((6, 6, 1), name="left"), keras.Input((4, 4, 3), name="right")
    joined = layers.Concatenate(name="joined")([layers.Flatten()(left), layers.Flatten()(right)])
    return keras.Model([left, right], layers.Dense(2, activation="softmax", name="dense")(joined))


MODELS = {"net": net, "of-any-size": of_any_size, "resized": of_any_size, "two-inputs": two_inputs}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    return app_of(nets, files={"resized.toml": "[preprocessing]\nsize = [9, 7]\n"})


def region(top: int, left: int, bottom: int, right: int) -> dict[str, int]:
    return {"top": top, "left": left, "bottom": bottom, "right": right}


def ask(client: FlaskClient, path: str) -> dict[str, Any]:
    response = client.get(f"/api/models/{path}")
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def test_a_number_of_a_flatten_is_traced_to_its_map_and_its_rectangle(client: FlaskClient) -> None:
    # The map is 5x4x2: (3 * 4 + 1) * 2 + 1. It pools rows 6 and 7 of the convolution, which see rows 6 to 9.
    assert ask(client, "net/versions/1/layers/flat/units/27") == {
        "model": {"name": "net", "version": 1},
        "layer": "flat",
        "index": 27,
        "map": "body/pool",
        "row": 3,
        "column": 1,
        "channel": 1,
        "region": region(6, 2, 10, 6),
        "input": "image",
    }


def test_a_layer_of_a_nested_model_is_named_with_its_path(client: FlaskClient) -> None:
    found = ask(client, "net/layers/body/pool/units/27")

    assert (found["layer"], found["map"], found["row"]) == ("body/pool", "body/pool", 3)
    assert found["region"] == region(6, 2, 10, 6)


def test_a_unit_of_a_vector_is_its_channel(client: FlaskClient) -> None:
    found = ask(client, "net/layers/dense/units/2")

    assert (found["row"], found["column"], found["channel"]) == (None, None, 2)
    assert found["region"] == region(0, 0, 12, 10)


def test_a_model_of_any_size_is_asked_with_one(client: FlaskClient) -> None:
    found = ask(client, "of-any-size/layers/conv/units/6?size=5x6")

    assert (found["row"], found["column"], found["channel"]) == (1, 0, 0)
    assert found["region"] == region(1, 0, 4, 3)


def test_the_size_that_the_sidecar_resizes_to_is_known(client: FlaskClient) -> None:
    assert ask(client, "resized/layers/mean/units/1")["region"] == region(0, 0, 9, 7)


def test_each_input_that_a_unit_looks_at_has_a_region(client: FlaskClient) -> None:
    both = ask(client, "two-inputs/layers/dense/units/0")
    one = ask(client, "two-inputs/layers/joined/units/40")

    assert (both["input"], both["region"]) == ("left", region(0, 0, 6, 6))
    assert both["regions"] == [{"input": "left"} | region(0, 0, 6, 6), {"input": "right"} | region(0, 0, 4, 4)]
    assert (one["input"], one["map"], one["channel"], one["region"]) == ("right", "right", 1, region(0, 1, 1, 2))
    assert "regions" not in one


@pytest.mark.parametrize(
    ("path", "status", "said"),
    [
        ("net/layers/con/units/0", 404, "no layer 'con'. Did you mean 'conv'?"),
        ("net/layers/conv/units/160", 404, "gives 10x8x2 numbers for a picture: send an index from 0 to 159, which"),
        ("net/layers/dense/units/3", 404, "send an index from 0 to 2."),
        ("net/layers/conv/units/0?call=1", 404, "call 0 to 0 and part 0 to 0"),
        ("net/layers/conv/units/-1", 404, "'-1' is no index of a unit; send a whole number from 0"),
        ("net/layers/conv/units/abc", 404, "send a whole number from 0"),
        ("net/layers/conv/units/0?call=0&call=1", 422, "call: it is there several times; send it once."),
        ("net/layers/conv/units/0?size=28x28", 422, "takes no pictures of 28x28, but 12x10"),
        ("net/layers/conv/units/0?size=28", 422, "such as 64x48"),
        ("net/layers/conv/units/0?sise=28x28", 422, "sise"),
        ("of-any-size/layers/conv/units/0", 422, "send ?size=HEIGHTxWIDTH"),
        ("none/layers/conv/units/0", 404, "none"),
    ],
)
def test_what_is_wrong_with_an_address_is_said(client: FlaskClient, path: str, status: int, said: str) -> None:
    response = client.get(f"/api/models/{path}")

    assert (response.status_code, response.mimetype) == (status, "application/problem+json")
    assert said in response.get_json()["detail"]
