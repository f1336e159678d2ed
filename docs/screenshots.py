"""Takes the pictures of the page in docs/images: `python docs/screenshots.py`, while `make run` serves.

Another address than http://127.0.0.1:8000 is its argument. It needs Chromium (Debian: apt-get install chromium).
"""

import io
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

ROOT = Path(__file__).resolve().parent.parent
IMAGES = ROOT / "docs/images"
EXAMPLES = ROOT / "examples"
URL = "http://127.0.0.1:8000"
QUALITY = 80
MOST_BYTES = 200_000


def wide(page: Page) -> None:
    """A seven, why it is one, and what a unit of the first convolution looks at."""
    ask(page, "mnist", "seven-light-on-dark.png")
    explain(page)
    hover(page, "conv2d", 298, 31)


def dark(page: Page) -> None:
    """Pieces of clothing in a gallery, the layers drawn as a graph."""
    ask(page, "fashion-mnist", "t-shirt.png", "trouser.png", "seven-light-on-dark.png")
    explain(page)
    page.get_by_text("Drawn as a graph").click()
    page.locator(".graph-host [data-layer]").first.wait_for()


def phone(page: Page) -> None:
    """The strip of a Flatten, and the region that one number of it comes from."""
    ask(page, "mnist", "seven-light-on-dark.png")
    hover(page, "flatten", 150, 40)
    page.locator('.layers [data-layer="flatten"]').scroll_into_view_if_needed()


SHOTS: dict[str, tuple[Callable[[Page], None], dict[str, Any]]] = {
    "page-1280": (wide, {"viewport": {"width": 1280, "height": 1240}}),
    "page-dark": (dark, {"viewport": {"width": 1280, "height": 1000}, "color_scheme": "dark"}),
    "page-360": (phone, {"viewport": {"width": 360, "height": 780}, "has_touch": True}),
}
"""What is shown in each picture, and in what kind of browser."""


def ask(page: Page, model: str, *pictures: str) -> None:
    page.goto(f"{page.url}#model={model}")
    page.locator(".state.live").wait_for()
    page.set_input_files("#file", EXAMPLES / pictures[0])  # the first request of a worker takes longer
    page.locator("#label").wait_for()
    page.reload()
    page.locator(".state.live").wait_for()
    page.set_input_files("#file", [EXAMPLES / one for one in pictures])
    page.locator("#seen .sight img").first.wait_for()
    page.locator("#label").wait_for()


def explain(page: Page) -> None:
    page.get_by_role("button", name="Show the heat map").click()
    page.locator("#why canvas.heat").first.wait_for()


def hover(page: Page, layer: str, x: float, y: float) -> None:
    """Open a layer and move over what it gives; the focus keeps lit what the pointer then leaves."""
    page.locator(f'.layers [data-layer="{layer}"] summary').click()
    tiles = page.locator(f'.layers [data-layer="{layer}"] .tiles')
    tiles.focus()
    tiles.locator("canvas").hover(position={"x": x, "y": y})
    page.locator("#seen .sight .region").first.wait_for()
    page.evaluate("scrollTo(0, 0)")


def shoot(browser: Browser, url: str, name: str) -> None:
    """Take one picture; raises ValueError where it is too large for a page of documentation."""
    show, settings = SHOTS[name]
    context = browser.new_context(device_scale_factor=1.5, reduced_motion="reduce", **settings)
    page = context.new_page()
    page.goto(url)
    show(page)
    path = IMAGES / f"{name}.webp"
    Image.open(io.BytesIO(page.screenshot())).convert("RGB").save(path, quality=QUALITY, method=6)
    context.close()
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path.name} has {path.stat().st_size:,} bytes; at most {MOST_BYTES:,} are wanted.")


def main() -> None:
    url = sys.argv[1] if len(sys.argv) > 1 else URL
    IMAGES.mkdir(exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for name in SHOTS:
            shoot(browser, url, name)
        browser.close()


if __name__ == "__main__":
    main()
