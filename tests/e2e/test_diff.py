"""`convoy diff`, run as a user runs it."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests import toys
from tests.commands import Convoy
from tests.prebuilt import prebuild
from tests.shades import LABELS, save_shade_model, write_shades, write_sidecar

pytest.importorskip("keras")


@pytest.fixture
def versions(tmp_path: Path, cache: Path) -> Path:
    """A models folder with two versions of `shades`: the second takes its pictures inverted, and so is wrong."""
    models = tmp_path / "models"
    for version in (1, 2):
        save_shade_model(models / f"shades/{version}/model.keras")
        write_sidecar(
            models / f"shades/{version}/model.toml", "[preprocessing]", f"invert = {str(version == 2).lower()}"
        )
    prebuild(models, cache)
    return models


def compared(convoy: Convoy, *words: object) -> dict[str, Any]:
    done = convoy("diff", *words, "--json", "--models-dir", "models")
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_a_version_agrees_with_itself(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=2)

    found = compared(convoy, "shades/1", "shades/1", "pictures")

    assert (found["agreement"], found["largest_shift"], found["flips"]) == (1, 0, [])
    assert (found["scores"]["first"], found["scores"]["second"], found["scores"]["p"]) == (1, 1, 1)


def test_flips_shifts_and_both_accuracies_of_two_versions(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=5)

    found = compared(convoy, "shades/1", "shades/2", "pictures", "--worst", 2)

    # 255 - x turns red into blue, and a mean over 0.625 in sum into one over it as well: 0.6 + 1 and 0.15 + 1
    assert found["first"] == {"name": "shades", "version": 1}
    assert found["second"] == {"name": "shades", "version": 2}
    assert (found["pictures"], found["agreed"]) == (20, 0)
    flips = {(one["first"], one["second"]): one["pictures"] for one in found["flips"]}
    assert flips == {
        ("dark red", "light blue"): 5,
        ("light red", "light blue"): 5,
        ("dark blue", "light red"): 5,
        ("light blue", "light red"): 5,
    }
    assert found["flips"][0]["files"]
    assert len(found["shifts"]) == 2
    assert found["scores"]["only_first"] == 20
    assert found["scores"]["p"] == pytest.approx(2 / 2**20)


def test_the_text_says_what_differs(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=5)

    done = convoy("diff", "shades/1", "shades/2", "pictures", "--models-dir", "models")

    assert done.returncode == 0, done.stderr
    assert "A = shades/1, B = shades/2, on pictures: 20 pictures" in done.stdout
    for part in ("agreement  0.0 %", "accuracy A 100.0 %", "accuracy B 0.0 %", "is hardly chance", "largest shifts"):
        assert part in done.stdout


def test_pictures_without_classes_are_compared_too(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=3)

    flat = compared(convoy, "shades/1", "shades/2", "pictures/dark red")
    (tmp_path / "pictures/dark red").rename(tmp_path / "pictures/holidays")
    unlabelled = compared(convoy, "shades/1", "shades/2", "pictures", "--limit", 4)

    assert (flat["pictures"], flat["scores"], flat["notes"]) == (3, None, [])
    assert (unlabelled["pictures"], unlabelled["scores"]) == (4, None)
    assert "taken without classes" in unlabelled["notes"][0]


def test_classes_in_another_order_are_matched_by_name(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    """The same network with its labels turned round: what it calls dark red now was light blue."""
    write_shades(tmp_path / "pictures", per_class=2)
    listed = ", ".join(f'"{label}"' for label in reversed(LABELS))
    (versions / "shades/2/model.toml").write_text(f"labels = [{listed}]\n")

    found = compared(convoy, "shades/1", "shades/2", "pictures")

    assert found["agreement"] == 0
    assert {(one["first"], one["second"]) for one in found["flips"]} == set(zip(LABELS, reversed(LABELS), strict=True))


def test_classes_of_one_model_alone_are_said(convoy: Convoy, versions: Path, tmp_path: Path) -> None:
    write_shades(tmp_path / "pictures", per_class=2)
    (versions / "shades/2/model.toml").write_text('labels = ["Dark-Red", "light red", "green", "light blue"]\n')

    found = compared(convoy, "shades/1", "shades/2", "pictures")

    assert "Classes of the first model alone: dark blue." in found["notes"]
    assert "Classes of the second model alone: green." in found["notes"]
    assert found["agreement"] == 0.75


def test_models_without_a_class_in_common_are_refused(
    convoy: Convoy, versions: Path, tmp_path: Path, cache: Path
) -> None:
    toys.save_small_cnn(versions / "other.keras", shape=(8, 8, 3))
    (versions / "other.toml").write_text('labels = ["x", "y", "z"]\n')
    prebuild(versions, cache)
    write_shades(tmp_path / "pictures", per_class=1)

    done = convoy("diff", "shades/1", "other", "pictures", "--models-dir", "models")

    assert done.returncode == 2
    assert "no class in common" in done.stderr


@pytest.mark.parametrize(("folder", "text"), [("nowhere", "does not exist"), ("empty", "holds no pictures")])
def test_a_folder_without_pictures_is_one_line(
    convoy: Convoy, versions: Path, tmp_path: Path, folder: str, text: str
) -> None:
    (tmp_path / "empty").mkdir()

    done = convoy("diff", "shades/1", "shades/2", folder, "--models-dir", "models")

    assert done.returncode == 2
    assert text in done.stderr.splitlines()[-1]
