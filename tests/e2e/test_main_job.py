"""Photo in, class probabilities and layer shapes out: a real server, the bundled model, Keras as the oracle."""

import base64
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.pictures import encoded, npy
from tests.servers import Server, maps_tensorflow, resident_mib

keras = pytest.importorskip("keras")

MNIST_SHAPES = [
    ("InputLayer", [28, 28, 1], 0),
    ("Conv2D", [26, 26, 32], 320),
    ("MaxPooling2D", [13, 13, 32], 0),
    ("Conv2D", [11, 11, 64], 18_496),
    ("MaxPooling2D", [5, 5, 64], 0),
    ("Flatten", [1600], 0),
    ("Dense", [128], 204_928),
    ("Dense", [10], 1_290),
]


@pytest.fixture(scope="module")
def keras_mnist(bundled_models: Path) -> Any:
    return keras.saving.load_model(bundled_models / "mnist/1/model.keras", compile=False)


@pytest.fixture(scope="module")
def digits(shared: Path) -> NDArray[np.uint8]:
    with np.load(shared / "data/mnist.npz") as data:
        return np.asarray(data["x_test"][:1000])


def test_a_thousand_digits_posted_as_png_are_answered_as_keras_answers_the_arrays(
    mnist_server: Server, keras_mnist: Any, digits: NDArray[np.uint8]
) -> None:
    expected = keras_mnist.predict(digits[..., np.newaxis].astype("float32") / 255, verbose=0)

    def answer(digit: NDArray[np.uint8]) -> dict[str, Any]:
        response = mnist_server.predict("mnist", encoded(digit))
        assert response.status_code == 200
        return response.json()["predictions"][0]  # type: ignore[no-any-return]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(answer, digits))

    assert [one["index"] for one in answers] == expected.argmax(axis=1).tolist()
    assert [one["label"] for one in answers] == [str(index) for index in expected.argmax(axis=1)]
    np.testing.assert_allclose([one["probabilities"] for one in answers], expected, atol=1e-4)


def test_ten_thousand_digits_in_one_npy_are_answered_in_order(
    mnist_server: Server, keras_mnist: Any, shared: Path
) -> None:
    with np.load(shared / "data/mnist.npz") as data:
        batch = data["x_test"].astype("float32") / 255
    expected = keras_mnist.predict(batch[..., np.newaxis], verbose=0, batch_size=500)

    response = mnist_server.post("/api/models/mnist/predict?top_k=1&probabilities=false", npy(batch))

    body = response.json()
    assert response.status_code == 200
    assert [one["index"] for one in body["predictions"]] == expected.argmax(axis=1).tolist()
    assert body["layers"][-1]["output_shape"] == [10_000, 10]


def test_every_example_picture_is_recognised(mnist_server: Server, examples: Path) -> None:
    names = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    pictures = sorted(examples.glob("*-light-on-dark.*"))
    assert pictures

    for picture in pictures:
        answer = mnist_server.predict("mnist", picture.read_bytes()).json()["predictions"][0]
        assert answer["label"] == str(names.index(picture.name.split("-")[0])), picture.name
        assert answer["probability"] > 0.9


def test_a_prediction_carries_every_layer_with_the_real_batch_size(
    mnist_server: Server, digits: NDArray[np.uint8]
) -> None:
    pictures = [("image", (f"{number}.png", encoded(digits[number]))) for number in range(3)]

    body = mnist_server.predict("mnist", files=pictures).json()

    assert [(one["type"], one["output_shape"], one["parameters"]) for one in body["layers"]] == [
        (kind, [3, *shape], parameters) for kind, shape, parameters in MNIST_SHAPES
    ]
    assert [one["input"]["filename"] for one in body["predictions"]] == ["0.png", "1.png", "2.png"]


def test_the_layers_of_mnist_are_those_of_its_architecture(mnist_server: Server) -> None:
    layers = mnist_server.get("/api/models/mnist/layers").json()["layers"]

    assert [(one["type"], one["output_shape"], one["parameters"]) for one in layers] == [
        (kind, [None, *shape], parameters) for kind, shape, parameters in MNIST_SHAPES
    ]
    assert sum(one["parameters"] for one in layers) == 225_034
    assert layers[5]["order"] == "row, column, channel"
    assert [one["receptive_field"] for one in layers] == [
        [1, 1], [3, 3], [4, 4], [8, 8], [10, 10], [28, 28], [28, 28], [28, 28],
    ]  # fmt: skip
    assert layers[3] == {
        "name": "conv2d_1",
        "type": "Conv2D",
        "input_shape": [None, 13, 13, 32],
        "output_shape": [None, 11, 11, 64],
        "parameters": 3 * 3 * 32 * 64 + 64,
        "trainable_parameters": 3 * 3 * 32 * 64 + 64,
        "dtype": "float32",
        "activation": "relu",
        "kernel_size": [3, 3],
        "strides": [1, 1],
        "padding": "valid",
        "dilation_rate": [1, 1],
        "macs": 11 * 11 * 64 * 3 * 3 * 32,
        "activation_bytes": 11 * 11 * 64 * 4,
        "receptive_field": [8, 8],
        "inbound": ["max_pooling2d"],
    }


