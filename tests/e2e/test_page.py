"""The page at `/` in a real browser: pictures come in every way, and what the models make of them is seen."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from service.access.keys import Key, digest_of
from tests.browser import browsing, opened
from tests.servers import Server, serving_mnist, wait_for

keras = pytest.importorskip("keras")

SEVEN, SHIRT, TROUSER = "seven-light-on-dark.png", "t-shirt.png", "trouser.png"
KEY = "convoy_key-of-the-page"
HTML = {"Accept": "text/html,application/xhtml+xml,*/*;q=0.8"}
expect.set_options(timeout=20_000)
PUT = """([kind, name, numbers]) => {
    const data = new DataTransfer();
    data.items.add(new File([new Uint8Array(numbers)], name, { type: "image/png" }));
    const event = kind === "paste"
        ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true })
        : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
    document.body.dispatchEvent(event);
}"""
"""Has a file come as a user's drop or paste brings it; neither can be made by a mouse that lives in the browser."""

PUT_LINK = """(kind) => {
    const data = new DataTransfer();
    data.setData("text/uri-list", "https://example.org/seven.png");
    const made = kind === "paste" ? ClipboardEvent : DragEvent;
    const part = { [kind === "paste" ? "clipboardData" : "dataTransfer"]: data, bubbles: true, cancelable: true };
    return !document.body.dispatchEvent(new made(kind, part));
}"""
"""Has a link come in the same way; gives whether the page took it."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with browsing() as found:
        yield found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("guarded")


@pytest.fixture(scope="module")
def guarded(cache: Path, bundled_models: Path, folder: Path) -> Iterator[Server]:
    """A server of one's own, of `models` in `folder`, that asks for a key."""
    line = Key("page", frozenset({"predict"}), digest_of(KEY)).line()
    with serving_mnist(folder, bundled_models, cache, workers=1, keys=line, poll_seconds=0.2) as server:
        yield server


@pytest.fixture
def page(browser: Browser, mnist_server: Server) -> Iterator[Page]:
    """The page with `mnist` chosen and live."""
    with opened(browser, f"{mnist_server.url}/#model=mnist") as found:
        expect(found.locator(".state.live")).to_be_visible()
        yield found


def give(page: Page, *pictures: Path) -> None:
    page.set_input_files("#file", list(pictures))


def label(page: Page) -> Locator:
    return page.locator("#label")


def layer(page: Page, name: str) -> Locator:
    return page.locator(f'.layers [data-layer="{name}"]')


def open_layer(page: Page, name: str) -> Locator:
    """Open a layer, and return what can be moved over once it is there."""
    layer(page, name).locator("summary").click()
    tiles = layer(page, name).locator(".tiles")
    tiles.wait_for()
    return tiles


def lit(page: Page) -> list[float]:
    """Return left, top, width and height of the rectangle over what the model sees, as shares of the picture."""
    region = page.locator("#seen .sight .region")
    region.wait_for()
    names = ("left", "top", "width", "height")
    found: list[float] = region.evaluate(
        "(one, names) => names.map((name) => parseFloat(one.style[name]) / 100)", names
    )
    return found


# -------------------------------------------------------------------------------------------------- pictures come in


def test_a_picture_that_is_picked_gets_its_labelled_probabilities(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)

    expect(label(page)).to_have_text("7")
    expect(page.locator("#answer .bars li")).to_have_count(5)
    page.get_by_role("button", name="All 10 classes").click()
    expect(page.locator("#answer .bars li")).to_have_count(10)
    expect(page.locator("#answer .timing")).to_contain_text("in all")
    expect(page.locator("#seen")).to_contain_text("scaled to 0..1")
    expect(page.locator("#seen img")).to_have_count(2)


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_a_picture_may_be_dropped_or_pasted(page: Page, examples: Path, kind: str) -> None:
    page.evaluate(PUT, [kind, "three.png", list((examples / "three-light-on-dark.png").read_bytes())])

    expect(label(page)).to_have_text("3")
    expect(page.locator("#seen figcaption").first).to_contain_text("three.png")


