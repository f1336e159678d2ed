"""Reasons, asked through Flask's client: both methods, every form and head, several inputs, KServe's `:explain`."""

import base64
import io
import time
from functools import partial
from typing import Any

import numpy as np
import pytest
from flask import Flask
from flask.testing import FlaskClient
from PIL import Image

from service.api import reasons
from service.explain import explainer, turns
from service.serving import preview
from service.serving.live_model import LiveModel
from tests.api.conftest import AppOf
from tests.pictures import encoded, npy

keras = pytest.importorskip("keras")
layers = keras.layers

SIDE = 28
JSON, NPY = {"Accept": "application/json"}, {"Accept": "application/x-npy"}
PIXELS = np.full((SIDE, SIDE), 20, np.uint8)
PIXELS[4:10, 16:22] = 250
PICTURE = encoded(PIXELS)
B64 = {"b64": base64.b64encode(PICTURE).decode()}
NUMBERS = np.zeros((SIDE, SIDE, 1)).tolist()


def spot(image: Any, *, units: int, activation: str | None = None, name: str = "kind", slope: float = 0.05) -> Any:
    """Return a head whose last class speaks for light anywhere, by way of one map that is the picture itself."""
    same = layers.Conv2D(1, 1, kernel_initializer="ones", name=f"maps_{name}")(image)
    flat = layers.Flatten()(same)
    kernel = np.zeros((flat.shape[1], units), np.float32)
    kernel[:, -1] = slope
    last = layers.Dense(units, activation=activation, name=name)
    found = last(flat)
    last.set_weights([kernel, np.zeros(units, np.float32)])
    return found


def one(units: int, activation: str | None, *, slope: float = 0.05) -> Any:
    image = keras.Input((SIDE, SIDE, 1), name="image")
    return keras.Model(image, spot(image, units=units, activation=activation, slope=slope))


def two() -> Any:
    left, right = keras.Input((SIDE, SIDE, 1), name="left"), keras.Input((SIDE, SIDE, 1), name="right")
    outputs = [spot(left, units=3, activation="softmax", name="kind"), spot(right, units=1, name="any")]
    return keras.Model([left, right], outputs)


def flat() -> Any:
    image = keras.Input((SIDE * SIDE,), name="image")
    last = layers.Dense(2, activation="softmax", name="kind")
    net = keras.Model(image, last(image))
    kernel = np.zeros((SIDE * SIDE, 2), np.float32)
    kernel[:, 1] = 0.05
    last.set_weights([kernel, np.zeros(2, np.float32)])
    return net


def free() -> Any:
    image = keras.Input((None, None, 1), name="image")
    same = layers.Conv2D(1, 1, kernel_initializer="ones", name="maps")(image)
    last = layers.Dense(2, activation="softmax", name="kind")
    net = keras.Model(image, last(layers.GlobalMaxPooling2D()(same)))
    last.set_weights([np.array([[0.0, 3.0]], np.float32), np.zeros(2, np.float32)])
    return net


def not_finite() -> Any:
    image = keras.Input((SIDE, SIDE, 1), name="image")
    last = layers.Dense(2)
    found = keras.ops.log(last(layers.Flatten()(image)))
    last.set_weights([np.zeros((SIDE * SIDE, 2), np.float32), np.array([-100, 100], np.float32)])
    return keras.Model(image, found)


def steep() -> Any:
    """Return a net that has no slope where the picture is just 0.25, which no other picture of the tests is."""
    image = keras.Input((SIDE, SIDE, 1), name="image")
    same = layers.Conv2D(1, 1, kernel_initializer="ones", name="maps")(image)
    last = layers.Dense(2, activation="softmax", name="kind")
    net = keras.Model(image, last(keras.ops.sqrt(keras.ops.absolute(layers.Flatten()(same) - 0.25))))
    last.set_weights([np.tile(np.array([[0, 0.05]], np.float32), (SIDE * SIDE, 1)), np.zeros(2, np.float32)])
    return net


