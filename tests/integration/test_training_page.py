"""The lines that docs/training.md adds to a training script: run as they stand there, and what they write is served."""

import io
import json
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.conftest import ROOT
from tests.servers import Server

keras = pytest.importorskip("keras")
pytestmark = pytest.mark.timeout(600)  # the first test waits for four trainings and four builds

PAGE = (ROOT / "docs/training.md").read_text("utf-8")
BLOCK = re.search(r"```python\n(.*?)```", PAGE, re.DOTALL)
ROWS = re.findall(r"^\| [^|]+ \| `(\w+)` \| `([^`]+)` \| `([^`]+)` \|$", PAGE, re.MULTILINE)[1:]  # without the head
COLOURS = {"Green": (20, 200, 30), "blue": (10, 30, 220), "red": (230, 20, 10)}  # as Keras sorts them
SIZE = 16


@dataclass(frozen=True, slots=True)
class Case:
    """A way to train: one row of the page's table, and the script that stands before its lines."""

    name: str
    row: int
    script: str
    head: dict[str, str]
    classes: int = 3

    @property
    def labels(self) -> list[str]:
        return list(COLOURS)[-self.classes :]

    @property
    def pictures(self) -> str:
        return {3: "three", 2: "two"}[self.classes]

    def whole_script(self) -> str:
        """Return the script with the page's lines behind it, adapted as the row of the table says."""
        assert BLOCK
        validation, names, recipe = ROWS[self.row]
        lines = BLOCK[1].replace("models/flowers", f"models/{self.name}")
        for what, value in {"validation": validation, "class_names": names, "scale, recipe": recipe}.items():
            lines, count = re.subn(rf"^{what} = .*$", f"{what} = {value}", lines, flags=re.MULTILINE)
            assert count == 1, what
        return PRELUDE + self.script + lines.replace('["daisy", "rose", "tulip"]', json.dumps(self.labels))


PRELUDE = f"""
import keras
from keras import layers

keras.utils.set_random_seed(1)


def trained(train, val, *ends, loss, inside=()):
    model = keras.Sequential([keras.Input(({SIZE}, {SIZE}, 3)), *inside, layers.Conv2D(8, 3, activation="relu"),
                              layers.GlobalAveragePooling2D(), *ends])
    model.compile("adam", loss=loss, metrics=["accuracy"])
    model.optimizer.learning_rate = 0.05
    model.fit(train, validation_data=val, epochs=25, verbose=0)
    return model


def datasets(folder, **options):
    return [keras.utils.image_dataset_from_directory(folder, image_size=({SIZE}, {SIZE}), validation_split=0.5, seed=1,
                                                     batch_size=4, subset=subset, **options)
            for subset in ("training", "validation")]

"""

DIRECTORY = """
train_ds, val_ds = datasets("three")
model = trained(train_ds, val_ds, layers.Dense(3, activation="softmax"), inside=[layers.Rescaling(1 / 255)],
                loss="sparse_categorical_crossentropy")
"""
MAPPED = """
train_ds, val_ds = datasets("three", label_mode="categorical")
mapped = [one.map(lambda x, y: (x / 255, y)).prefetch(1) for one in (train_ds, val_ds)]
val_ds = mapped[1]
model = trained(*mapped, layers.Dense(3, activation="sigmoid"), loss="categorical_crossentropy")
"""
OWN = """
import numpy as np
import tensorflow as tf

pictures, answers = map(np.concatenate, zip(*datasets("three")[1].as_numpy_iterator()))
train_ds = val_ds = tf.data.Dataset.from_tensor_slices((pictures / 255, answers)).batch(5)
model = trained(train_ds, val_ds, layers.Dense(3), loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
"""
GENERATOR = f"""
from tensorflow.keras.preprocessing.image import ImageDataGenerator

given = ImageDataGenerator(rescale=1 / 255, validation_split=0.5)
train_gen, val_gen = (given.flow_from_directory("two", target_size=({SIZE}, {SIZE}), class_mode="binary", batch_size=4,
                                                shuffle=False, subset=subset) for subset in ("training", "validation"))
model = trained(train_gen, val_gen, layers.Dense(1, activation="sigmoid"), loss="binary_crossentropy")
"""