def test_a_drawn_seven_is_a_seven(page: Page) -> None:
    page.get_by_role("button", name="Draw one").click()
    box = page.locator("canvas.pad").bounding_box()
    assert box is not None
    for index, (x, y) in enumerate([(0.2, 0.25), (0.7, 0.25), (0.45, 0.85)]):
        page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"], steps=8)
        if index == 0:
            page.mouse.down()
    page.mouse.up()

    expect(label(page)).to_have_text("7")
    expect(page.locator("#seen figcaption").first).to_contain_text("280×280 PNG")
    page.get_by_role("button", name="Clear").click()
    expect(page.locator("#answer")).to_contain_text("Drop a picture")


def test_several_pictures_make_a_gallery(page: Page, examples: Path) -> None:
    page.select_option("#model-name", "fashion-mnist")
    expect(page.locator(".description")).to_contain_text("Clothing")
    give(page, examples / SHIRT, examples / TROUSER)

    expect(page.locator("#gallery button")).to_have_count(2)
    expect(page.locator("#gallery .label")).to_have_text(["T-shirt/top", "Trouser"])
    expect(label(page)).to_have_text("T-shirt/top")
    page.locator("#gallery button").nth(1).click()
    expect(label(page)).to_have_text("Trouser")


@pytest.mark.parametrize(("name", "kind"), [("notes.txt", "text/plain"), ("seven.png", "image/png")])
def test_a_file_that_is_no_picture_is_told_of_in_words_for_the_page(page: Page, name: str, kind: str) -> None:
    page.set_input_files("#file", {"name": name, "mimeType": kind, "buffer": b"not a picture"})

    told = page.locator("#answer .refusal")
    expect(told).to_contain_text(f"{name} ({kind}) cannot be read as a picture. Choose a JPEG, PNG")
    expect(told).not_to_contain_text("body")


@pytest.mark.parametrize("kind", ["drop", "paste"])
def test_text_and_links_are_told_to_be_no_pictures(page: Page, examples: Path, kind: str) -> None:
    assert page.evaluate(PUT_LINK, kind), "the browser would follow the link"
    expect(page.locator("#drop-note")).to_contain_text("A picture is needed")
    give(page, examples / SEVEN)

    expect(page.locator("#drop-note")).to_be_hidden()


def test_a_picture_may_be_removed(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN, examples / "three-light-on-dark.png")
    expect(label(page)).to_have_text("7")
    open_layer(page, "conv2d")
    remove = page.get_by_role("button", name="Remove this picture")
    remove.click()
    expect(label(page)).to_have_text("3")
    remove.click()

    expect(page.locator("#answer")).to_contain_text("Drop a picture")
    expect(page.locator("#seen img")).to_have_count(0)
    expect(page.locator(".tiles")).to_have_count(0)


# ---------------------------------------------------------------------------------------------------------- looking in


