"""Files as they lie in the folder: what they are told apart by, and archives that do harm."""

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from service.builder.scan import ScanLimits, scan_source
from service.errors import BrokenModelError, ModelError, UnsafeModelError, UnsupportedModelError

CONFIG = {
    "module": "keras",
    "class_name": "Sequential",
    "config": {"name": "net", "layers": []},
    "registered_name": None,
    "compile_config": {"loss": "categorical_crossentropy"},
}
METADATA = {"keras_version": "3.15.1", "date_saved": "2026-01-01@00:00:00"}


def weights(**datasets: Any) -> bytes:
    memory = io.BytesIO()
    with h5py.File(memory, "w") as file:
        variables = file.create_group("layers/dense/vars")
        variables["0"] = np.ones((8, 2), "float32")
        for name, data in datasets.items():
            variables[name] = data
    return memory.getvalue()


def archive(
    path: Path,
    config: str | bytes | None = None,
    *,
    add: Callable[[zipfile.ZipFile], Any] = lambda _: None,
    data: bytes | None = None,
    compression: int = zipfile.ZIP_STORED,
) -> Path:
    """Write a `.keras` file as Keras does, with one thing added or changed."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("metadata.json", json.dumps(METADATA))
        file.writestr("config.json", json.dumps(CONFIG) if config is None else config)
        file.writestr("model.weights.h5", weights() if data is None else data)
        add(file)
    return path


def refusal(path: Path, error: type[ModelError], **limits: int) -> str:
    with pytest.raises(error) as caught:
        scan_source(path, limits=ScanLimits(**limits))
    assert str(path.parent) not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_what_was_read_is_reported(tmp_path: Path, compression: int) -> None:
    path = archive(tmp_path / "model.keras", compression=compression)
    report = scan_source(path)
    assert (report.kind, report.keras_version, report.written_with) == ("keras", "3.15.1", "Keras 3.15.1")
    assert (report.backend, report.loss) == (None, "categorical_crossentropy")
    assert report.config == CONFIG
    assert report.size == path.stat().st_size


def test_the_bytes_decide_not_the_suffix(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG)
        file.create_group("model_weights")
    assert scan_source(path).kind == "hdf5"
    assert scan_source(archive(tmp_path / "model.h5")).kind == "keras"


def test_a_version_that_is_not_recorded_is_no_reason_to_refuse(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(CONFIG))
        file.writestr("model.weights.h5", weights())
    report = scan_source(path)
    assert (report.keras_version, report.written_with) == (None, "Keras (version not recorded)")


FOREIGN: dict[str, tuple[bytes, type[ModelError], str]] = {
    "empty": (b"", BrokenModelError, "is empty"),
    "Git LFS": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
        BrokenModelError,
        "git lfs pull",
    ),
    "zeros": (bytes(4096), BrokenModelError, "zeros only"),
    "empty zip": (b"PK\x05\x06" + bytes(18), BrokenModelError, "empty or split"),
    "PNG": (b"\x89PNG\r\n\x1a\n" + bytes(50), UnsupportedModelError, "a PNG picture"),
    "web page": (b"\n<!DOCTYPE html><html>", UnsupportedModelError, "a web page"),
    "JSON": (b'{"class_name": "Sequential"}', UnsupportedModelError, "JSON text"),
    "pickle": (b"\x80\x04\x95", UnsupportedModelError, "a pickle"),
    "gzip": (b"\x1f\x8b\x08", UnsupportedModelError, "unpack it first"),
    "TFLite": (b"\x1c\x00\x00\x00TFL3", UnsupportedModelError, "LiteRT"),
    "tar": (bytes(256) + b"\x00ustar\x00", UnsupportedModelError, "a tar archive"),
    "anything": (b"hello", UnsupportedModelError, "no saved Keras model"),
}


@pytest.mark.parametrize(("data", "error", "what"), FOREIGN.values(), ids=FOREIGN.keys())
def test_what_is_no_model_is_told_apart(tmp_path: Path, data: bytes, error: type[ModelError], what: str) -> None:
    path = tmp_path / "model.keras"
    path.write_bytes(data)
    message = refusal(path, error)
    assert message.startswith("`model.keras` ")
    assert what in message


def test_a_folder_and_a_missing_file_have_their_diagnosis(tmp_path: Path) -> None:
    assert "This is a folder" in refusal(tmp_path, UnsupportedModelError)
    assert "is no file, or is gone" in refusal(tmp_path / "gone.keras", BrokenModelError)


@pytest.mark.parametrize(
    ("member", "what"),
    [
        ("archive/data.pkl", "a PyTorch model"),
        ("net/saved_model.pb", "a zipped SavedModel"),
        ("net/config.json", "a zipped folder around"),
        ("net.h5", "around an HDF5 model"),
        ("readme.txt", "it holds no `config.json`"),
    ],
)
def test_a_zip_of_something_else_is_told_apart(tmp_path: Path, member: str, what: str) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr(member, b"x")
    assert what in refusal(path, UnsupportedModelError)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_any_truncation_is_a_diagnosis(tmp_path: Path, compression: int) -> None:
    path = archive(tmp_path / "model.keras", compression=compression)
    whole = path.read_bytes()
    for length in range(0, len(whole), 3):
        path.write_bytes(whole[:length])
        with pytest.raises(ModelError):
            scan_source(path)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_flipped_bytes_never_raise_anything_but_a_diagnosis(tmp_path: Path, compression: int) -> None:
    path = archive(tmp_path / "model.keras", compression=compression)
    whole = path.read_bytes()
    for offset in range(0, len(whole), 5):
        path.write_bytes(whole[:offset] + bytes([whole[offset] ^ 0xFF]) + whole[offset + 1 :])
        try:
            scan_source(path)
        except ModelError:
            continue


@pytest.mark.parametrize("name", ["../config.json", "/etc/passwd", "a/../../b", "C:/x", "a\\b", "assets/../x"])
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr(name, "x"))
    assert "outside of the folder" in refusal(path, UnsafeModelError)


def test_a_name_with_a_nul_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr("config.json_x", "x"))
    path.write_bytes(path.read_bytes().replace(b"config.json_x", b"config.json\0x"))
    assert "outside of the folder" in refusal(path, UnsafeModelError)


def test_a_link_is_refused(tmp_path: Path) -> None:
    link = zipfile.ZipInfo("assets/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr(link, "/etc/passwd"))
    assert "is a link or a device" in refusal(path, UnsafeModelError)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr("config.json", "{}"))
    assert "two members of the same name" in refusal(path, UnsafeModelError)


@pytest.mark.parametrize("name", ["model.weights.npz", "setup.py", "__MACOSX/._config.json"])
def test_a_member_that_keras_never_writes_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr(name, "x"))
    assert f"`{name}`, which Keras never writes" in refusal(path, UnsafeModelError)


def test_assets_are_unsupported(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", add=lambda file: file.writestr("assets/layers/text/vocabulary.txt", "cat"))
    assert "a word list of a text layer" in refusal(path, UnsupportedModelError)


def test_the_number_of_members_is_bounded(tmp_path: Path) -> None:
    def add(file: zipfile.ZipFile) -> None:
        for index in range(100):
            file.writestr(f"assets/{index}", "x")

    assert "has 103 members" in refusal(archive(tmp_path / "model.keras", add=add), UnsafeModelError)


def test_a_list_of_members_of_any_length_is_not_read(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras")
    assert "list of members claims" in refusal(path, UnsafeModelError, max_directory_bytes=100)


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", data=bytes(2**27), compression=zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    assert "to 128.0 MiB: a way to fill" in refusal(path, UnsafeModelError)


def test_members_may_not_unpack_to_more_than_the_limit(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras")
    assert "at most 1.0 KiB are unpacked" in refusal(path, UnsafeModelError, max_unpacked_bytes=1024)


def test_a_large_architecture_is_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras", " " * 5000 + json.dumps(CONFIG))
    assert "over 4.0 KiB" in refusal(path, UnsafeModelError, max_config_bytes=4096)


def test_an_encrypted_member_is_unsupported(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras")
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    data[at + 8] |= 1
    path.write_bytes(bytes(data))
    assert "is encrypted" in refusal(path, UnsupportedModelError)


@pytest.mark.parametrize("compression", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_rare_compressions_are_unsupported(tmp_path: Path, compression: int) -> None:
    path = archive(tmp_path / "model.keras", compression=compression)
    assert "compressed in a rare way" in refusal(path, UnsupportedModelError)


def test_a_wrong_checksum_is_broken(tmp_path: Path) -> None:
    path = archive(tmp_path / "model.keras")
    path.write_bytes(path.read_bytes().replace(b'"name": "net"', b'"name": "bet"'))
    refusal(path, BrokenModelError)


@pytest.mark.parametrize(
    ("config", "error", "what"),
    [
        ("[" * 100_000 + "]" * 100_000, UnsafeModelError, "nests its brackets"),
        ('{"class_name":' * 1500 + "1" + "}" * 1500, UnsafeModelError, "nests its brackets"),
        (json.dumps(CONFIG)[:-1] + ', "class_name": "Lambda"}', UnsafeModelError, "key `class_name` twice"),
        ("{", BrokenModelError, "not valid JSON"),
        (b"\xff\xfe\xff", BrokenModelError, "not valid JSON"),
        ("", BrokenModelError, "not valid JSON"),
        ("1" * 5000, BrokenModelError, "not valid JSON"),
        ("[]", BrokenModelError, "no Keras model"),
    ],
)
def test_an_architecture_that_cannot_be_read(
    tmp_path: Path, config: str | bytes, error: type[ModelError], what: str
) -> None:
    assert what in refusal(archive(tmp_path / "model.keras", config), error)


def test_an_architecture_without_weights_is_broken(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("config.json", json.dumps(CONFIG))
    assert "no weights" in refusal(path, BrokenModelError)


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
@pytest.mark.parametrize(
    ("trap", "what"),
    [
        ({"1": h5py.ExternalLink("/etc/hostname", "/")}, "a link `layers/dense/vars/1`"),
        ({"1": h5py.SoftLink("/layers")}, "a link `layers/dense/vars/1`"),
    ],
)
def test_weights_inside_the_archive_are_looked_through(
    tmp_path: Path, compression: int, trap: dict[str, Any], what: str
) -> None:
    path = archive(tmp_path / "model.keras", data=weights(**trap), compression=compression)
    assert what in refusal(path, UnsafeModelError)


def test_weights_that_are_no_hdf5_are_broken(tmp_path: Path) -> None:
    assert "cut off or damaged" in refusal(archive(tmp_path / "m.keras", data=b"\x89HDF"), BrokenModelError)


def test_an_archive_hidden_behind_hdf5_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps(CONFIG)
        file.create_group("model_weights")
    path.write_bytes(path.read_bytes() + archive(tmp_path / "inner.keras").read_bytes())
    assert "hidden at its end" in refusal(path, UnsafeModelError)
