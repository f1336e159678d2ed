"""The nets that docs/layers.md compares: what is scrambled, what is put in another order, what a run leaves behind."""

import shutil
import tomllib
from pathlib import Path

import numpy as np
import pytest

from service.repository.sidecar import parse_sidecar

keras = pytest.importorskip("keras")

from zoo.datasets import Labelled, Split  # noqa: E402 (only after the skip)
from zoo.experiments import NETS, SEEDS, conv_strides, scrambled, train_versions, write_reordered  # noqa: E402


def digits(count: int) -> Labelled:
    random = np.random.default_rng(0)
    return Labelled((random.random((count, 28, 28, 1), dtype=np.float32),), random.integers(0, 10, count))


def test_every_picture_is_scrambled_alike_and_loses_no_pixel() -> None:
    images = np.stack([np.arange(784, dtype=np.float32).reshape(28, 28, 1)] * 2)

    mixed = scrambled(images)

    assert (mixed[0] == mixed[1]).all()
    assert (mixed != images).mean() > 0.9
    assert sorted(mixed[0].ravel()) == list(range(784))


def test_another_order_of_the_vector_is_the_same_net_only_where_the_rows_follow(
    bundled_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundled_models / "mnist", tmp_path / "mnist")
    write_reordered(tmp_path)
    (images,) = digits(50).inputs

    said = {
        name: keras.models.load_model(tmp_path / name / "1/model.keras", safe_mode=True).predict(images, verbose=0)
        for name in ("mnist", "mnist-reordered", "mnist-misplaced")
    }

    assert np.abs(said["mnist-reordered"] - said["mnist"]).max() < 1e-4
    assert np.abs(said["mnist-misplaced"] - said["mnist"]).max() > 0.5


def test_strides_in_place_of_poolings_keep_the_windows_of_the_convolutions() -> None:
    plain, strides = NETS["conv-flatten"](), conv_strides()

    assert [one.count_params() for one in plain.layers if one.name.startswith("conv")] == [
        one.count_params() for one in strides.layers if one.name.startswith("conv")
    ]


def test_a_net_is_trained_once_a_seed_and_not_again(tmp_path: Path) -> None:
    data = Split(digits(40), digits(10), "")
    folder = tmp_path / "dense-scrambled"

    train_versions(folder, data, epochs=1)
    made = {file: file.stat().st_mtime_ns for file in folder.glob("*/model.keras")}
    train_versions(folder, data, epochs=1)

    assert sorted(int(file.parent.name) for file in made) == list(SEEDS)
    assert {file: file.stat().st_mtime_ns for file in folder.glob("*/model.keras")} == made
    sidecar = parse_sidecar(tomllib.loads((folder / "model.toml").read_text("utf-8")))
    assert len(sidecar.labels or ()) == 10