def test_a_hovered_unit_of_the_flatten_strip_lights_up_where_it_looks(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    strip = open_layer(page, "flatten")
    strip.locator("canvas").hover(position={"x": 3, "y": 3})

    expect(layer(page, "flatten").locator(".readout")).to_contain_text("unit 0 (row 0, column 0, channel 0)")
    left, top, width, height = lit(page)
    assert (left, top) == (0, 0)
    assert (width, height) == pytest.approx((10 / 28, 10 / 28), abs=1e-4)  # two 3x3 kernels, two 2x2 windows
    page.mouse.move(0, 0)
    expect(page.locator("#seen .sight .region")).to_be_hidden()


def test_arrow_keys_move_over_the_maps_of_a_layer(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    maps = open_layer(page, "conv2d")
    maps.focus()
    for key in ("ArrowDown", "ArrowRight", "ArrowRight", "PageDown"):
        page.keyboard.press(key)

    expect(layer(page, "conv2d").locator(".readout")).to_contain_text("row 1, column 2, channel 1")
    assert lit(page) == pytest.approx([2 / 28, 1 / 28, 3 / 28, 3 / 28], abs=1e-4)


def test_each_open_layer_shows_where_its_own_unit_looks(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    for name, presses in (("conv2d", 0), ("conv2d_1", 2)):
        open_layer(page, name).focus()
        for key in ["ArrowRight", *["ArrowDown"] * presses]:
            page.keyboard.press(key)
        expect(layer(page, name).locator(".readout")).to_contain_text(f"row {presses}, column 1")
        layer(page, name).locator(".lens .region").wait_for()

    styles = [layer(page, name).locator(".lens .region").get_attribute("style") for name in ("conv2d", "conv2d_1")]
    assert styles[0] != styles[1]
    assert page.locator("#seen .sight .region").get_attribute("style") == styles[1]


def test_the_first_tap_chooses_a_unit(browser: Browser, mnist_server: Server, examples: Path) -> None:
    settings = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
    with opened(browser, f"{mnist_server.url}/#model=mnist", **settings) as page:
        expect(page.locator(".state.live")).to_be_visible()
        give(page, examples / SEVEN)
        expect(label(page)).to_have_text("7")
        open_layer(page, "conv2d").locator("canvas").tap(position={"x": 20, "y": 20})

        expect(layer(page, "conv2d").locator(".readout")).to_contain_text("looks at rows")
        expect(layer(page, "conv2d").locator(".lens .region")).to_be_visible()


def test_the_strip_says_how_its_units_are_laid_out(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    open_layer(page, "flatten")

    told = layer(page, "flatten").locator(".order")
    expect(told).to_contain_text(re.compile(r"\d+ in a row, unit 0 at the top left"))
    expect(told).to_contain_text("Every 64 of them are the channels of one place of 5×5")


def test_an_output_opens_to_its_bars(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    expect(label(page)).to_have_text("7")
    layer(page, "dense_1").locator("summary").click()

    expect(layer(page, "dense_1").locator(".bars li")).to_have_count(10)


def test_the_heat_map_is_laid_over_the_picture_with_its_method_and_passes(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    page.get_by_role("button", name="Show the heat map").click()
    heat = page.locator("#why canvas.heat")
    heat.wait_for()

    told = page.locator("#why .told")
    expect(told).to_contain_text("7, > 99.99 %")
    page.select_option("#why-method", "occlusion")
    expect(told).to_contain_text(re.compile(r"occlusion, \d+ passes"))
    page.locator("#why-opacity").fill("25")
    assert page.locator("#why canvas.heat").evaluate("(one) => one.style.opacity") == "0.25"
    page.select_option("#why-class", label="1")
    expect(told).to_contain_text("1, < 0.01 %")


def test_heat_maps_share_a_scale_whose_end_is_said(page: Page, mnist_server: Server, examples: Path) -> None:
    page.select_option("#model-name", "cats-dogs-two-inputs")
    expect(page.locator(".description")).to_contain_text("seen twice")
    give(page, examples / SHIRT)
    page.get_by_role("button", name="Show the heat map").click()
    expect(page.locator("#why canvas.heat")).to_have_count(2)

    address = f"{mnist_server.url}/api/models/cats-dogs-two-inputs/explain"
    body = (examples / SHIRT).read_bytes()
    told = requests.post(address, data=body, headers={"Accept": "application/json"}, timeout=60).json()["tensors"]
    most = max(one["maximum"] for one in told)
    assert float(page.locator("#why .most").inner_text()) == pytest.approx(most, rel=1e-3)
    brightest = page.locator("#why canvas.heat").evaluate_all(BRIGHTEST)
    assert (brightest[0] > brightest[1]) == (told[0]["maximum"] > told[1]["maximum"])


BRIGHTEST = """(all) => all.map((one) => {
    const { data } = one.getContext("2d").getImageData(0, 0, one.width, one.height);
    return Math.max(...data.map((value, index) => (index % 4 === 1 ? value : 0))); // green rises along the colours
})"""


def test_the_graph_leads_to_the_layers(page: Page) -> None:
    page.get_by_text("Drawn as a graph").click()
    page.locator(".graph-host [data-layer=flatten]").first.click()

    expect(layer(page, "flatten")).to_have_attribute("open", "")


def test_every_input_is_seen(page: Page, examples: Path) -> None:
    page.select_option("#model-name", "cats-dogs-two-inputs")
    expect(page.locator(".description")).to_contain_text("seen twice")
    give(page, examples / SHIRT)

    expect(page.locator("#seen .sight figcaption")).to_have_text(
        [re.compile("gray · 64×64"), re.compile("color · 32×32")]
    )


# ------------------------------------------------------------------------------------------------- models and requests


def test_another_model_is_asked_about_the_same_picture_and_stays_over_a_reload(page: Page, examples: Path) -> None:
    give(page, examples / SEVEN)
    expect(label(page)).to_have_text("7")
    page.select_option("#model-name", "mnist-dense")

    expect(page.locator(".description")).to_contain_text("one layer of sigmoids")
    expect(page.locator("#answer")).to_contain_text("A sigmoid for each class")
    assert page.url.endswith("#model=mnist-dense")
    page.reload()
    expect(page.locator(".description")).to_contain_text("one layer of sigmoids")
    expect(page.locator("#card")).to_contain_text("said in model.toml")


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("model=nothing", "There is no model 'nothing'"),
        ("model=mnist&version=9", "There is no version 9 of 'mnist'"),
    ],
)
def test_a_model_of_the_address_that_is_not_there_is_said(page: Page, address: str, told: str) -> None:
    page.evaluate("(address) => { location.hash = address }", address)

    expect(page.locator("#model .state")).to_have_text("not here")
    expect(page.locator("#model .notes.error")).to_contain_text(told)
    page.select_option("#model-name", "mnist-dense")
    expect(page.locator(".description")).to_contain_text("one layer of sigmoids")


def test_layers_are_filtered_and_links_lead_on_without_losing_the_model(page: Page) -> None:
    page.select_option("#model-name", "cats-dogs-two-inputs")
    field = page.get_by_label("Only layers named")
    many = page.locator(".layers > li").count()
    field.fill("conv")
    expect(page.locator(".layers > li:visible")).not_to_have_count(many)
    assert all("conv" in one.lower() for one in page.locator(".layers > li:visible summary").all_inner_texts())
    page.get_by_role("link", name="the model card").click()

    expect(page.locator("#card-panel")).to_be_focused()
    assert page.url.endswith("#model=cats-dogs-two-inputs")


def test_what_is_copied_runs_and_gives_the_same_answer(
    browser: Browser, mnist_server: Server, examples: Path, tmp_path: Path
) -> None:
    name = "it's a seven.png"
    shutil.copy(examples / SEVEN, tmp_path / name)
    permissions = ["clipboard-read", "clipboard-write"]
    with opened(browser, f"{mnist_server.url}/#model=mnist", permissions=permissions) as page:
        give(page, tmp_path / name)
        expect(label(page)).to_have_text("7")
        copied = {}
        for language in ("curl", "Python", "JavaScript"):
            page.get_by_role("tab", name=language).click()
            page.locator("#code-copy").click()
            expect(page.locator("#code-copy")).to_have_text("Copied")
            copied[language] = str(page.evaluate("navigator.clipboard.readText()"))

    assert json.loads(ran(["bash", "-c", copied["curl"]], tmp_path))["predictions"][0]["label"] == "7"
    assert "'label': '7'" in ran([sys.executable, "-c", copied["Python"]], tmp_path)
    if node := shutil.which("node"):
        assert "label: '7'" in ran([node, "--input-type=module", "-e", copied["JavaScript"]], tmp_path)


def ran(command: list[str], folder: Path) -> str:
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True, timeout=60).stdout


# ---------------------------------------------------------------------------------------------- a server that has moods


def test_a_guarded_server_asks_for_a_key_and_takes_it(browser: Browser, guarded: Server, examples: Path) -> None:
    with opened(browser, guarded.url) as page:
        expect(page.get_by_role("heading", name="This server asks for a key")).to_be_visible()
        page.get_by_label("API key").fill("ключ")
        page.keyboard.press("Enter")
        expect(page.locator("#key-why")).to_contain_text("not a key")
        assert page.evaluate("sessionStorage.length") == 0
        page.get_by_label("API key").fill("convoy_not-this-one")
        page.keyboard.press("Enter")
        expect(page.locator("#key-why")).to_contain_text("not known here")
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".state.live")).to_be_visible()
        give(page, examples / SEVEN)
        expect(label(page)).to_have_text("7")
        expect(page.locator("#code-pane")).to_contain_text("$CONVOY_KEY")
        assert page.evaluate("localStorage.length") == 0
        assert KEY not in page.content()


def test_a_server_that_stops_is_told_of_and_comes_back_by_itself(
    browser: Browser, guarded: Server, examples: Path
) -> None:
    with opened(browser, guarded.url) as page:
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".state.live")).to_be_visible()
        port = int(guarded.url.rsplit(":", 1)[1])
        guarded.stop()
        give(page, examples / SEVEN)
        expect(page.get_by_role("alert").first).to_contain_text("The server does not answer")
        guarded.start(port=port)

        expect(page.locator("#banner")).to_be_hidden(timeout=60_000)
        expect(label(page)).to_have_text("7", timeout=60_000)


