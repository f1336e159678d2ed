"""Labels that lie beside a model while a server runs: found without a `model.toml`, corrected without a build."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toys
from tests.pictures import noise, npy
from tests.servers import Server, wait_for

pytest.importorskip("keras")

Serve = Callable[..., Server]
SMALL = npy(noise(8, 8, 1, seed=5).astype(np.float32) / np.float32(255))


def labels(server: Server, name: str = "toy") -> Any:
    """Return what the card says of the labels of a model's only output."""
    return server.get(f"/api/models/{name}").json()["outputs"][0]["labels"]


def answered(server: Server, name: str = "toy") -> list[str]:
    """Return the labels of an answer, in class order."""
    top = server.predict(name, SMALL).json()["predictions"][0]["top"]
    return [one["label"] for one in sorted(top, key=lambda one: int(one["index"]))]


def diagnosis(server: Server, name: str = "toy") -> str:
    return str(server.get(f"/api/models/{name}").json().get("diagnosis") or "")


def wait_answered(server: Server, expected: list[str]) -> None:
    """Wait until every worker answers with these labels: ten fresh connections are spread over them."""
    wait_for(lambda: all(answered(server) == expected for _ in range(10)), what=f"the labels {expected}")


def test_a_label_file_beside_a_model_needs_no_model_toml(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/keras_model.h5")
    (folder / "toy/labels.txt").write_text("0 ant\n1 bee\n2 cow\n")

    server = serve(folder, workers=1).wait_ready()

    assert answered(server) == ["ant", "bee", "cow"]
    assert labels(server) == {"value": ["ant", "bee", "cow"], "source": "sidecar", "file": "labels.txt"}


def test_a_label_corrected_in_its_file_is_live_in_every_worker_without_a_build(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras")
    (folder / "toy/labels.txt").write_text("ant\nbee\ncwo\n")
    server = serve(folder, workers=2).wait_ready()
    wait_answered(server, ["ant", "bee", "cwo"])
    builds = server.log.count("built toy")

    (folder / "toy/labels.txt").write_text("ant\nbee\ncow\n")

    wait_answered(server, ["ant", "bee", "cow"])
    assert server.log.count("built toy") == builds


def test_a_label_corrected_in_model_toml_wins_over_the_file_without_a_build(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/1/model.keras")
    (folder / "toy/1/labels.txt").write_text("ant\nbee\ncwo\n")
    server = serve(folder, workers=2).wait_ready()
    builds = server.log.count("built toy")

    (folder / "toy/model.toml").write_text('labels = ["ant", "bee", "cow"]\n')

    wait_answered(server, ["ant", "bee", "cow"])
    assert labels(server)["file"] == "model.toml"
    assert server.log.count("built toy") == builds


def test_a_wrong_count_is_diagnosed_and_the_labels_before_it_stay(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy.keras")
    (folder / "toy.labels.txt").write_text("ant\nbee\ncow\n")
    server = serve(folder, workers=1).wait_ready()

    (folder / "toy.labels.txt").write_text("ant\nbee\n")
    wait_for(lambda: diagnosis(server), what="a diagnosis")

    assert "2 labels were given for 3 classes (toy.labels.txt: first 'ant', last 'bee')" in diagnosis(server)
    assert answered(server) == ["ant", "bee", "cow"]
    (folder / "toy.labels.txt").write_text("ant\nbee\ncrow\n")
    wait_answered(server, ["ant", "bee", "crow"])
    assert not diagnosis(server)


def test_a_model_whose_labels_do_not_fit_is_not_served_until_they_do(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy/model.keras")
    (folder / "toy/class_indices.json").write_text('{"ant": 0, "bee": 2}')
    server = serve(folder, workers=1)

    server.wait_state("toy", 1, "failed")
    assert "class_indices.json gives no label the index 1" in diagnosis(server)
    (folder / "toy/class_indices.json").write_text('{"ant": 0, "bee": 2, "cow": 1}')

    server.wait_state("toy", 1, "live")
    assert answered(server) == ["ant", "cow", "bee"]


def test_labels_beside_several_files_are_given_to_none_of_them(serve: Serve, tmp_path: Path) -> None:
    folder = tmp_path / "models"
    toys.copy_small_cnn(folder / "toy.keras", seed=1)
    toys.copy_small_cnn(folder / "other.keras", seed=2)
    (folder / "labels.txt").write_text("ant\nbee\ncow\n")

    server = serve(folder, workers=1).wait_ready()

    numbered = {"value": ["class_0", "class_1", "class_2"], "source": "default"}
    assert [labels(server, name) for name in ("toy", "other")] == [numbered, numbered]


def test_the_class_indices_of_a_keras_generator_are_the_labels(serve: Serve, tmp_path: Path) -> None:
    from tensorflow.keras.preprocessing.image import ImageDataGenerator  # as users import it

    for name in ("cow", "10", "9"):
        (tmp_path / "photos" / name).mkdir(parents=True)
    generator = ImageDataGenerator().flow_from_directory(tmp_path / "photos")
    toys.copy_small_cnn(tmp_path / "models/toy.keras")
    (tmp_path / "models/class_indices.json").write_text(json.dumps(generator.class_indices))

    server = serve(tmp_path / "models", workers=1).wait_ready()

    assert answered(server) == ["10", "9", "cow"]
