"""docs/layers.md: its tables and pictures are what the service says, its sums and its snippets come out.

What takes trained nets is not measured anew, but for a part; the sentences about it are held against its tables.
"""

import doctest
import importlib
import io
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from tests.conftest import ROOT
from tests.servers import Server

keras = pytest.importorskip("keras")

PAGE = (ROOT / "docs/layers.md").read_text("utf-8")
PARTS = dict(re.findall(r"<!-- ([\w-]+):begin -->\n(.*?)\n<!-- \1:end -->", PAGE, re.DOTALL))
MEASURED = {name: text for name, text in PARTS.items() if name.startswith("measured-")}
FILLED = {name: text for name, text in PARTS.items() if name not in MEASURED}
SNIPPETS = re.findall(r"```pycon\n(.*?)```", PAGE, re.DOTALL)
SUMS = re.findall(r"`(\d+) = ([\d ()+*/-]+)`", PAGE)
IMAGE = re.compile(r"\]\(images/([\w.-]+)\)")
LEVELS = 2.0  # of 256, on average: CPUs differ in the last digits
DECIMAL = re.compile(r"\d+\.\d+")
HUNDREDTH = 0.0101  # CPUs differ in the last digits, which may round up or down


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    """docs/layers.py, as a module."""
    monkeypatch.syspath_prepend(ROOT / "docs")
    return importlib.import_module("layers")


@pytest.fixture
def experiments(script: Any) -> Any:
    """docs/experiments.py, as a module."""
    return importlib.import_module("experiments")


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
    known = "\n".join([*PARTS.values(), *SNIPPETS])
    prose = re.sub(r"<!-- ([\w-]+):begin -->.*?<!-- \1:end -->|```.*?```|`\d+ = [^`]+`", "", PAGE, flags=re.DOTALL)

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


# -------------------------------------------------------------------------------------------- look inside


def pixels(image: bytes) -> NDArray[np.int16]:
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"), np.int16)


def test_the_pictures_are_those_that_the_service_draws_now(mnist_server: Server, script: Any) -> None:
    service = script.Service(mnist_server.url)

    assert sorted(IMAGE.findall(PAGE)) == sorted(script.DRAWN)
    for name, query in script.DRAWN.items():
        kept, drawn = (ROOT / "docs/images" / name).read_bytes(), service.drawn(query)
        assert len(kept) < 100_000
        assert is_alike(kept, drawn, is_text=name.endswith(".svg")), f"{name}: run `python docs/layers.py`"


def is_alike(kept: bytes, drawn: bytes, *, is_text: bool) -> bool:
    if is_text:
        return kept == drawn
    one, other = pixels(kept), pixels(drawn)
    return one.shape == other.shape and float(np.abs(one - other).mean()) < LEVELS


@pytest.fixture
def maps(mnist_server: Server, script: Any) -> dict[str, NDArray[np.float32]]:
    """What three layers of `mnist` make of the page's picture, without the batch axis."""
    digit = np.asarray(Image.open(script.PICTURE).convert("L"), np.float32)[..., np.newaxis] / np.float32(255)
    service = script.Service(mnist_server.url)
    return {name: service.vector("mnist", name, digit) for name in ("conv2d", "conv2d_1", "flatten")}


def test_the_channels_answer_to_what_the_page_says_of_them(maps: dict[str, NDArray[np.float32]], script: Any) -> None:
    ink = np.asarray(Image.open(script.PICTURE).convert("L"))[1:-1, 1:-1] > 127  # a window's middle
    bar, stem, ground = (np.zeros_like(ink) for _ in range(3))
    bar[:8, :14], stem[9:] = ink[:8, :14], ink[9:]
    ground[:, :2], ground[:, -4:] = True, True
    first = {channel: maps["conv2d"][..., channel] / maps["conv2d"][..., channel].max() for channel in (1, 3, 18, 25)}

    assert first[1][bar].mean() > 3 * first[1][stem].mean()
    assert first[3][stem].mean() > 3 * first[3][bar].mean()
    assert first[18][ink].mean() > 0.5
    assert first[18][ground].max() < 0.1
    assert first[25][ground].min() > 5 * first[25][ink].mean()

    second = maps["conv2d_1"]
    assert second[..., 61].max() == 0
    row, column = np.unravel_index(second[..., 10].argmax(), second.shape[:2])
    assert row <= 2  # the corner: on top, at the right
    assert column >= 6
    assert second[:4, :, 15].sum() > 5 * second[4:, :, 15].sum()
    assert second[4:, :, 17].sum() > 5 * second[:3, :, 17].sum()


def test_the_blocks_at_the_left_below_are_dark(maps: dict[str, NDArray[np.float32]]) -> None:
    blocks = maps["flatten"].reshape(5, 5, 64)

    assert blocks[3:, 0].max() < 0.01 * blocks.max()
    assert blocks[:2].max(axis=2).min() > 0.3 * blocks.max()