def test_a_model_that_cannot_be_served_is_shown_with_its_diagnosis(
    browser: Browser, guarded: Server, folder: Path
) -> None:
    (folder / "models/broken.keras").write_bytes(b"no model at all")
    headers = {"X-API-Key": KEY}
    wait_for(lambda: guarded.get("/api/models/broken", headers=headers).json().get("state") == "failed", what="failed")
    with opened(browser, f"{guarded.url}/#model=broken") as page:
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".state.failed")).to_be_visible()
        expect(page.locator("#model .notes.error")).not_to_be_empty()


def test_a_model_that_goes_is_said_while_the_page_is_open(browser: Browser, guarded: Server, folder: Path) -> None:
    kept, away = folder / "models/mnist", folder / "away"
    headers = {"X-API-Key": KEY}

    def is_told(told: str) -> bool:
        return bool(guarded.get("/api/models/mnist", headers=headers).json().get("state", "not here") == told)

    with opened(browser, f"{guarded.url}/#model=mnist") as page:
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".state.live")).to_be_visible()
        for source, target, told in ((kept, away, "not here"), (away, kept, "live")):
            source.rename(target)
            wait_for(partial(is_told, told), what=told)
            page.evaluate(ASK_NOW)
            expect(page.locator("#model .state")).to_have_text(told)