HEADS = {"softmax": 3, "logits": 3, "binary": 1, "multi-label": 3}
_ENDS = {"softmax": "softmax", "logits": None}
MODELS = {
    **{head: partial(one, units, _ENDS.get(head, "sigmoid")) for head, units in HEADS.items()},
    "faint": lambda: one(3, None, slope=1e-12),
    "scores": lambda: one(3, "relu"),
    "two": two,
    "flat": flat,
    "free": free,
    "not-finite": not_finite,
    "steep": steep,
}


@pytest.fixture(scope="module")
def app(app_of: AppOf, nets: dict[str, Any]) -> Flask:
    files = {
        "softmax.toml": 'labels = ["2", "dog", "spot"]\n',
        "not-finite.toml": '[output]\nhead = "scores"\n',
    }
    return app_of(nets, files=files)


def ask(client: FlaskClient, model: str, query: str = "", *, data: Any = None, **kwargs: Any) -> Any:
    return client.post(f"/api/models/{model}/explain{query}", data=data or PICTURE, **kwargs)


def given(client: FlaskClient, model: str, query: str = "", **kwargs: Any) -> dict[str, Any]:
    response = ask(client, model, query, headers=JSON, **kwargs)
    assert response.status_code == 200, response.text
    return dict(response.get_json())


def refused(client: FlaskClient, model: str, query: str, **kwargs: Any) -> str:
    response = ask(client, model, query, **kwargs)
    assert (response.status_code, response.mimetype) == (422, "application/problem+json"), response.text
    return str(response.get_json()["detail"])


def assert_on_the_spot(tensor: dict[str, Any]) -> None:
    heat = np.array(tensor["heatmap"])
    assert heat.shape == (SIDE, SIDE)
    assert heat.min() >= 0
    assert heat.max() == pytest.approx(1)
    row, column = np.unravel_index(heat.argmax(), heat.shape)
    assert 3 <= row <= 10
    assert 15 <= column <= 22
    assert tensor["maximum"] > 0


@pytest.mark.parametrize("method", ["grad-cam", "occlusion"])
@pytest.mark.parametrize("head", [*HEADS, "scores"])
def test_the_last_class_shows_in_the_spot(client: FlaskClient, head: str, method: str) -> None:
    label, last = {"binary": ("1", 1), "softmax": ("spot", 2)}.get(head, ("2", 2))
    body = given(client, head, f"?class={label}&method={method}")
    assert_on_the_spot(body["tensors"][0])
    assert body["method"] == method
    assert body["class"]["index"] == last
    assert ("score" if head == "scores" else "probability") in body["class"]
    assert (body["passes"] == 1) is (method == "grad-cam")


def test_nothing_speaks_for_the_other_class_of_one_unit(client: FlaskClient) -> None:
    body = given(client, "binary", "?class=0&method=grad-cam")
    assert not np.any(body["tensors"][0]["heatmap"])
    assert body["tensors"][0]["minimum"] < 0
    assert "Nothing in the picture speaks for 'class_0'" in body["warnings"][0]


def test_without_a_class_it_is_the_predicted_one_and_the_answer_says_what_it_is_of(client: FlaskClient) -> None:
    body = given(client, "softmax")
    predicted = client.post("/api/models/softmax/predict", data=PICTURE).get_json()["predictions"][0]
    (tensor,) = body.pop("tensors")
    assert body == {
        "model": {"name": "softmax", "version": 1},
        "input": {"index": 0, "filename": None, "format": "PNG", "size": [SIDE, SIDE]},
        "output": "kind",
        "class": {name: predicted[name] for name in ("label", "index", "probability")},
        "method": "occlusion",
        "passes": body["passes"],
        "warnings": [],
    }
    assert body["class"]["label"] == "spot"
    assert tensor.keys() == {"name", "size", "heatmap", "maximum", "minimum"}
    assert (tensor["name"], tensor["size"]) == ("image", [SIDE, SIDE])


