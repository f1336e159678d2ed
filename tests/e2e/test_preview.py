"""What a model is shown to have seen is what it was given: over HTTP and on the command line."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.commands import Convoy
from tests.pictures import encoded, noise, npy
from tests.servers import Server

keras = pytest.importorskip("keras")

MODELS = ["mnist", "mnist-dense", "mnist-gap", "fashion-mnist", "cats-dogs", "cats-dogs-gray", "cats-dogs-two-inputs"]
PHOTO = encoded(noise(90, 120, 3, seed=3), "JPEG", quality=90)
JSON = {"Accept": "application/json"}
NPY = {"Accept": "application/x-npy"}
MISSING = "/api/models/cats-dogs/preview?input=third"


def preview(server: Server, model: str, data: Any = PHOTO, **kwargs: Any) -> Any:
    return server.post(f"/api/models/{model}/preview", data, **kwargs)


def account(server: Server, model: str, data: Any = PHOTO, **kwargs: Any) -> Any:
    answer = preview(server, model, data, headers=JSON, **kwargs)
    assert answer.status_code == 200, answer.text
    return answer.json()


def picture_of(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        return np.asarray(image)


def inputs_of(server: Server, model: str) -> dict[str, NDArray[Any]]:
    names = [one["name"] for one in server.get(f"/api/models/{model}").json()["inputs"]]
    answers = {name: preview(server, model, headers=NPY, params={"input": name}) for name in names}
    assert {answer.headers["Content-Type"] for answer in answers.values()} == {"application/x-npy"}
    return {name: np.load(io.BytesIO(answer.content)) for name, answer in answers.items()}


@pytest.mark.parametrize("model", MODELS)
def test_the_numbers_shown_give_the_very_answer_that_the_picture_gives(mnist_server: Server, model: str) -> None:
    seen = inputs_of(mnist_server, model)

    as_numbers = {name: (f"{name}.npy", npy(array)) for name, array in seen.items()}
    expected = mnist_server.predict(model, PHOTO).json()["predictions"][0]["probabilities"]
    found = mnist_server.predict(model, files=as_numbers).json()["predictions"][0]["probabilities"]
    assert found == expected


def test_the_numbers_shown_are_those_of_keras_own_loader(mnist_server: Server) -> None:
    seen = inputs_of(mnist_server, "cats-dogs")

    image = keras.utils.load_img(io.BytesIO(PHOTO), target_size=(64, 64), interpolation="bilinear")
    expected = keras.utils.img_to_array(image) / 255
    assert np.array_equal(next(iter(seen.values())), expected[np.newaxis])


def test_the_picture_shown_has_a_pixel_for_each_of_the_input(mnist_server: Server) -> None:
    answer = preview(mnist_server, "cats-dogs")

    assert answer.headers["Content-Type"] == "image/png"
    image = keras.utils.load_img(io.BytesIO(PHOTO), target_size=(64, 64), interpolation="bilinear")
    assert np.array_equal(picture_of(answer.content), np.asarray(image))


def test_every_conversion_is_told_in_its_order(mnist_server: Server) -> None:
    cmyk = io.BytesIO()
    Image.fromarray(noise(30, 40, 4), "CMYK").save(cmyk, "JPEG")

    (found,) = account(mnist_server, "cats-dogs", cmyk.getvalue())["previews"]

    assert found["input"] == {"index": 0, "filename": None, "format": "JPEG", "size": [30, 40]}
    (tensor,) = found["tensors"]
    assert tensor["conversions"] == [
        "decoded JPEG 40x30 CMYK with Pillow",
        "converted from CMYK to RGB",
        "resized bilinear from 40x30 to 64x64",
        "scaled to 0..1: x / 255",
    ]
    assert (tensor["shape"], tensor["dtype"]) == ([1, 64, 64, 3], "float32")


def test_least_largest_and_mean_are_told_for_each_channel(mnist_server: Server) -> None:
    (tensor,) = account(mnist_server, "cats-dogs")["previews"][0]["tensors"]

    values = next(iter(inputs_of(mnist_server, "cats-dogs").values()))[0].astype(np.float64)
    for name, expected in (("min", values.min((0, 1))), ("max", values.max((0, 1))), ("mean", values.mean((0, 1)))):
        np.testing.assert_allclose(tensor[name], expected, rtol=1e-12)


def test_each_input_of_several_is_shown(mnist_server: Server) -> None:
    tensors = account(mnist_server, "cats-dogs-two-inputs")["previews"][0]["tensors"]
    shown = [
        picture_of(preview(mnist_server, "cats-dogs-two-inputs", params={"input": one["name"]}).content).shape
        for one in tensors
    ]

    assert [one["shape"] for one in tensors] == [[1, 64, 64, 1], [1, 32, 32, 3]]
    assert shown == [(64, 64), (32, 32, 3)]


def test_one_bad_image_does_not_cost_the_others_their_account(mnist_server: Server) -> None:
    files = [("image", ("good.jpg", PHOTO)), ("image", ("bad.png", b"no picture"))]

    good, bad = account(mnist_server, "mnist", None, files=files)["previews"]

    assert good["tensors"][0]["shape"] == [1, 28, 28, 1]
    assert bad["error"]["status"] == 400


@pytest.mark.parametrize(
    ("path", "files", "status", "says"),
    [
        ("/api/models/mnist/preview", [("image", ("x.jpg", b"no picture"))], 400, "no image"),
        ("/api/models/mnist/preview", [("image", ("x.jpg", PHOTO))] * 2, 422, "Only one image"),
        (MISSING, [("image", ("x.jpg", PHOTO))], 422, "There is no input 'third'"),
        ("/api/models/none/preview", [("image", ("x.jpg", PHOTO))], 404, "none"),
    ],
)
def test_what_cannot_be_shown_is_refused_in_words(
    mnist_server: Server, path: str, files: Any, status: int, says: str
) -> None:
    answer = mnist_server.post(path, files=files)

    assert answer.status_code == status, answer.text
    assert says in answer.json()["detail"]


def test_numbers_are_shown_as_the_picture_they_stand_for(mnist_server: Server) -> None:
    pixels = noise(28, 28, seed=5)

    answer = preview(mnist_server, "mnist", npy((pixels / np.float32(255)).astype(np.float32)))

    assert np.array_equal(picture_of(answer.content), pixels)


def test_of_a_batch_of_numbers_the_first_is_shown_and_that_is_said(mnist_server: Server) -> None:
    batch = noise(3, 28, 28, seed=5) / np.float32(255)

    (tensor,) = account(mnist_server, "mnist", npy(batch))["previews"][0]["tensors"]

    assert tensor["shape"] == [1, 28, 28, 1]
    np.testing.assert_allclose(tensor["mean"], batch[0].mean(dtype=np.float64), rtol=1e-6)
    assert tensor["warnings"] == ["The first of 3 examples is shown."]


def test_a_picture_the_other_way_round_is_warned_of_as_in_its_prediction(mnist_server: Server, examples: Path) -> None:
    drawn = (examples / "two-dark-on-light.png").read_bytes()

    (tensor,) = account(mnist_server, "mnist", drawn)["previews"][0]["tensors"]

    (warning,) = tensor["warnings"]
    assert warning.startswith("The picture looks dark on light")
    assert mnist_server.predict("mnist", drawn).json()["predictions"][0]["warnings"] == [warning]


def test_the_command_tells_and_writes_what_the_server_does(
    convoy: Convoy, mnist_server: Server, bundled_models: Path, tmp_path: Path
) -> None:
    (tmp_path / "photo.jpg").write_bytes(PHOTO)
    target = str(bundled_models / "cats-dogs/1/model.keras")

    told = convoy("preview", target, "photo.jpg", "--json", "--output", "seen.png")
    convoy("preview", target, "photo.jpg", "--output", "seen.npy")

    assert json.loads(told.stdout)["tensors"] == account(mnist_server, "cats-dogs")["previews"][0]["tensors"]
    assert (tmp_path / "seen.png").read_bytes() == preview(mnist_server, "cats-dogs").content
    assert np.array_equal(np.load(tmp_path / "seen.npy"), next(iter(inputs_of(mnist_server, "cats-dogs").values())))


def test_the_command_refuses_a_file_it_cannot_write(convoy: Convoy, bundled_models: Path) -> None:
    told = convoy("preview", bundled_models / "mnist/1/model.keras", "photo.jpg", "--output", "seen.jpg")

    assert told.returncode == 2
    assert told.stderr.strip() == "Error: seen.jpg ends in neither .png nor .npy; name the output so that it does."
