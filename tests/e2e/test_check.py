"""`convoy check`: what it says of good, old, broken and hostile files; each is built for real."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from tests import toys
from tests.commands import Convoy

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")


def findings(convoy: Convoy, target: Path) -> dict[str, Any]:
    result = convoy("check", target, "--json")
    return {Path(one["file"]).name: one for one in json.loads(result.stdout)["findings"]}


def test_a_folder_of_any_layout_is_put_into_a_table(convoy: Convoy, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "mine/old stuff/first try.keras", classes=5)
    toys.save_with_lambda(tmp_path / "mine/sneaky.keras", marker=tmp_path / "ran")
    (tmp_path / "mine/weights.h5").write_bytes(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n")
    result = convoy("check", "mine")
    lines = result.stdout.splitlines()

    assert result.returncode == 1
    assert lines[0].split() == ["file", "written", "by", "loaded", "by", "input", "head", "differs", "verdict"]
    assert "8x8 grey, 0..1" in lines[1]
    assert "softmax, 5 classes" in lines[1]
    assert lines[1].endswith("can be served")
    assert lines[2].endswith("cannot be served")
    assert "Lambda" in result.stdout
    assert "git lfs pull" in result.stdout
    assert "fits no" in result.stdout or "cannot be used in an address" in result.stdout
    assert lines[-1] == "1 of 3 can be served."
    assert not (tmp_path / "ran").exists()


def test_one_file_is_told_in_full(convoy: Convoy, tmp_path: Path) -> None:
    toys.copy_small_cnn(tmp_path / "flowers.keras")
    (tmp_path / "labels.txt").write_text("daisy\nrose\ntulip\n")
    result = convoy("check", "flowers.keras")
    told = " ".join(result.stdout.split())

    assert result.returncode == 0, result.stderr
    for said in (
        "verdict can be served",
        "written by Keras 3.15",
        "scale 0..1 (default)",
        "softmax, 3 classes (graph)",
        "daisy, rose, tulip (labels.txt)",
        "before the head",
    ):
        assert said in told, said


def test_in_a_models_folder_the_labels_are_those_that_a_server_takes(convoy: Convoy, tmp_path: Path) -> None:
    toys.copy_small_cnn(tmp_path / "models/flowers.keras")
    toys.copy_small_cnn(tmp_path / "models/others.keras")
    (tmp_path / "models/labels.txt").write_text("of\nnobody\n")
    (tmp_path / "models/flowers").mkdir()
    (tmp_path / "models/flowers/labels.txt").write_text("daisy\nrose\ntulip\n")

    found = findings(convoy, tmp_path / "models")
    labels = {name: one["card"]["outputs"][0]["labels"]["value"] for name, one in found.items()}

    assert labels["flowers.keras"] == ["daisy", "rose", "tulip"]
    assert labels["others.keras"] == ["class_0", "class_1", "class_2"]


def test_two_files_that_a_models_folder_could_not_have_are_noted(convoy: Convoy, tmp_path: Path) -> None:
    toys.copy_small_cnn(tmp_path / "models/flowers/first.keras")
    toys.copy_small_cnn(tmp_path / "models/flowers/second.keras")

    done = convoy("check", "models")

    assert done.returncode == 0
    said = " ".join(done.stdout.split())
    assert "In a models folder like this: 2 saved files claim to be version 1 of 'flowers'" in said


def test_what_is_no_file_does_not_end_the_look(convoy: Convoy, tmp_path: Path) -> None:
    toys.copy_small_cnn(tmp_path / "folder/sound.keras")
    os.mkfifo(tmp_path / "folder/pipe.keras")
    (tmp_path / "folder/gone.keras").symlink_to(tmp_path / "nowhere.keras")

    verdicts = {name: one["verdict"] for name, one in findings(convoy, tmp_path / "folder").items()}

    assert verdicts == {
        "gone.keras": "cannot be served",
        "pipe.keras": "cannot be served",
        "sound.keras": "can be served",
    }


def test_labels_that_do_not_fit_are_the_diagnosis(convoy: Convoy, tmp_path: Path) -> None:
    toys.copy_small_cnn(tmp_path / "flowers.keras")
    (tmp_path / "labels.txt").write_text("daisy\nrose\n")
    result = convoy("check", "flowers.keras")

    assert result.returncode == 1
    assert "2 labels were given for 3 classes" in " ".join(result.stdout.split())
    assert "written by   Keras 3.15" in result.stdout


def test_numbers_only_is_a_verdict_of_its_own(convoy: Convoy, tmp_path: Path) -> None:
    stack = [keras.Input((20,)), keras.layers.Dense(2, activation="softmax")]
    keras.Sequential(stack).save(tmp_path / "table.keras")

    assert findings(convoy, tmp_path / "table.keras")["table.keras"]["verdict"] == "numbers only"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "empty"),
        (b"PK\x03\x04 no more", "damaged"),
        (b"\x80\x04pickled", "Keras"),
        (b"\x89HDF\r\n\x1a\n", "damaged"),
    ],
)
def test_what_is_no_saved_model_is_diagnosed(convoy: Convoy, tmp_path: Path, content: bytes, said: str) -> None:
    (tmp_path / "broken.keras").write_bytes(content)
    found = findings(convoy, tmp_path / "broken.keras")["broken.keras"]

    assert found["card"] is None
    assert said in found["diagnosis"]


@pytest.mark.parametrize(("target", "said"), [("nowhere", "does not exist"), (".", "holds no saved model")])
def test_nothing_to_check_is_an_error_in_one_line(convoy: Convoy, target: str, said: str) -> None:
    result = convoy("check", target)

    assert result.returncode == 2
    assert said in result.stderr
    assert "Traceback" not in result.stderr
