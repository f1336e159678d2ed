"""Hugging Face's own client, asked for image classification at our address."""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from numpy.typing import NDArray

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


@pytest.fixture(scope="module")
def model(url: str) -> str:
    return f"{url}/hf/models/mnist"


@pytest.fixture(scope="module")
def client(model: str) -> InferenceClient:
    return InferenceClient(model=model, token="not-looked-at", timeout=30)


def scores(found: list[Any]) -> dict[str, float]:
    return {one.label: one.score for one in found}


def test_a_raw_picture_is_classified(client: InferenceClient, picture: bytes, expected: NDArray[np.float32]) -> None:
    found = client.image_classification(picture)

    assert len(found) == 5
    assert found[0].label == "7"
    assert [one.score for one in found] == sorted((one.score for one in found), reverse=True)
    for label, score in scores(found).items():
        assert np.float32(score) == expected[0, int(label)]


def test_a_file_and_an_address_given_with_the_call_are_the_same(model: str, picture: bytes) -> None:
    path = EXAMPLES / "seven-light-on-dark.png"
    given: list[Any] = [path, str(path), picture]
    answers = [InferenceClient().image_classification(one, model=model) for one in given]
    assert answers == [answers[0]] * 3


def test_parameters_are_heard(client: InferenceClient, picture: bytes) -> None:
    assert len(client.image_classification(picture, top_k=3)) == 3
    assert len(client.image_classification(picture, top_k=100)) == 10


@pytest.mark.parametrize("function", ["softmax", "sigmoid", "none"])
def test_a_function_is_applied_to_the_models_own_outputs(
    client: InferenceClient, picture: bytes, expected: NDArray[np.float32], function: Any
) -> None:
    outputs = expected[0].astype(np.float64)
    wanted = {
        "none": outputs,
        "softmax": np.exp(outputs) / np.exp(outputs).sum(),
        "sigmoid": 1 / (1 + np.exp(-outputs)),
    }
    found = scores(client.image_classification(picture, top_k=10, function_to_apply=function))
    np.testing.assert_allclose([found[str(digit)] for digit in range(10)], wanted[function], rtol=1e-5, atol=1e-7)


def test_what_cannot_be_answered_is_told_in_the_clients_exception(url: str, client: InferenceClient) -> None:
    with pytest.raises(HfHubHTTPError, match="no image of a kind that can be decoded"):
        client.image_classification(b"no picture")
    with pytest.raises(HfHubHTTPError, match="There is no model 'nothing'"):
        client.image_classification(b"no picture", model=f"{url}/hf/models/nothing")


def test_base64_alone_is_what_the_client_sends(client: InferenceClient, picture: bytes) -> None:
    import requests

    body = {"inputs": base64.b64encode(picture).decode()}
    answer = requests.post(str(client.model), json=body, timeout=30).json()
    assert {one["label"]: one["score"] for one in answer} == scores(client.image_classification(picture))