ASK_NOW = "document.dispatchEvent(new Event('visibilitychange'))"
"""Has the page ask for the list of models before it is time to."""


def test_channels_that_come_first_and_further_axes_are_laid_out_as_maps(
    browser: Browser, guarded: Server, folder: Path, examples: Path
) -> None:
    net = keras.Sequential(
        [
            keras.Input((1, 28, 28)),
            keras.layers.Conv2D(4, 5, strides=3, data_format="channels_first", name="maps"),
            keras.layers.Reshape((4, 8, 4, 2), name="folded"),
            keras.layers.Flatten(),
            keras.layers.Dense(2, activation="softmax"),
        ]
    )
    net.save(folder / "models/first.keras")
    headers = {"X-API-Key": KEY, "Accept": "application/json"}
    picture = (examples / SEVEN).read_bytes()

    def asked() -> Any:
        return guarded.post("/api/models/first/activations?layer=maps", data=picture, headers=headers).json()

    wait_for(lambda: "activations" in asked(), seconds=120, what="the model's maps")
    values = np.ravel(asked()["activations"])  # those of the layer after it, folded otherwise
    with opened(browser, f"{guarded.url}/#model=first") as page:
        page.get_by_label("API key").fill(KEY)
        page.keyboard.press("Enter")
        expect(page.locator(".state.live")).to_be_visible()
        give(page, examples / SEVEN)
        for name, index in (("maps", 2 * 8 * 8 - 1), ("folded", 4 * 8 * 4 * 2 - 1)):
            open_layer(page, name).focus()
            for key in ("PageDown", "End"):
                page.keyboard.press(key)
            told = layer(page, name).locator(".readout")
            expect(told).to_contain_text(f"unit {index}")
            expect(layer(page, name).locator(".cursor")).to_be_visible()
            value = re.search(r"\): (\S+);", told.inner_text())
            assert value
            assert float(value[1]) == pytest.approx(values[index], rel=0.02, abs=1e-4)


# -------------------------------------------------------------------------------------------------------- for everyone


