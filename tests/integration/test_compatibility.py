"""A small part of the matrix of `make compatibility`: files of the past, and files that today's two Keras write."""

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.compatibility.catalogue import ARCHITECTURES, SMALL, Format, predictions_file
from tests.compatibility.environments import finished
from tests.compatibility.reader import Cell, Written, read
from tests.compatibility.report import page
from tests.compatibility.results import Results, merged, saved_results
from tests.conftest import ROOT
from tests.prebuilt import prebuild_source

pytestmark = pytest.mark.skipif(find_spec("keras") is None, reason="needs keras")

KNOWN = {**ARCHITECTURES, **SMALL}
PAST = ROOT / "tests/data/compatibility"
OF_TODAY: list[tuple[str, Format]] = [
    ("small-transfer", "keras"),
    ("small-transfer", "h5"),
    ("cats-dogs-two-inputs", "saved_model"),
]


def of_the_past() -> Iterator[tuple[str, str, Format]]:
    for folder in sorted(path.parent.name for path in PAST.glob("*/written.json")):
        for name, said in Written(folder, PAST / folder).report["architectures"].items():
            yield from ((folder, name, form) for form in said["formats"] if form not in said["failures"])


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Written]:
    """Let a Keras of this environment write, in a process of its own and once: `written("tf_keras")`."""
    folder = tmp_path_factory.mktemp("written")

    def by(module: str) -> Written:
        if find_spec(module) is None:
            pytest.skip(f"needs {module}")
        names = {name for name, _ in OF_TODAY}
        if not (folder / module).is_dir():
            finished([sys.executable, "-m", "tests.compatibility.writer", module, str(folder / module), *names])
        return Written(module, folder / module)

    return by


@pytest.mark.parametrize(("writer", "name", "form"), list(of_the_past()))
def test_a_file_of_the_past_answers_as_its_writer_did(writer: str, name: str, form: Format) -> None:
    cell = read(Written(writer, PAST / writer), form, name, KNOWN[name], build=prebuild_source)

    assert cell.faults == ()


@pytest.mark.parametrize("module", ["keras", "tf_keras"])
@pytest.mark.parametrize(("name", "form"), OF_TODAY)
def test_a_file_of_today_answers_as_its_writer_does(
    written: Callable[[str], Written], module: str, name: str, form: Format
) -> None:
    cell = read(written(module), form, name, KNOWN[name])

    assert cell.faults == ()
    assert cell.unwritten == "" or (module, name, form) == ("tf_keras", "small-transfer", "keras")


def test_the_nets_of_the_zoo_are_written_as_the_zoo_builds_them() -> None:
    import keras

    from zoo.architectures import ARCHITECTURES as ZOO

    for name, build in ZOO.items():
        ours, theirs = ARCHITECTURES[name].build(keras), build()
        assert [_layer(layer) for layer in ours.layers] == [_layer(layer) for layer in theirs.layers], name


def _layer(layer: Any) -> tuple[str, Any, int]:
    return type(layer).__name__, layer.output.shape, layer.count_params()


def test_other_weights_and_another_head_are_told_apart(tmp_path: Path) -> None:
    copy, name = tmp_path / "copy", "small-dense"
    shutil.copytree(PAST / "keras-3.0", copy)
    stored = dict(np.load(predictions_file(copy, name)))
    np.savez(predictions_file(copy, name), **stored | {"predictions": stored["predictions"] + 1e-4})
    cell = read(Written("copy", copy), "keras", name, replace(SMALL[name], head="softmax"))

    assert cell.faults == ("head: sigmoid-exclusive instead of softmax", "differs from its writer by 0.0001")


def test_the_page_says_which_files_are_read_which_are_not_and_why() -> None:
    right = Cell("Keras 3.0", "h5", "mnist", loaded_by="Keras 3.15.1", head="softmax", difference=2e-7, exported=0.01)
    wrong = Cell("Keras 3.0", "h5", "nested", faults=("BrokenModelError: it is cut short",))
    never = Cell("Keras 3.0", "keras", "nested", unwritten="TypeError: no")
    versions = {"python": "3.11.7", "keras": "3.0.5", "tensorflow": "2.16.2", "numpy": "1.26.4", "h5py": "3.16.0"}
    text = page(Results([right, wrong, never], {"Keras 3.0": versions}, {"Keras 3.3": "pip found no wheel"}))

    assert "| Keras 3.0 | – | 1 of 2, 2e-07 off; not nested | – | – | – |" in text
    assert "- Keras 3.0 `.h5`: nested\n\n  > BrokenModelError: it is cut short" in text
    assert "- Keras 3.0 `.keras`: nested\n\n  > TypeError: no" in text
    assert "- Keras 3.3 could not be set up here: pip found no wheel" in text


def test_a_run_in_parts_makes_the_page_of_a_whole_run(tmp_path: Path) -> None:
    cells = [
        Cell(writer, "h5", "mnist", faults=("gone",), repairs=("mended",)) for writer in ("Keras 3.3", "Keras 3.0")
    ]
    for part, cell in enumerate(cells):
        Results([cell], {cell.writer: {"keras": "3"}}, {}).save(tmp_path / f"{part}.json")
    whole = merged(saved_results(tmp_path / f"{part}.json") for part in range(2))

    assert whole.cells == cells
    assert list(whole.versions) == ["Keras 3.0", "Keras 3.3"]
