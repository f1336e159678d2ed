"""`convoy calibrate`, run as a user runs it: it finds recipes that are known, and says what pictures cannot tell."""

import json
import shutil
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.commands import Convoy
from tests.pictures import encoded
from tests.prebuilt import prebuild
from tests.shades import LABELS, save_shade_model, write_shades, write_sidecar

pytest.importorskip("keras")

from zoo.photographs import photographs

PICTURES = 200


@pytest.fixture
def shades(tmp_path: Path, cache: Path) -> Path:
    """A built model of four classes that is right with 0..1 and RGB, `tmp_path/models/shades.keras`."""
    save_shade_model(tmp_path / "models/shades.keras")
    write_sidecar(tmp_path / "models/shades.toml")
    prebuild(tmp_path / "models", cache)
    return tmp_path / "models/shades.keras"


def calibrated(convoy: Convoy, *words: object) -> dict[str, Any]:
    done = convoy("calibrate", *words, "--json")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


# ------------------------------------------------------------------------------------------ a recipe that is known


@pytest.mark.parametrize(
    "wrong", ['scale = "-1..1"', 'scale = "0..255"\ncolor = "bgr"', 'scale = "caffe"', "invert = true"]
)
def test_the_recipe_is_found_whatever_is_in_force(convoy: Convoy, shades: Path, tmp_path: Path, wrong: str) -> None:
    write_sidecar(shades.with_suffix(".toml"), "[preprocessing]", wrong)
    write_shades(tmp_path / "pictures", per_class=10)

    found = calibrated(convoy, shades, "pictures")

    best = found["recommended"]
    assert (best["scale"], best["color"], best["invert"]) == ("0..1", "rgb", False)
    assert found["is_settled"]
    assert {name: found["values"][name] for name in ("scale", "color", "invert")} == {
        "scale": "settled",
        "color": "settled",
        "invert": "settled",
    }
    assert found["ranking"][0]["accuracy"] == 1
    assert found["pictures"] == 40
    assert found["false_winner_rate"] < 0.01


