"""HDF5 that reaches out of itself, or declares what it does not store."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from service.builder.scan import ScanLimits, scan_source
from service.errors import BrokenModelError, ModelError, UnsafeModelError, UnsupportedModelError

DENSE = {"class_name": "Dense", "config": {"name": "dense", "units": 2, "activation": "softmax"}}
CONFIG = {"class_name": "Sequential", "config": {"name": "net", "layers": [DENSE]}}


@pytest.fixture
def model(tmp_path: Path) -> Iterator[h5py.File]:
    """A small model as Keras writes it, open for a change or two."""
    with h5py.File(tmp_path / "model.h5", "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG).encode()
        file.attrs["keras_version"] = b"2.4.0"
        file.attrs["backend"] = "tensorflow"
        file.attrs["training_config"] = json.dumps({"loss": "sparse_categorical_crossentropy"})
        weights = file.create_group("model_weights/dense/dense")
        weights.attrs["weight_names"] = [b"dense/kernel:0"]
        weights.create_dataset("kernel:0", data=np.ones((8, 2), "float32"))
        yield file


def refusal(model: h5py.File, error: type[ModelError], **limits: int) -> str:
    path = Path(model.filename)
    model.close()
    with pytest.raises(error) as caught:
        scan_source(path, limits=ScanLimits(**limits))
    assert str(path.parent) not in caught.value.message
    return caught.value.message


def test_what_was_read_is_reported(model: h5py.File) -> None:
    path = Path(model.filename)
    model.close()
    report = scan_source(path)
    assert (report.kind, report.keras_version, report.written_with) == ("hdf5", "2.4.0", "Keras 2.4.0")
    assert (report.backend, report.loss) == ("tensorflow", "sparse_categorical_crossentropy")
    assert report.config == CONFIG
    assert report.size == path.stat().st_size


@pytest.mark.parametrize(
    ("training", "loss"),
    [
        (None, None),
        ("not JSON", None),
        ('{"loss": null}', None),
        (
            '{"loss": {"class_name": "BinaryCrossentropy", "config": {"from_logits": true}}}',
            "BinaryCrossentropy",
        ),
        ('{"loss": {"module": "m", "class_name": "function", "config": "focal"}}', "focal"),
        ('{"loss": {"a": "mse", "b": "mse"}}', "mse"),
        ('{"loss": ["mse", "mae"]}', None),
        ('{"loss": [null, "mse"]}', "mse"),
        ("[]", None),
    ],
)
def test_the_loss_is_read_as_data(model: h5py.File, training: str | None, loss: str | None) -> None:
    path = Path(model.filename)
    del model.attrs["training_config"]
    if training is not None:
        model.attrs["training_config"] = training
    model.close()
    assert scan_source(path).loss == loss


def test_weights_without_an_architecture_are_unsupported(model: h5py.File) -> None:
    del model.attrs["model_config"]
    assert "weights and no architecture" in refusal(model, UnsupportedModelError)


def test_an_architecture_without_weights_is_broken(model: h5py.File) -> None:
    del model["model_weights"]
    assert "an architecture and no weights" in refusal(model, BrokenModelError)


def test_an_external_link_is_refused(model: h5py.File) -> None:
    model["model_weights/dense/bias"] = h5py.ExternalLink("/etc/hostname", "/")
    assert "a link `model_weights/dense/bias`" in refusal(model, UnsafeModelError)


@pytest.mark.parametrize("target", ["/model_weights", "/nowhere", "../x"])
def test_a_soft_link_is_refused(model: h5py.File, target: str) -> None:
    model["model_weights/soft"] = h5py.SoftLink(target)
    assert "a link `model_weights/soft`" in refusal(model, UnsafeModelError)


def test_a_loop_of_hard_links_is_refused(model: h5py.File) -> None:
    model["model_weights/again"] = model["/"]
    assert "occurs twice" in refusal(model, UnsafeModelError)


def test_a_name_that_leads_upwards_is_refused(model: h5py.File) -> None:
    h5py.h5g.create(model["model_weights"].id, b"sub")
    plain = h5py.h5d.create(model.id, None, h5py.h5t.NATIVE_FLOAT, h5py.h5s.create(h5py.h5s.SCALAR))
    h5py.h5o.link(plain, model["model_weights"].id, b"..")
    assert "path to somewhere else" in refusal(model, UnsafeModelError)


def test_external_storage_is_refused(model: h5py.File, tmp_path: Path) -> None:
    outside = tmp_path / "outside.bin"
    outside.write_bytes(bytes(64))
    model.create_dataset("model_weights/x", (16,), "float32", external=[(str(outside), 0, 64)])
    assert "in another file" in refusal(model, UnsafeModelError)


def test_a_virtual_dataset_is_refused(model: h5py.File) -> None:
    layout = h5py.VirtualLayout((16,), "float32")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (16,))
    model.create_virtual_dataset("model_weights/x", layout)
    assert "in another file" in refusal(model, UnsafeModelError)


BOMBS: dict[str, Callable[[h5py.File], Any]] = {
    "never written": lambda file: file.create_dataset("model_weights/x", (2**32,), "float32"),
    "chunked": lambda file: file.create_dataset("model_weights/x", (2**40,), "float32", chunks=(1024,)),
    "one huge chunk": lambda file: file.create_dataset(
        "model_weights/x", (4,), "float32", chunks=(2**28,), maxshape=(None,)
    ),
    "zeros, compressed": lambda file: file.create_dataset(
        "model_weights/x", data=np.zeros(2**25, "float32"), compression="gzip"
    ),
    "in the optimizer": lambda file: file.create_dataset("optimizer_weights/x", (2**32,), "float32"),
}


@pytest.mark.parametrize("forge", BOMBS.values(), ids=BOMBS.keys())
def test_a_shape_far_beyond_what_is_stored_is_refused(model: h5py.File, forge: Callable[[h5py.File], Any]) -> None:
    forge(model)
    message = refusal(model, UnsafeModelError)
    assert "_weights/x` declares" in message
    assert "fill the memory" in message


def test_many_small_bombs_are_refused_together(model: h5py.File) -> None:
    for index in range(64):
        model.create_dataset(f"model_weights/{index}", (2**22,), "float32", chunks=(1024,))
    assert "The weights declare 1.0 GiB in a file of" in refusal(model, UnsafeModelError)


def test_more_weights_than_the_limit_are_refused(model: h5py.File) -> None:
    model.create_dataset("model_weights/x", data=np.ones(1000, "float32"))
    assert "at most 2.0 KiB" in refusal(model, UnsafeModelError, max_unpacked_bytes=2048)


TYPES = {
    "strings of any length": h5py.string_dtype(),
    "arrays of any length": h5py.vlen_dtype(np.dtype("float32")),
    "references": h5py.ref_dtype,
    "records": np.dtype([("a", "f4"), ("b", "i4")]),
    "raw bytes": np.dtype("V16"),
}


@pytest.mark.parametrize("dtype", TYPES.values(), ids=TYPES.keys())
def test_weights_that_are_not_numbers_are_refused(model: h5py.File, dtype: Any) -> None:
    model.create_dataset("model_weights/x", (3,), dtype)
    assert "weights are numbers" in refusal(model, UnsafeModelError)


@pytest.mark.parametrize("dtype", ["float16", "int8", "bool", "V2", "V1", "S8"])
def test_types_that_keras_writes_pass(model: h5py.File, dtype: str) -> None:
    path = Path(model.filename)
    model.create_dataset("model_weights/x", (3,), dtype)
    model.close()
    assert scan_source(path).kind == "hdf5"


def test_an_attribute_that_refers_to_objects_is_refused(model: h5py.File) -> None:
    model["model_weights"].attrs["who"] = model["model_weights"].ref
    assert "neither text nor number" in refusal(model, UnsafeModelError)


def test_a_named_type_is_unsupported(model: h5py.File) -> None:
    model["model_weights/type"] = np.dtype("float64")
    assert "neither group nor array" in refusal(model, UnsupportedModelError)


def test_the_number_of_objects_is_bounded(model: h5py.File) -> None:
    for index in range(20):
        model.create_group(f"model_weights/{index}")
    assert "more than 10 objects" in refusal(model, UnsafeModelError, max_objects=10)


def test_an_architecture_that_is_no_text_is_broken(model: h5py.File) -> None:
    model.attrs["model_config"] = np.arange(3)
    assert "is no text" in refusal(model, BrokenModelError)


@pytest.mark.parametrize("text", [b"{", b"\xff\xfe", b"", b"[]", b'{"class_name": 3, "config": 1}'])
def test_an_architecture_that_is_no_json_is_broken(model: h5py.File, text: bytes) -> None:
    model.attrs["model_config"] = text if text else h5py.Empty("S1")
    refusal(model, BrokenModelError)


def test_a_truncated_file_is_broken(model: h5py.File) -> None:
    path = Path(model.filename)
    model.close()
    whole = path.read_bytes()
    for length in range(8, len(whole) - 1, 97):
        path.write_bytes(whole[:length])
        with pytest.raises(BrokenModelError, match="cut off or damaged"):
            scan_source(path)


def test_flipped_bytes_never_raise_anything_but_a_diagnosis(model: h5py.File) -> None:
    path = Path(model.filename)
    model.close()
    whole = path.read_bytes()
    for offset in range(8, len(whole), 31):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0xFF]) + whole[offset + 1 :])
        try:
            scan_source(path)
        except ModelError:
            continue
