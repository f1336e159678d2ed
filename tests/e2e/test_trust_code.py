"""`convoy build --trust-code`: the user's own layers are run on the user's own machine, and never by a server."""

import importlib.util
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toys
from tests.commands import Convoy
from tests.servers import Server

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")

CODE = """
from pathlib import Path

import keras

Path(__file__).with_suffix(".was_run").touch()


@keras.saving.register_keras_serializable(package="mine")
class Scaled(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, shape):
        self.gain = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, values):
        return values * self.gain * self.factor

    def get_config(self):
        return {**super().get_config(), "factor": self.factor}


class Shifted(keras.layers.Layer):
    def build(self, shape):
        self.offset = self.add_weight(shape=(shape[-1],), initializer="random_normal")

    def call(self, values):
        return values + self.offset


def bump(values):
    return keras.ops.relu(values) * 1.5
"""
PICTURE = np.linspace(0, 1, 64, dtype="float32").reshape(1, 8, 8, 1)


@pytest.fixture
def code(tmp_path: Path) -> Path:
    path = tmp_path / "my_layers.py"
    path.write_text(CODE)
    return path


def save_custom(path: Path, code: Path) -> Any:
    """Save a model of a registered layer, one that is not, and an activation, all defined in `code`."""
    spec = importlib.util.spec_from_file_location("my_layers", code)
    assert spec
    assert spec.loader
    mine = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(mine)
    keras.utils.set_random_seed(5)
    layers = keras.layers
    own = [mine.Scaled(3.0), mine.Shifted(), layers.Conv2D(3, 3, activation=mine.bump)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *own, layers.Flatten(), layers.Dense(2)])
    path.parent.mkdir(parents=True, exist_ok=True)
    model.save(path)
    was_run(code).unlink()
    return model


def was_run(code: Path) -> Path:
    return code.with_suffix(".was_run")


def npy(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def probabilities(model: Any) -> Any:
    return keras.ops.convert_to_numpy(keras.ops.softmax(model(PICTURE)))[0]


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_a_server_that_refused_a_model_serves_it_once_it_is_built_with_its_code(
    convoy: Convoy, serve: Callable[..., Server], tmp_path: Path, code: Path, suffix: str
) -> None:
    model = save_custom(tmp_path / f"models/own-{suffix}.{suffix}", code)
    server = serve(tmp_path / "models", workers=1)
    server.wait_state(f"own-{suffix}", 1, "failed")
    refusal = server.get(f"/api/models/own-{suffix}").json()["diagnosis"]

    done = convoy("build", "models", "--trust-code", "my_layers.py")
    assert done.returncode == 0, done.stderr
    was_run(code).unlink()
    server.wait_state(f"own-{suffix}", 1, "live")
    answer = server.predict(f"own-{suffix}", npy(PICTURE)).json()["predictions"][0]

    assert "--trust-code" in refusal
    np.testing.assert_allclose(answer["probabilities"], probabilities(model), atol=1e-5)
    assert server.get(f"/api/models/own-{suffix}").json()["source"]["trusted_code"] == "my_layers.py"
    assert not was_run(code).exists()


def test_code_that_was_changed_is_run_anew_and_stock_models_are_not(convoy: Convoy, tmp_path: Path, code: Path) -> None:
    save_custom(tmp_path / "folder/changed.keras", code)
    toys.save_small_cnn(tmp_path / "folder/stock.keras", seed=81)
    convoy("build", "folder/stock.keras")
    convoy("build", "folder", "--trust-code", code)
    code.write_text(CODE.replace("1.5", "raise_an_error"))

    again = convoy("build", "folder", "--trust-code", code, "--json")

    diagnoses = {one["name"]: one["diagnosis"] for one in json.loads(again.stdout)["builds"]}
    assert "raise_an_error" in diagnoses["changed"]
    assert diagnoses["stock"] is None
    assert again.stderr.count("loading with Keras") == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("raise ValueError('no\\nluck')", "my_layers.py does not run: ValueError: no luck"),
        ("def something_else(): ...", "`mine>Scaled`"),
    ],
)
def test_code_that_does_not_help_is_told_in_one_line(
    convoy: Convoy, tmp_path: Path, code: Path, text: str, said: str
) -> None:
    save_custom(tmp_path / "unhelped.keras", code)
    code.write_text(text)

    done = convoy("build", "unhelped.keras", "--trust-code", code)

    assert done.returncode == 1
    (line,) = [line for line in done.stderr.splitlines() if "failed:" in line]
    assert said in line
    assert done.stderr.splitlines()[-1] == line
    assert ("does not define it" in line) == text.startswith("def")


def test_a_lambda_stays_refused(convoy: Convoy, tmp_path: Path, code: Path) -> None:
    toys.save_with_lambda(tmp_path / "sneaky.keras", marker=tmp_path / "marker")

    done = convoy("build", "sneaky.keras", "--trust-code", code)

    assert done.returncode == 1
    assert "Lambda" in done.stderr
    assert not (tmp_path / "marker").exists()