def test_recipes_that_give_the_same_numbers_are_one_row(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    """Pictures of the model's own size are not resized: no choice of resize or fit can matter."""
    write_shades(tmp_path / "pictures", per_class=5)

    found = calibrated(convoy, shades, "pictures")

    alike = {(one["recipe"], one["resize"], one["fit"]) for one in found["ranking"][0]["same_numbers"]}
    assert ("keras.image_dataset", "nearest", "stretch") in alike
    assert ("keras.load_img", "bilinear", "pad") in alike
    assert {found["values"][name] for name in ("recipe", "resize", "fit")} == {"untested"}


def test_the_text_ranks_and_says_what_to_use(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_sidecar(shades.with_suffix(".toml"), "[preprocessing]", 'scale = "0..255"')
    write_shades(tmp_path / "pictures", per_class=10)
    (tmp_path / "pictures/dark red/broken.png").write_bytes(b"no picture")

    done = convoy("calibrate", shades, "pictures")

    assert done.returncode == 0, done.stderr
    assert "shades version 1 on pictures: 40 pictures" in done.stdout
    assert "Settled by these pictures: scale 0..1, color rgb, invert no." in done.stdout
    assert "Changed: scale." in done.stdout
    assert "4,000 resampled sets" in done.stdout
    assert "dark red/broken.png" in done.stdout
    assert not (tmp_path / "models/model.toml").exists()


# ------------------------------------------------------------------------------------------------ thin evidence


def test_too_few_pictures_settle_nothing(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=1)
    before = shades.with_suffix(".toml").read_text()

    done = convoy("calibrate", shades, "pictures", "--write")

    assert done.returncode == 2
    assert "The evidence is too thin to choose between" in done.stdout
    assert "Recommended is the recipe in force" in done.stdout
    assert "Nothing is written" in done.stderr
    assert shades.with_suffix(".toml").read_text() == before


def test_labels_in_the_wrong_order_are_no_matter_of_preprocessing(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    folder = write_shades(tmp_path / "pictures", per_class=10)
    draw = np.random.default_rng(0)
    files = sorted(folder.glob("*/*.png"))
    for number, (file, label) in enumerate(zip(files, draw.permutation(np.repeat(LABELS, 10)), strict=True)):
        file.rename(folder / label / f"moved-{number}.png")

    done = convoy("calibrate", shades, "pictures", "--write")

    assert done.returncode == 2
    assert "No recipe is surely better than chance" in done.stdout
    assert "Guessing alone reaches 25.0 %" in done.stdout
    assert "Nothing is written" in done.stderr


def test_one_class_alone_is_refused(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=5, labels=LABELS[:1])

    done = convoy("calibrate", shades, "pictures")

    assert done.returncode == 2
    assert "All pictures are of one class, dark red" in done.stderr


# ------------------------------------------------------------------------------------------------------ writing


def test_the_winner_is_written_and_the_rest_of_the_file_stays(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    sidecar = shades.with_suffix(".toml")
    write_sidecar(
        sidecar, "# my notes", "[preprocessing]", 'scale = "-1..1"  # a guess', "", "[output]", "threshold = 0.4"
    )
    before = sidecar.read_text()
    write_shades(tmp_path / "pictures", per_class=10)

    done = convoy("calibrate", shades, "pictures", "--write")

    assert done.returncode == 0, done.stderr
    assert "shades.toml now says" in done.stdout
    assert sidecar.read_text() == before.replace(
        'scale = "-1..1"  # a guess\n', 'scale = "0..1"  # a guess\ncolor = "rgb"\ninvert = false\n'
    )
    assert calibrated(convoy, shades, "pictures")["in_force"]["scale"] == "0..1"


def test_a_model_without_a_sidecar_gets_one(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    shades.with_suffix(".toml").unlink()
    write_shades(tmp_path / "pictures", per_class=10)
    order = sorted(LABELS)
    for place, label in enumerate(LABELS):  # Keras' order is that of the names
        (tmp_path / "pictures" / label).rename(tmp_path / f"pictures/{place}-{label}")
    assert order != list(LABELS)

    found = calibrated(convoy, shades, "pictures", "--write")

    assert Path(found["written"]).name == "shades.toml"
    assert tomllib.loads(shades.with_suffix(".toml").read_text()) == {
        "preprocessing": {"scale": "0..1", "color": "rgb", "invert": False}
    }
    assert "Keras' order" in found["notes"][0]


def test_force_writes_what_is_recommended(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=1)

    assert convoy("calibrate", shades, "pictures", "--force").returncode == 2
    assert calibrated(convoy, shades, "pictures", "--write", "--force")["written"]
    assert tomllib.loads(shades.with_suffix(".toml").read_text())["preprocessing"]["scale"] == "0..1"


def test_an_input_with_a_table_of_its_own_is_written_to_that(convoy: Convoy, shades: Path, tmp_path: Path) -> None:
    """What a table of one input says wins over the general one, whichever file it stands in."""
    folder = tmp_path / "named/shades/1"
    folder.mkdir(parents=True)
    shutil.copy(shades, folder / "model.keras")
    write_sidecar(folder.parent / "model.toml", "[preprocessing.pixels]", 'scale = "-1..1"')
    write_shades(tmp_path / "pictures", per_class=10)

    calibrated(convoy, folder / "model.keras", "pictures", "--write")

    assert tomllib.loads((folder / "model.toml").read_text()) == {
        "preprocessing": {"pixels": {"scale": "0..1", "color": "rgb", "invert": False}}
    }


def test_a_file_that_cannot_be_edited_safely_is_left_with_what_to_write(
    convoy: Convoy, shades: Path, tmp_path: Path
) -> None:
    sidecar = shades.with_suffix(".toml")
    write_sidecar(sidecar, 'preprocessing = { scale = "-1..1" }')
    before = sidecar.read_text()
    write_shades(tmp_path / "pictures", per_class=10)

    done = convoy("calibrate", shades, "pictures", "--write")

    assert done.returncode == 2
    assert '[preprocessing] scale = "0..1", color = "rgb", invert = false' in done.stderr
    assert sidecar.read_text() == before


# ----------------------------------------------------------------------------------------------- bundled models


def bare(bundled_models: Path, name: str, folder: Path, cache: Path) -> Path:
    """Copy the saved file of a bundled model alone, so that nothing says its recipe; return it, built."""
    prebuild(_only(bundled_models, name, folder / "for-the-cache"), cache)
    target = folder / "bare" / name / "model.keras"
    target.parent.mkdir(parents=True)
    shutil.copy(bundled_models / name / "1/model.keras", target)
    return target


def _only(bundled_models: Path, name: str, folder: Path) -> Path:
    shutil.copytree(bundled_models / name, folder / name)
    return folder


def write_digits(shared: Path, name: str, folder: Path) -> Path:
    with np.load(shared / f"data/{name}.npz") as data:
        images, classes = data["x_test"][:1000], data["y_test"][:1000]
    for number, (pixels, index) in enumerate(zip(images, classes, strict=True)):
        (folder / str(index)).mkdir(parents=True, exist_ok=True)
        (folder / str(index) / f"{number:04}.png").write_bytes(encoded(pixels))
    return folder


def write_photos(shared: Path, folder: Path) -> Path:
    for one in photographs(shared / "data/cats_dogs", classes=2):
        if one.is_test:
            target = folder / one.file.parent.name / one.file.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(one.file)
    return folder


_WRONG = '[preprocessing]\nscale = "0..255"\ninvert = true\n'


@pytest.mark.parametrize(
    ("name", "in_force"),
    [
        ("mnist", ""),
        ("mnist", _WRONG),
        ("mnist-dense", ""),
        ("fashion-mnist", ""),
        ("cats-dogs", ""),
        ("cats-dogs", _WRONG),
    ],
)
def test_the_recipe_of_a_bundled_model_is_found_without_its_sidecar(
    convoy: Convoy, bundled_models: Path, cache: Path, shared: Path, tmp_path: Path, name: str, in_force: str
) -> None:
    file = bare(bundled_models, name, tmp_path, cache)
    (file.parent / "model.toml").write_text(in_force)
    if "cats" in name:
        folder = write_photos(shared, tmp_path / "pictures")
    else:
        folder = write_digits(shared, name.replace("-", "_") if "fashion" in name else "mnist", tmp_path / "pictures")

    found = calibrated(convoy, file, folder, "--limit", PICTURES)

    assert found["pictures"] == PICTURES
    assert found["is_settled"]
    best = found["recommended"]
    assert (best["scale"], best.get("color"), best["invert"]) == ("0..1", "rgb", False)
    assert (best["recipe"], best["resize"], best["fit"]) == ("keras.load_img", "bilinear", "stretch")
    assert found["false_winner_rate"] < 0.05


def test_several_inputs_are_written_a_table_each(
    convoy: Convoy, bundled_models: Path, cache: Path, shared: Path, tmp_path: Path
) -> None:
    file = bare(bundled_models, "cats-dogs-two-inputs", tmp_path, cache)

    found = calibrated(convoy, file, write_photos(shared, tmp_path / "pictures"), "--limit", PICTURES, "--write")

    assert found["is_settled"]
    assert tomllib.loads((file.parent / "model.toml").read_text()) == {
        "preprocessing": {
            "gray": {"scale": "0..1", "invert": False},
            "color": {"scale": "0..1", "color": "rgb", "invert": False},
        }
    }