def test_a_label_wins_over_an_index(client: FlaskClient) -> None:
    assert given(client, "softmax", "?class=2")["class"]["index"] == 0
    assert given(client, "softmax", "?class=1")["class"]["label"] == "dog"
    assert given(client, "softmax", "?class=dog")["class"]["index"] == 1


def test_each_input_has_a_heat_map_of_its_own(client: FlaskClient) -> None:
    kind = given(client, "two", "?method=occlusion")
    assert [one["name"] for one in kind["tensors"]] == ["left", "right"]
    assert_on_the_spot(kind["tensors"][0])
    assert not np.any(kind["tensors"][1]["heatmap"])

    other = given(client, "two", "?method=occlusion&output=any&input=right&class=1")
    assert [one["name"] for one in other["tensors"]] == ["right"]
    assert_on_the_spot(other["tensors"][0])


@pytest.mark.parametrize("model", ["flat", "free"])
def test_flat_inputs_and_inputs_of_free_size_are_explained(client: FlaskClient, model: str) -> None:
    assert_on_the_spot(given(client, model)["tensors"][0])


def test_numbers_are_explained_as_pictures_are(client: FlaskClient) -> None:
    array = (PIXELS / np.float32(255)).astype(np.float32)[..., np.newaxis]
    assert given(client, "softmax", data=npy(array))["tensors"] == given(client, "softmax")["tensors"]


def test_the_npy_holds_the_numbers_of_the_json(client: FlaskClient) -> None:
    response = ask(client, "softmax", headers=NPY)
    array = np.load(io.BytesIO(response.data))
    assert (array.shape, array.dtype) == ((SIDE, SIDE), np.float32)
    assert np.array_equal(array, np.array(given(client, "softmax")["tensors"][0]["heatmap"], np.float32))


def test_the_picture_is_large_enough_to_be_looked_at(client: FlaskClient) -> None:
    found = {}
    for query in ("", "?opacity=0", "?opacity=1", "?overlay=false"):
        response = ask(client, "softmax", query)
        assert (response.status_code, response.mimetype) == (200, "image/png")
        with Image.open(io.BytesIO(response.data)) as image:
            assert image.size == (224, 224)
            found[query] = np.asarray(image.convert("RGB"))
    assert np.array_equal(found["?opacity=0"][::8, ::8], np.repeat(PIXELS[..., np.newaxis], 3, axis=-1))
    assert len({pixels.tobytes() for pixels in found.values()}) == 4


@pytest.mark.parametrize(
    ("model", "query", "text"),
    [
        ("softmax", "?class=dogg", "There is no class 'dogg'; send one of the model's labels, such as '2', or an "),
        ("softmax", "?class=dogg", "Did you mean 'dog'?"),
        ("softmax", "?class=3", "from 0 to 2"),
        ("softmax", "?method=magic", "method: Must be one of: grad-cam, occlusion."),
        ("softmax", "?opacity=2", "opacity: "),
        ("softmax", "?class=0&class=1", "class: it is there several times; send it once."),
        ("softmax", "?opacity=nan", "opacity: "),
        ("softmax", "?output=other", "'other' is no output with classes; this model has kind."),
        ("softmax", "?input=other", "There is no input 'other'; this model has image."),
        ("not-finite", "?class=0", "not finite"),
        ("flat", "?method=grad-cam", "Ask with method=occlusion"),
    ],
)
def test_what_cannot_be_explained_is_refused_in_words(client: FlaskClient, model: str, query: str, text: str) -> None:
    assert text in refused(client, model, query)


