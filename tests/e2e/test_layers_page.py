"""docs/layers.md: its tables are what the service says, its sums come out, its snippets print what stands there."""

import doctest
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.servers import Server

keras = pytest.importorskip("keras")

PAGE = (ROOT / "docs/layers.md").read_text("utf-8")
FILLED = dict(re.findall(r"<!-- (\w+):begin -->\n(.*?)\n<!-- \1:end -->", PAGE, re.DOTALL))
SNIPPETS = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)
SUMS = re.findall(r"`(\d+) = ([\d ()+*/-]+)`", PAGE)
DECIMAL = re.compile(r"\d+\.\d+")
HUNDREDTH = 0.0101  # CPUs differ in the last digits, which may round up or down


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/layers.py, as a module."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("layers")


def decimals(text: str) -> list[float]:
    return [float(one) for one in DECIMAL.findall(text)]


def test_what_stands_between_the_markers_is_what_the_service_says_now(mnist_server: Server, script: Any) -> None:
    said = script.parts(mnist_server.url)

    assert {name: DECIMAL.sub("#", text) for name, text in FILLED.items()} == {
        name: DECIMAL.sub("#", text) for name, text in said.items()
    }
    for name, text in FILLED.items():
        assert decimals(text) == pytest.approx(decimals(said[name]), abs=HUNDREDTH), name


def test_every_sum_on_the_page_comes_out() -> None:
    assert len(SUMS) > 15
    for result, terms in SUMS:
        assert eval(terms) == int(result), terms  # only digits, brackets and signs


def test_every_large_number_and_shape_in_the_prose_is_one_of_the_services_or_of_keras() -> None:
    known = "\n".join([*FILLED.values(), *SNIPPETS])
    prose = re.sub(r"<!-- (\w+):begin -->.*?<!-- \1:end -->|```.*?```|`\d+ = [^`]+`", "", PAGE, flags=re.DOTALL)

    for number in re.findall(r"\d+(?:x\d+)+|(?<![\d.:])\d{3,}", prose.replace("127.0.0.1:8000", "")):
        assert re.search(rf"\b{number}\b", known), number


def test_the_snippets_print_what_the_page_shows() -> None:
    names = {"keras": keras, "layers": keras.layers, "np": np}
    examples = doctest.DocTestParser().get_doctest("\n".join(SNIPPETS), names, "layers.md", None, 0)
    said: list[str] = []
    result = doctest.DocTestRunner().run(examples, out=said.append)

    assert result.attempted == len(re.findall("^>>> ", PAGE, re.MULTILINE)) > 10
    assert result.failed == 0, "".join(said)


def test_the_place_of_the_number_sees_those_pixels_and_no_others(bundled_models: Path) -> None:
    found = re.search(r"Number (\d+) .* rows (\d+) to (\d+) and columns (\d+) to (\d+)", FILLED["number"], re.DOTALL)
    assert found
    index, *edges = map(int, found.groups())
    model = keras.models.load_model(bundled_models / "mnist/1/model.keras")
    maps = keras.Model(model.inputs, model.get_layer("flatten").output)
    place = slice(index - index % 64, index - index % 64 + 64)  # all its channels: one alone may be silent
    noise = np.random.default_rng(0).random((4, 28, 28, 1), dtype=np.float32)

    moved = np.repeat(noise[:, np.newaxis], 28 * 28, axis=1)  # every picture with each of its pixels changed in turn
    pixels = np.arange(28 * 28)
    moved[:, pixels, pixels // 28, pixels % 28] += 1
    before = maps.predict(noise, verbose=0)[:, np.newaxis, place]
    after = maps.predict(moved.reshape(-1, 28, 28, 1), batch_size=512, verbose=0)[:, place].reshape(4, 28 * 28, -1)
    rows, columns = np.divmod(pixels[(np.abs(after - before) > 1e-4).any(axis=(0, 2))], 28)

    assert [rows.min(), rows.max(), columns.min(), columns.max()] == edges