CASES = {
    one.name: one
    for one in (
        Case("directory", 0, DIRECTORY, {"value": "softmax", "source": "graph"}),
        Case("mapped", 1, MAPPED, {"value": "sigmoid-exclusive", "source": "graph"}),
        Case("own", 2, OWN, {"value": "logits", "source": "guess"}),
        Case("generator", 3, GENERATOR, {"value": "binary", "source": "graph"}, classes=2),
    )
}
each = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def draw_squares(folder: Path, labels: list[str]) -> None:
    """Write ten pictures per label, larger than the model's input: squares of its colour with a little noise."""
    random = np.random.default_rng(0)
    for label in labels:
        (folder / label).mkdir(parents=True)
        for number in range(10):
            pixels = np.clip(np.array(COLOURS[label]) + random.integers(-20, 20, (24, 20, 3)), 0, 255)
            Image.fromarray(pixels.astype(np.uint8)).save(folder / label / f"{number}.png")


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which each way of training was run with the page's lines, in one process of its own."""
    folder = tmp_path_factory.mktemp("training")
    for case in (CASES["directory"], CASES["generator"]):
        draw_squares(folder / case.pictures, case.labels)
    for case in CASES.values():
        (folder / f"{case.name}.py").write_text(case.whole_script(), "utf-8")
    run_all = "import runpy, sys\nfor one in sys.argv[1:]: runpy.run_path(one)"
    scripts = [f"{name}.py" for name in CASES]
    done = subprocess.run([sys.executable, "-c", run_all, *scripts], cwd=folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def server(workplace: Path, cache: Path) -> Iterator[Server]:
    settings = {"cache_dir": cache, "poll_seconds": 0.2, "workers": 1}
    server = Server(workplace / "models", log=workplace / "server.log", settings=settings).start()
    try:
        yield server.wait_ready(seconds=300)
    finally:
        server.stop()


def golden(workplace: Path, case: Case) -> list[Path]:
    return sorted((workplace / "models" / case.name / "1/golden").glob("*/*.png"))


def test_every_row_of_the_pages_table_is_tried() -> None:
    assert sorted(case.row for case in CASES.values()) == list(range(len(ROWS)))


@each
def test_the_card_has_the_labels_from_the_sidecar_and_the_head_from_the_file(server: Server, case: Case) -> None:
    output = server.get(f"/api/models/{case.name}").json()["outputs"][0]
    assert output["labels"] == {"value": case.labels, "source": "sidecar", "file": "model.toml"}
    assert output["head"] == case.head


@each
def test_the_card_has_nothing_to_warn_of(server: Server, case: Case) -> None:
    card = server.get(f"/api/models/{case.name}").json()
    assert card["warnings"] == []
    assert card["provenance"] == {"accuracy": 1.0}
    _, _, recipe = ROWS[case.row]
    used = card["inputs"][0]["preprocessing"]
    said = dict(zip(("scale", "recipe"), re.findall(r'"(.*?)"', recipe), strict=True))
    assert {key: used[key] for key in said} == {key: {"value": one, "source": "sidecar"} for key, one in said.items()}


@each
def test_the_golden_pictures_get_their_labels_through_http(server: Server, workplace: Path, case: Case) -> None:
    pictures = golden(workplace, case)
    answers = [server.predict(case.name, one.read_bytes()).json()["predictions"][0] for one in pictures]

    assert [one.parent.name for one in pictures] == [label for label in sorted(case.labels) for _ in range(3)]
    assert [one["label"] for one in answers] == [one.parent.name for one in pictures]
    assert all(one["probability"] > 0.8 for one in answers)


@each
def test_the_pictures_it_was_trained_on_get_their_labels_too(server: Server, workplace: Path, case: Case) -> None:
    for label in case.labels:
        picture = workplace / case.pictures / label / "0.png"
        assert server.predict(case.name, picture.read_bytes()).json()["predictions"][0]["label"] == label


@each
def test_the_golden_pictures_are_what_the_model_saw(workplace: Path, case: Case) -> None:
    for path in golden(workplace, case):
        with Image.open(path) as picture:
            assert (picture.size, picture.mode) == ((SIZE, SIZE), "RGB")
            assert np.abs(np.asarray(picture).mean((0, 1)) - COLOURS[path.parent.name]).max() < 10


@each
def test_the_saved_file_has_a_loss_and_no_optimizer_state(workplace: Path, case: Case) -> None:
    with zipfile.ZipFile(workplace / "models" / case.name / "1/model.keras") as archive:
        compiled: dict[str, Any] = json.loads(archive.read("config.json"))["compile_config"]
        with h5py.File(io.BytesIO(archive.read("model.weights.h5"))) as weights:
            kept = len(weights["optimizer/vars"])
    assert compiled["loss"]
    assert kept == 2  # SGD's count of steps and its learning rate; Adam has two more for each weight


def test_include_optimizer_does_nothing_for_a_keras_file(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((64,)), keras.layers.Dense(1000)])
    model.compile("adam", loss="mse")
    model.train_on_batch(np.zeros((1, 64)), np.zeros((1, 1000)))
    model.save(tmp_path / "with.keras")
    model.save(tmp_path / "without.keras", include_optimizer=False)
    model.compile(optimizer="sgd", loss=model.loss)
    model.save(tmp_path / "page.keras")

    sizes = {path.stem: path.stat().st_size for path in tmp_path.glob("*.keras")}
    assert sizes["without"] == pytest.approx(sizes["with"], rel=0.01)
    assert sizes["page"] == pytest.approx(sizes["with"] / 3, rel=0.2)


def test_the_pages_check_of_the_golden_pictures_prints_their_labels_first(workplace: Path, cache: Path) -> None:
    found = re.search(r"^\$ convoy predict (.*)$", PAGE, re.MULTILINE)
    assert found
    command = f"{sys.executable} -m service.cli predict {found[1].replace('flowers', 'directory')} --cache-dir {cache}"
    done = subprocess.run(command, shell=True, cwd=workplace, capture_output=True, text=True, check=True)

    lines = done.stdout.splitlines()
    assert len(lines) == 9
    for line in lines:
        path, _, ranking = line.partition(": ")
        assert ranking.split()[0] == Path(path).parent.name
