"""KServe's own client, with both of its protocols."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import numpy as np
import pytest
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from numpy.typing import NDArray

Array = NDArray[Any]


def asked(protocol: str, ask: Callable[[Any], Awaitable[Any]]) -> Any:
    """Return what a client of its own gives: it belongs to one event loop."""

    async def run() -> Any:
        client = InferenceRESTClient(RESTConfig(protocol=protocol, timeout=30))
        try:
            return await ask(client)
        finally:
            await client.close()

    return asyncio.run(run())


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_server_and_model_are_live_and_ready(url: str, protocol: str) -> None:
    if protocol == "v2":
        assert asked(protocol, lambda client: client.is_server_ready(url)) is True
    assert asked(protocol, lambda client: client.is_server_live(url)) is True
    assert asked(protocol, lambda client: client.is_model_ready(url, "mnist")) is True


def input_name(url: str) -> str:
    import requests

    return str(requests.get(f"{url}/v2/models/mnist", timeout=30).json()["inputs"][0]["name"])


@pytest.mark.parametrize("binary", [True, False])
def test_v2_gives_the_models_own_outputs(url: str, pixels: Array, expected: Array, binary: bool) -> None:
    one = InferInput(input_name(url), list(pixels.shape), "FP32")
    one.set_data_from_numpy(pixels, binary_data=binary)
    request = InferRequest(model_name="mnist", infer_inputs=[one])

    found = asked("v2", lambda client: client.infer(url, request, model_name="mnist"))

    assert found.model_name == "mnist"
    assert np.array_equal(found.outputs[0].as_numpy(), expected)


def test_v1_gives_the_models_own_outputs(url: str, pixels: Array, expected: Array) -> None:
    found = asked("v1", lambda client: client.infer(url, {"instances": pixels.tolist()}, model_name="mnist"))

    assert np.array_equal(np.array(found["predictions"], np.float32), expected)


def test_v1_explains(url: str, pixels: Array) -> None:
    found = asked("v1", lambda client: client.explain(url, "mnist", {"instances": pixels[:1].tolist()}))

    (explanation,) = found["explanations"]
    assert np.shape(explanation["tensors"][0]["heatmap"]) == (28, 28)


@pytest.mark.parametrize("protocol", ["v1", "v2"])
def test_an_unknown_model_is_told(url: str, protocol: str) -> None:
    with pytest.raises(Exception, match=r"(?i)not found|no model|could not find"):
        asked(protocol, lambda client: client.infer(url, {"instances": [1], "inputs": []}, model_name="none"))
