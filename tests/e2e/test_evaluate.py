"""`convoy evaluate`, run as a user runs it, against Keras' own numbers."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests import toys
from tests.commands import Convoy
from tests.prebuilt import prebuild
from tests.shades import LABELS, save_shade_model, write_shades, write_sidecar

keras = pytest.importorskip("keras")

from zoo.photographs import photographs  # noqa: E402 (only after the skip)


@pytest.fixture
def shades(tmp_path: Path, cache: Path) -> Path:
    """A built model of four classes, `tmp_path/models/shades.keras`, that says its labels."""
    save_shade_model(tmp_path / "models/shades.keras", sharpness=2.0)
    write_sidecar(tmp_path / "models/shades.toml", "[preprocessing]", 'scale = "0..1"')
    prebuild(tmp_path / "models", cache)
    return tmp_path / "models/shades.keras"


def evaluated(convoy: Convoy, *words: object) -> dict[str, Any]:
    done = convoy("evaluate", *words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_the_measures_are_those_of_kerass_own_predictions(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    folder = write_shades(tmp_path / "pictures", per_class=10, side=20)
    (folder / LABELS[0] / "000.png").rename(folder / LABELS[3] / "misplaced.png")
    files = [(index, file) for index, label in enumerate(LABELS) for file in sorted((folder / label).iterdir())]
    images = [
        keras.utils.img_to_array(
            keras.utils.load_img(file, target_size=(16, 16), interpolation="bilinear")
        ) / 255
        for _, file in files
    ]  # fmt: skip
    values = keras.models.load_model(shades).predict(np.stack(images), verbose=0)
    truth = np.array([index for index, _ in files])

    found = evaluated(convoy, shades, "pictures")

    assert found["model"] == {"name": "shades", "version": 1}
    assert found["pictures"] == 40
    assert found["accuracy"] == pytest.approx((values.argmax(axis=1) == truth).mean())
    assert found["log_loss"] == pytest.approx(-np.log(values[np.arange(40), truth]).mean(), abs=1e-5)
    assert np.array(found["confusion"]).sum() == 40
    assert found["confusion"][3][0] == 1
    (mistake,) = found["mistakes"]
    assert mistake["file"] == "light blue/misplaced.png"
    assert (mistake["truth"], mistake["answer"]) == ("light blue", "dark red")
    assert mistake["probability"] == pytest.approx(values[files.index((3, folder / LABELS[3] / "misplaced.png"))].max())


def test_the_text_has_every_part_and_no_progress_bar_outside_a_terminal(
    convoy: Convoy, shades: Path, tmp_path: Path
) -> None:
    folder = write_shades(tmp_path / "pictures", per_class=3)
    (folder / LABELS[0] / "000.png").rename(folder / LABELS[1] / "misplaced.png")
    (folder / LABELS[0] / "broken.jpg").write_bytes(b"no picture")

    done = convoy("evaluate", shades, "pictures")

    assert done.returncode == 0, done.stderr
    assert "shades version 1 on pictures: 12 pictures" in done.stdout
    assert "accuracy           91.7 %  (95 % interval: 64.6 % to 98.5 %)" in done.stdout
    for part in ("log loss", "calibration error", "pictures/s", "recall", "confusion", "light red/misplaced.png"):
        assert part in done.stdout
    assert "top-5" not in done.stdout
    assert "left out, 1 in all" in done.stdout
    assert "dark red/broken.jpg" in done.stdout
    assert "evaluating" not in done.stderr


def test_names_of_the_models_folder_and_limits_are_taken(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=5)

    found = evaluated(convoy, "shades", "pictures", "--limit", 8, "--worst", 0, "--models-dir", "models")

    assert [one["pictures"] for one in found["classes"]] == [2, 2, 2, 2]
    assert found["mistakes"] == []


def test_one_class_alone_is_measured_and_said(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=2, labels=LABELS[:1])

    found = evaluated(convoy, shades, "pictures")

    assert found["accuracy"] == 1
    assert any("one class, dark red" in note for note in found["notes"])


def test_what_answers_warn_of_is_summed_up(convoy: Convoy, tmp_path: Path, cache: Path) -> None:
    save_shade_model(tmp_path / "models/raw.keras", activation="linear")
    write_sidecar(tmp_path / "models/raw.toml")
    prebuild(tmp_path / "models", cache)
    write_shades(tmp_path / "pictures", per_class=2)

    done = convoy("evaluate", "raw", "pictures", "--models-dir", "models")

    assert "warning: The model ends in logits; softmax was applied to them. (8 pictures)" in done.stdout


@pytest.mark.parametrize(
    ("folder", "text"),
    [
        ("nowhere", "nowhere does not exist"),
        ("file.txt", "file.txt is a file"),
        ("empty", "has no sub-folder"),
        ("flat", "1 picture and no sub-folder"),
        ("strange", "horse: no class of the model is called so"),
        ("broken", "None of the 1 pictures could be answered"),
    ],
)
def test_a_folder_that_cannot_be_used_is_one_line(
    convoy: Convoy, shades: Path, tmp_path: Path, folder: str, text: str
) -> None:
    (tmp_path / "file.txt").touch()
    for name in ("empty", "flat", "strange/horse", "broken/dark red"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("flat/1.png", "strange/horse/1.png", "broken/dark red/1.png"):
        (tmp_path / name).write_bytes(b"no picture")

    done = convoy("evaluate", shades, folder)

    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]


def test_a_model_without_one_class_per_picture_is_refused(convoy: Convoy, tmp_path: Path, cache: Path) -> None:
    toys.save_small_cnn(tmp_path / "models/scores.keras", shape=(8, 8, 3))
    (tmp_path / "models/scores.toml").write_text('[output]\nhead = "scores"\n')
    prebuild(tmp_path / "models", cache)
    write_shades(tmp_path / "pictures", per_class=1)

    done = convoy("evaluate", "scores", "pictures", "--models-dir", "models")

    assert done.returncode == 2
    assert "does not answer with one class per picture" in done.stderr


def test_held_out_photos_give_the_accuracy_of_the_readme(
    convoy: Convoy, bundled_models: Path, cache: Path, shared: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundled_models / "cats-dogs", tmp_path / "models/cats-dogs")
    prebuild(tmp_path / "models", cache)
    for one in photographs(shared / "data/cats_dogs", classes=2):
        if one.is_test:
            target = tmp_path / "photos" / one.file.parent.name / one.file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(one.file)

    found = evaluated(convoy, "cats-dogs", "photos", "--models-dir", "models")

    assert found["accuracy"] == pytest.approx(0.7675, abs=0.004)
    assert [one["label"] for one in found["classes"]] == ["cat", "dog"]
    assert found["notes"] == ["Folders are matched to labels that are written otherwise: cats = cat, dogs = dog."]