def test_the_summary_is_the_one_keras_prints(mnist_server: Server) -> None:
    response = mnist_server.get("/api/models/mnist/summary")

    assert response.headers["Content-Type"].startswith("text/plain")
    assert "Total params: 225,034" in response.text
    assert "conv2d_1 (Conv2D)" in response.text


def test_the_same_digit_gets_the_same_answer_in_every_kind_of_body(
    mnist_server: Server, digits: NDArray[np.uint8]
) -> None:
    digit = digits[7]
    png = encoded(digit)
    scaled = (digit / np.float32(255)).astype(np.float32)
    text = base64.b64encode(png).decode()
    post = mnist_server.predict
    answers = [
        post("mnist", png),
        post("mnist", png, headers={"Content-Type": "application/x-www-form-urlencoded"}),
        post("mnist", files={"image": ("a.png", png)}),
        post("mnist", json={"image": text}),
        post("mnist", json={"image": f"data:image/png;base64,{text}"}),
        post("mnist", json={"images": [text]}),
        post("mnist", json={"image": {"input_layer": text}}),
        post("mnist", json={"image": scaled.tolist()}),
        post("mnist", json={"image": scaled[..., np.newaxis].tolist()}),
        post("mnist", json={"images": [scaled.reshape(-1).tolist()]}),
        post("mnist", npy(scaled)),
        post("mnist", npy(scaled[np.newaxis])),
        post("mnist", npy(scaled.astype(np.float64).reshape(1, 784))),
        post("mnist", npy(np.asfortranarray(scaled))),
        post("mnist", npy(scaled.astype(">f4"))),
        post("mnist", encoded(digit, "BMP")),
        post("mnist", encoded(digit, "TIFF")),
        post("mnist", encoded(digit, "GIF")),
        post("mnist", encoded(digit, "WEBP", lossless=True)),
    ]

    assert [one.status_code for one in answers] == [200] * len(answers)
    first = answers[0].json()["predictions"][0]["probabilities"]
    for one in answers:
        assert one.json()["predictions"][0]["probabilities"] == first


def test_a_bad_picture_among_good_ones_gets_its_own_error(mnist_server: Server, digits: NDArray[np.uint8]) -> None:
    files = [
        ("image", ("good.png", encoded(digits[0]))),
        ("image", ("bad.png", b"no picture")),
        ("image", ("fine.png", encoded(digits[1]))),
    ]

    response = mnist_server.predict("mnist", files=files)

    body = response.json()
    assert response.status_code == 200
    assert [("error" in one, one["input"]["index"]) for one in body["predictions"]] == [
        (False, 0), (True, 1), (False, 2),
    ]  # fmt: skip
    assert body["predictions"][1]["error"]["status"] == 400
    assert body["predictions"][1]["input"]["filename"] == "bad.png"
    assert body["layers"][0]["output_shape"] == [2, 28, 28, 1]


def test_only_bad_pictures_are_a_422_that_says_why_for_each(mnist_server: Server) -> None:
    response = mnist_server.predict("mnist", json={"images": ["bm8=", "bm8="]})

    assert response.status_code == 422
    assert [one["error"]["status"] for one in response.json()["predictions"]] == [400, 400]


def test_a_worker_is_small_after_a_hundred_digits_and_never_maps_tensorflow(
    serve: Callable[..., Server], models: Path, digits: NDArray[np.uint8]
) -> None:
    server = serve(models, workers=2).wait_ready()
    for digit in digits[:100]:
        assert server.predict("mnist", encoded(digit)).status_code == 200

    workers = server.workers()
    assert len(workers) == 2
    assert max(map(resident_mib, workers)) < 110
    assert not any(map(maps_tensorflow, [server.pid, *workers]))


def test_the_arbiter_loads_no_engine(mnist_server: Server) -> None:
    assert "litert" not in Path(f"/proc/{mnist_server.pid}/maps").read_text().lower()


@pytest.mark.parametrize(
    ("picture", "is_warned"), [("two-dark-on-light.png", True), ("three-light-on-dark.png", False)]
)
def test_a_picture_the_other_way_round_is_warned_of(
    mnist_server: Server, examples: Path, picture: str, is_warned: bool
) -> None:
    answer = mnist_server.predict("mnist", (examples / picture).read_bytes()).json()["predictions"][0]

    assert ["The picture looks dark on light" in one for one in answer["warnings"]] == [True] * is_warned