@pytest.mark.parametrize(("model", "query"), [("softmax", "?class=dogg"), ("flat", "?method=grad-cam")])
def test_what_cannot_be_explained_costs_no_pass(
    client: FlaskClient, model: str, query: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LiveModel, "run", lambda *_, **__: pytest.fail("the model was run"))
    refused(client, model, query)


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every run of a model take a fifth of a second."""
    run = LiveModel.run

    def slowly(self: LiveModel, inputs: Any, *, deadline: float) -> Any:
        time.sleep(0.2)
        return run(self, inputs, deadline=deadline)

    monkeypatch.setattr(LiveModel, "run", slowly)


@pytest.mark.usefixtures("slow")
def test_where_the_time_is_too_short_for_occlusion_it_is_grad_cam(client: FlaskClient) -> None:
    body = ask(client, "softmax", headers=JSON | {"X-Request-Timeout": "3"}).get_json()
    assert body["method"] == "grad-cam"
    assert "too short for occlusion" in body["warnings"][0]


@pytest.mark.usefixtures("slow")
@pytest.mark.parametrize(
    ("model", "query", "text"),
    [
        ("softmax", "?method=occlusion", "ask with method=grad-cam, which takes one, or allow more"),
        ("flat", "", "left; allow more"),
    ],
)
def test_what_cannot_be_done_in_time_is_refused_at_once(client: FlaskClient, model: str, query: str, text: str) -> None:
    began = time.monotonic()
    response = ask(client, model, query, headers={"X-Request-Timeout": "3"})
    assert response.status_code == 504
    assert "takes 36 runs of the model" in response.text
    assert text in response.text
    assert time.monotonic() - began < 2.5


def test_other_heat_maps_are_not_waited_for_long(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_SHARE", 0.0)
    run, inside = LiveModel.run, list[Any]()

    def meanwhile(self: LiveModel, inputs: Any, *, deadline: float) -> Any:
        if not inside:
            inside.append(None)
            inside[0] = ask(client, "softmax")
        return run(self, inputs, deadline=deadline)

    monkeypatch.setattr(LiveModel, "run", meanwhile)
    assert ask(client, "softmax").status_code == 200
    assert (inside[0].status_code, inside[0].headers["Retry-After"]) == (503, "5")


def test_what_is_rounding_says_nothing(client: FlaskClient) -> None:
    body = given(client, "faint", "?method=grad-cam&class=2")
    assert 0 < body["tensors"][0]["maximum"] < 1e-9
    assert body["warnings"] == ["Nothing in the picture speaks for 'class_2' by this method."]


def test_a_large_picture_is_refused_before_it_is_decoded(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    noise = encoded(np.random.default_rng(0).integers(0, 2, (2001, 2001), np.uint8))
    monkeypatch.setattr(preview, "decode_picture", lambda *_, **__: pytest.fail("it was decoded"))
    assert ask(client, "free", data=noise).status_code == 413


def test_waiting_for_the_model_takes_nothing_off_the_budget(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, taken = LiveModel.run, []

    def after_others(self: LiveModel, inputs: Any, *, deadline: float) -> Any:
        time.sleep(0.5)
        return run(self, inputs, deadline=deadline)[0], 0.5

    def budget(model: LiveModel, *, seconds: float) -> int:
        taken.append(seconds)
        return 0

    monkeypatch.setattr(LiveModel, "run", after_others)
    monkeypatch.setattr(explainer, "budget_of", budget)
    given(client, "free", "?method=grad-cam")
    assert 0 <= taken[0] < 0.5


def test_gradients_that_are_not_finite_have_no_heat(client: FlaskClient) -> None:
    numbers = npy(np.where(PIXELS < 100, 0.25, 1).astype(np.float32)[..., np.newaxis])
    body = given(client, "steep", "?method=grad-cam&class=1", data=numbers)
    assert_on_the_spot(body["tensors"][0])
    assert "not finite" in body["warnings"][0]
    assert ask(client, "steep", "?method=grad-cam&class=1", data=numbers).status_code == 200


def test_a_picture_too_large_for_a_heat_map_is_refused_before_it_is_painted_over(client: FlaskClient) -> None:
    response = ask(client, "free", data=encoded(np.zeros((2001, 2001), np.uint8)))
    assert response.status_code == 413
    assert "4,004,001 numbers (2001x2001x1), and a heat map is made of 4,000,000 at most" in response.text


def test_a_heat_map_too_large_for_json_is_had_as_npy_or_as_a_picture(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reasons, "MOST_NUMBERS", SIDE * SIDE)
    given(client, "two", "?input=left")
    assert "hold 1,568 numbers, and JSON takes 784" in refused(client, "two", "", headers=JSON)
    assert ask(client, "two", headers=NPY).status_code == ask(client, "two").status_code == 200
    assert "1,568 numbers" in explained(client, "softmax", {"instances": [B64] * 2}, status=400)["error"]


def test_one_image_at_a_time_is_explained(client: FlaskClient) -> None:
    files = {"image": [(io.BytesIO(PICTURE), "a.png"), (io.BytesIO(PICTURE), "b.png")]}
    assert "send one" in refused(client, "softmax", "", data=files)


def test_the_time_a_request_may_take_holds_here_too(client: FlaskClient) -> None:
    response = ask(client, "softmax", headers={"X-Request-Timeout": "0.000001"})
    assert response.status_code == 504


# --------------------------------------------------------------------------------------------------------------- KServe


def explained(client: FlaskClient, model: str, body: Any, query: str = "", *, status: int = 200) -> Any:
    response = client.post(f"/v1/models/{model}:explain{query}", json=body)
    assert response.status_code == status, response.text
    return response.get_json()


def test_kserve_is_given_the_same_for_each_instance(client: FlaskClient) -> None:
    native = given(client, "softmax")
    expected = {name: value for name, value in native.items() if name not in ("model", "input")}
    numbers = (PIXELS / np.float32(255)).astype(np.float32)[..., np.newaxis].tolist()

    assert explained(client, "softmax", {"instances": [B64]}) == {"explanations": [expected]}
    assert explained(client, "softmax", {"instances": [numbers] * 2}) == {"explanations": [expected] * 2}
    for inputs in ([numbers], numbers, np.ravel(numbers).tolist()):
        assert explained(client, "softmax", {"inputs": inputs}) == {"explanations": [expected]}


def test_kserve_takes_the_query_too(client: FlaskClient) -> None:
    (found,) = explained(client, "softmax", {"instances": [B64]}, "?class=dog&method=grad-cam")["explanations"]
    assert (found["class"]["label"], found["method"], found["passes"]) == ("dog", "grad-cam", 1)


@pytest.mark.parametrize(
    ("body", "query", "status", "text"),
    [
        ({"instances": [B64]}, "?class=dogg", 400, "0 of 'instances' list. Error: INVALID_ARGUMENT: There is no class"),
        ({"instances": [B64, {"b64": "aGk="}]}, "", 400, "1 of 'instances' list"),
        ({"instances": [B64] * 17}, "", 413, "17 instances in one request; at most 16 are explained"),
        ({"inputs": [NUMBERS] * 17}, "", 413, "17 instances in one request"),
        ({"inputs": 5}, "", 400, "Numbers of shape [] do not fit input image"),
        ({"inputs": []}, "", 400, "Numbers of shape [0]"),
        ({"instances": []}, "", 400, "No values in 'instances' array"),
        ({}, "", 400, "Missing 'inputs' or 'instances' key"),
        ({"instances": [B64]}, "?method=magic", 400, "method: Must be one of"),
        ({"instances": [B64]}, "?opacity=1", 400, "opacity: Unknown field"),
    ],
)
def test_kserve_is_told_what_is_wrong(client: FlaskClient, body: Any, query: str, status: int, text: str) -> None:
    assert text in explained(client, "softmax", body, query, status=status)["error"]