def test_the_keyboard_alone_does_it_all(page: Page, examples: Path) -> None:
    page.on("filechooser", lambda chooser: chooser.set_files(examples / SEVEN))
    reach(page, "#file")
    page.keyboard.press("Enter")
    expect(label(page)).to_have_text("7")
    reach(page, "#why button")
    page.keyboard.press("Enter")
    page.locator("#why canvas.heat").wait_for()
    reach(page, '[data-layer="conv2d"] summary')
    page.keyboard.press("Enter")
    layer(page, "conv2d").locator(".tiles").wait_for()
    reach(page, '[data-layer="conv2d"] .tiles')
    page.keyboard.press("End")

    expect(layer(page, "conv2d").locator(".readout")).to_contain_text("row 25, column 25")
    assert lit(page) == pytest.approx([25 / 28, 25 / 28, 3 / 28, 3 / 28], abs=1e-4)


def reach(page: Page, selector: str) -> None:
    """Press Tab until an element has the focus."""
    for _ in range(60):
        if page.locator(selector).first.evaluate("(one) => one === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"{selector} is not reached with Tab")


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param({}, id="light"),
        pytest.param({"color_scheme": "dark"}, id="dark"),
        pytest.param({"viewport": {"width": 360, "height": 740}, "has_touch": True}, id="phone"),
    ],
)
def test_axe_finds_nothing_serious(
    browser: Browser, mnist_server: Server, examples: Path, settings: dict[str, Any]
) -> None:
    with opened(browser, f"{mnist_server.url}/#model=mnist", reduced_motion="reduce", **settings) as page:
        expect(page.locator(".state.live")).to_be_visible()
        give(page, examples / SEVEN, examples / SHIRT)
        expect(label(page)).to_have_text("7")
        page.get_by_role("button", name="Draw one").click()
        page.get_by_role("button", name="Show the heat map").click()
        page.locator("#why canvas.heat").wait_for()
        open_layer(page, "conv2d")
        open_layer(page, "flatten")
        found = Axe().run(page).response["violations"]
        wide = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")

    assert [(one["id"], one["nodes"][0]["html"]) for one in found if one["impact"] in ("serious", "critical")] == []
    assert wide <= 0  # nothing has to be scrolled sideways


# ------------------------------------------------------------------------------------------------------ how it is sent


def test_browsers_get_the_page_and_programs_the_signpost(mnist_server: Server) -> None:
    shown, told = mnist_server.get("/", headers=HTML), mnist_server.get("/")

    assert shown.headers["Content-Type"] == "text/html; charset=utf-8"
    assert (told.json()["status"], told.headers["Content-Type"]) == ("alive", "application/json")
    assert mnist_server.get("/", headers={"Accept": "application/json"}).json()["status"] == "alive"
    assert "Accept" in shown.headers["Vary"]
    assert "Accept" in told.headers["Vary"]


def test_the_policy_lets_nothing_in_and_the_page_needs_nothing_else(mnist_server: Server) -> None:
    shown = mnist_server.get("/", headers=HTML)

    policy = shown.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert re.findall(r"<script[^>]*>(.*?)</script>", shown.text, re.S) == [""]
    assert not re.search(r"<style|\son\w+=|\sstyle=|//", shown.text)


def test_the_page_is_light_and_its_files_may_be_kept_for_ever(mnist_server: Server) -> None:
    shown = mnist_server.get("/", headers=HTML)
    addresses = set(re.findall(r'(?:src|href)="([^"#]+/page/[^"]+|/page/[^"]+)"', shown.text))
    files = [mnist_server.get(address) for address in addresses]

    assert len(files) > 10
    assert {one.status_code for one in files} == {200}
    assert all("immutable" in one.headers["Cache-Control"] for one in files)
    assert shown.headers["Cache-Control"] == "no-cache"
    assert len(shown.content) + sum(len(one.content) for one in files) < 150_000


def test_files_of_another_release_are_not_kept_and_others_are_not_given(mnist_server: Server) -> None:
    assert mnist_server.get("/page/000000000000/app.js").headers["Cache-Control"] == "no-cache"
    for name in ("page.html", "..%2fpage.py", "nothing.js"):
        assert mnist_server.get(f"/page/0/{name}").status_code == 404
    assert requests.post(f"{mnist_server.url}/", timeout=10).status_code == 405