def test_the_slices_are_the_region_of_the_unit() -> None:
    region = re.search(r'"top": (\d+), "left": (\d+), "bottom": (\d+), "right": (\d+)', FILLED["unit"])
    assert region
    top, left, bottom, right = region.groups()

    assert f"`pixels[{top}:{bottom}, {left}:{right}]`" in PAGE


def test_each_place_of_the_last_maps_looks_at_as_many_pixels_as_the_page_says(
    mnist_server: Server, script: Any
) -> None:
    for place in range(25):
        region = script.Service(mnist_server.url).unit("mnist", "max_pooling2d_1", place * 64)["region"]
        assert (region["bottom"] - region["top"], region["right"] - region["left"]) == (10, 10)

    assert "what it looks at, ten pixels by ten" in " ".join(PAGE.split())


def test_the_bar_speaks_for_a_seven_and_not_for_a_one(mnist_server: Server, script: Any) -> None:
    service = script.Service(mnist_server.url)
    for_seven, for_one = (
        np.array(service.heat("mnist", label, "occlusion")["tensors"][0]["heatmap"]) for label in "71"
    )

    assert for_seven[6:8, 9:17].mean() > 0.4
    assert for_one[6:8, 9:17].max() < 0.05


# ----------------------------------------------------------------------------------------------- measured


def rows(part: str) -> dict[str, list[float]]:
    """Return the numbers of a table's rows without their spread, by what stands in the first cell."""
    lines = [line.strip("| ").split(" | ") for line in MEASURED[part].splitlines()[2:]]
    return {name.strip("`"): [float(cell.split()[0].replace(",", "")) for cell in cells] for name, *cells in lines}


def test_each_measured_part_has_a_function_that_measures_it_and_a_command_on_the_page(experiments: Any) -> None:
    assert set(experiments.PARTS) == set(MEASURED)
    for file in ("zoo/experiments.py", "docs/experiments.py"):
        assert (ROOT / file).is_file()
    assert "$ python -m zoo.experiments nets" in PAGE
    assert "$ python docs/experiments.py" in PAGE


def test_what_the_page_concludes_of_scrambled_pixels_is_in_its_table() -> None:
    table = rows("measured-scrambled")

    assert all(abs(table[name][3]) < 0.3 for name in ("dense", "dense-hidden"))
    assert table["conv-flatten"][2] < table["dense-hidden"][2]
    assert table["dense-hidden"][0] < table["conv-flatten"][0] / 2
    assert min(table, key=lambda name: table[name][3]) == "conv-gap"


def test_another_order_of_the_vector_changes_no_answer_where_the_rows_follow() -> None:
    as_it_is, followed, left = rows("measured-order").values()

    assert followed[0] == as_it_is[0]
    assert followed[1] == 0
    assert followed[2] < 1e-5
    assert left[0] < 20


def test_what_the_page_concludes_of_digits_moved_is_in_its_tables() -> None:
    table = rows("measured-moved")  # parameters, as they are, 1 to 4 pixels, 5 to 20 degrees
    pooled, strides, gap, hidden = (
        table[name] for name in ("conv-flatten", "conv-strides", "conv-gap", "dense-hidden")
    )

    assert hidden[1] == pytest.approx(95, abs=0.5)
    assert gap[0] < hidden[0]
    assert gap[1] > hidden[1]
    assert pooled[1] - strides[1] < 1
    assert pooled[5] - strides[5] > 10
    assert pooled[5] == pytest.approx(50, abs=5)
    assert gap[5] > pooled[5] + 10
    assert gap[1] < pooled[1]
    assert gap[1] - gap[9] > pooled[1] - pooled[9]


def test_the_bundled_models_still_tell_as_many_of_the_digits_moved(
    mnist_server: Server, shared: Path, experiments: Any
) -> None:
    with np.load(shared / "data/mnist.npz") as data:  # a fifth of them, for time
        images = data["x_test"][::5].astype(np.float32)[..., np.newaxis] / np.float32(255)
        digits = experiments.Digits(images, data["y_test"][::5].astype(np.int64))
    measured = experiments.Measured(mnist_server.url, digits)
    moved = experiments.MOVES["4 px"](images)

    for name, shares in rows("measured-bundled").items():
        assert 100 * measured.right(name, 1, moved) == pytest.approx(shares[4], abs=3), name


def test_pictures_go_each_way_in_turn_and_what_is_bared_is_black(experiments: Any) -> None:
    images = np.zeros((5, 5, 5, 1), np.float32)
    images[:, 2, 2] = 1

    moved = experiments.shifted(images, 2)
    turned = experiments.turned(images, 90)

    assert [tuple(map(int, np.argwhere(one)[0][:2])) for one in moved] == [(2, 4), (4, 2), (2, 0), (0, 2), (2, 4)]
    assert moved.sum() == 5
    assert np.abs(turned - images).max() < 1e-6
