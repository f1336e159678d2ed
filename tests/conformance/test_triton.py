"""NVIDIA's own client: every method that it has for health, metadata, inference, statistics and the repository."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from numpy.typing import NDArray
from tritonclient.utils import InferenceServerException

Array = NDArray[Any]
CLASSES = 10


@pytest.fixture(scope="module")
def client(url: str) -> Iterator[Any]:
    with triton.InferenceServerClient(url.removeprefix("http://")) as found:
        yield found


@pytest.fixture(scope="module")
def names(client: Any) -> tuple[str, str]:
    metadata = client.get_model_metadata("mnist")
    return metadata["inputs"][0]["name"], metadata["outputs"][0]["name"]


def tensor(name: str, values: Array, datatype: str = "FP32", *, binary: bool = True) -> Any:
    found = triton.InferInput(name, list(values.shape), datatype)
    found.set_data_from_numpy(values, binary_data=binary)
    return found


def test_server_and_model_are_live_and_ready(client: Any) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("mnist")
    assert client.is_model_ready("mnist", "1")
    assert not client.is_model_ready("mnist", "9")
    assert not client.is_model_ready("none")


def test_the_server_says_what_it_can(client: Any) -> None:
    found = client.get_server_metadata()

    assert found["name"] == "convoy"
    assert {"classification", "binary_tensor_data", "statistics", "model_repository"} <= set(found["extensions"])


def test_metadata_and_configuration_describe_the_model(client: Any, names: tuple[str, str]) -> None:
    metadata, configuration = client.get_model_metadata("mnist", "1"), client.get_model_config("mnist")

    assert metadata["versions"] == ["1"]
    assert metadata["inputs"] == [{"name": names[0], "datatype": "FP32", "shape": [-1, 28, 28, 1]}]
    assert metadata["outputs"] == [{"name": names[1], "datatype": "FP32", "shape": [-1, 10]}]
    assert configuration["max_batch_size"] > 0
    (one,) = configuration["input"]
    assert (one["data_type"], one["format"], one["dims"]) == ("TYPE_FP32", "FORMAT_NHWC", [28, 28, 1])
    assert configuration["output"][0]["dims"] == [10]


@pytest.mark.parametrize("sent_binary", [True, False])
@pytest.mark.parametrize("got_binary", [True, False, None])
def test_outputs_are_the_models_own_bit_for_bit(
    client: Any, names: tuple[str, str], pixels: Array, expected: Array, sent_binary: bool, got_binary: bool | None
) -> None:
    wanted = None if got_binary is None else [triton.InferRequestedOutput(names[1], binary_data=got_binary)]

    found = client.infer("mnist", [tensor(names[0], pixels, binary=sent_binary)], outputs=wanted, request_id="abc")

    assert np.array_equal(found.as_numpy(names[1]), expected)
    answer = found.get_response()
    assert (answer["id"], answer["model_name"], answer["model_version"]) == ("abc", "mnist", "1")


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_bodies_may_be_compressed_both_ways(
    client: Any, names: tuple[str, str], pixels: Array, expected: Array, algorithm: str
) -> None:
    found = client.infer(
        "mnist",
        [tensor(names[0], pixels)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )

    assert np.array_equal(found.as_numpy(names[1]), expected)


def test_encoded_images_are_sent_as_bytes(client: Any, names: tuple[str, str], picture: bytes, expected: Array) -> None:
    images = np.array([picture, picture, picture], np.object_)

    found = client.infer("mnist", [tensor(names[0], images, "BYTES")])

    assert np.array_equal(found.as_numpy(names[1]), np.repeat(expected, 3, axis=0))


def test_encoded_images_are_sent_in_json_as_base64(
    client: Any, names: tuple[str, str], picture: bytes, expected: Array
) -> None:
    import base64

    images = np.array([base64.b64encode(picture).decode()], np.object_)

    found = client.infer("mnist", [tensor(names[0], images, "BYTES", binary=False)])

    assert np.array_equal(found.as_numpy(names[1]), expected)


@pytest.mark.parametrize("binary", [True, False])
def test_classes_come_with_value_index_and_label(
    client: Any, names: tuple[str, str], pixels: Array, expected: Array, binary: bool
) -> None:
    wanted = triton.InferRequestedOutput(names[1], binary_data=binary, class_count=3)

    found = client.infer("mnist", [tensor(names[0], pixels)], outputs=[wanted]).as_numpy(names[1])

    order = np.argsort(-expected[0])[:3]
    texts = [one.decode() if isinstance(one, bytes) else one for one in found[0]]
    assert found.shape == (1, 3)
    assert texts == [f"{expected[0][index]:f}:{index}:{index}" for index in order]


@pytest.mark.parametrize("dtype", ["float64", "float16", "uint8", "int64", "int32", "bool"])
def test_numbers_of_other_types_are_taken_where_nothing_is_lost(
    client: Any, names: tuple[str, str], pixels: Array, dtype: str
) -> None:
    datatypes = {"float64": "FP64", "float16": "FP16", "uint8": "UINT8", "int64": "INT64", "int32": "INT32"}
    bits = (pixels > 0.5).astype(dtype)

    found = client.infer("mnist", [tensor(names[0], bits, datatypes.get(dtype, "BOOL"))]).as_numpy(names[1])

    same = client.infer("mnist", [tensor(names[0], bits.astype(np.float32))]).as_numpy(names[1])
    assert np.array_equal(found, same)


def test_several_inputs_are_found_by_name(client: Any, url: str) -> None:
    metadata = client.get_model_metadata("cats-dogs-two-inputs")
    random = np.random.default_rng(1)
    values = {one["name"]: random.random([2, *one["shape"][1:]], np.float32) for one in reversed(metadata["inputs"])}

    found = client.infer("cats-dogs-two-inputs", [tensor(name, one) for name, one in values.items()])

    assert found.as_numpy(metadata["outputs"][0]["name"]).shape == (2, 1)


def test_a_raw_body_is_the_only_input(client: Any, names: tuple[str, str], pixels: Array, expected: Array) -> None:
    body = pixels.tobytes()
    answer = client._post(  # the client has no public method for it
        "v2/models/mnist/infer", body, {"Inference-Header-Content-Length": "0"}, None
    )

    assert answer.status_code == 200
    head = int(answer.get("Inference-Header-Content-Length"))
    assert np.array_equal(np.frombuffer(answer.read()[head:], np.float32), expected[0])


def test_requests_may_run_side_by_side(url: str, names: tuple[str, str], pixels: Array, expected: Array) -> None:
    with triton.InferenceServerClient(url.removeprefix("http://"), concurrency=4) as client:
        waiting = [client.async_infer("mnist", [tensor(names[0], pixels)]) for _ in range(8)]
        found = [one.get_result().as_numpy(names[1]) for one in waiting]

    assert all(np.array_equal(one, expected) for one in found)


def test_statistics_count_what_was_answered_over_all_workers(
    client: Any, names: tuple[str, str], pixels: Array
) -> None:
    def counted() -> tuple[int, int, int, int]:
        (one,) = client.get_inference_statistics("mnist", "1")["model_stats"]
        stats = one["inference_stats"]
        return one["inference_count"], one["execution_count"], stats["success"]["count"], stats["fail"]["count"]

    before = counted()
    for _ in range(6):
        client.infer("mnist", [tensor(names[0], np.repeat(pixels, 3, axis=0))])
    with pytest.raises(InferenceServerException):
        client.infer("mnist", [tensor(names[0], pixels[:, :9])])
    after = counted()

    assert tuple(np.subtract(after, before)) == (18, 6, 6, 1)
    (one,) = client.get_inference_statistics("mnist")["model_stats"]
    assert one["inference_stats"]["compute_infer"]["ns"] > 0


def test_the_index_lists_every_model(client: Any) -> None:
    listed = client.get_model_repository_index()

    assert {one["name"]: one["state"] for one in listed}["mnist"] == "READY"
    assert len(listed) == 8


def test_a_model_is_unloaded_and_loaded_again(client: Any, admin_key: str) -> None:
    def key() -> dict[str, str]:  # a dictionary for each call: the client writes into it
        return {"Authorization": f"Bearer {admin_key}"}

    client.unload_model("mnist-gap", headers=key())
    unloaded = {one["name"]: one for one in client.get_model_repository_index()}["mnist-gap"]
    ready = client.is_model_ready("mnist-gap")
    client.load_model("mnist-gap", headers=key())

    assert (unloaded["state"], unloaded["reason"]) == ("UNAVAILABLE", "unloaded by an administrator")
    assert not ready
    assert client.is_model_ready("mnist-gap")


def test_loading_and_unloading_ask_for_the_key(client: Any, admin_key: str) -> None:
    for change in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException) as caught:
            change("mnist")
        assert caught.value.status() == "401"
    assert client.is_model_ready("mnist")


@pytest.mark.parametrize(
    ("model", "shape", "status", "says"),
    [
        ("none", (1, 28, 28, 1), "404", "Request for unknown model: 'none' is not found"),
        ("mnist", (1, 27, 28, 1), "400", "[1, 27, 28, 1]"),
        ("mnist", (0, 28, 28, 1), "400", "no example"),
    ],
)
def test_errors_are_the_clients_own(
    client: Any, names: tuple[str, str], model: str, shape: tuple[int, ...], status: str, says: str
) -> None:
    with pytest.raises(InferenceServerException) as caught:
        client.infer(model, [tensor(names[0], np.zeros(shape, np.float32))])

    assert caught.value.status() == status
    assert says in caught.value.message()


def test_unknown_names_are_refused_in_words(client: Any, names: tuple[str, str], pixels: Array) -> None:
    with pytest.raises(InferenceServerException, match="unexpected inference input 'other'"):
        client.infer("mnist", [tensor("other", pixels)])
    with pytest.raises(InferenceServerException, match="unexpected inference output 'other'"):
        client.infer("mnist", [tensor(names[0], pixels)], outputs=[triton.InferRequestedOutput("other")])
