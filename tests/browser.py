"""Owns a real browser, Debian's Chromium through Playwright, and what its pages may not do: log errors."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

_NAMES = ("chromium", "chromium-browser", "google-chrome")
_UNASKED = "Failed to load resource"
"""How Chromium logs every answer of 400 and more: what the page makes of those is tested by itself."""


def chromium() -> str:
    """Return where the browser is; skips where none is installed."""
    found = next(filter(None, map(shutil.which, _NAMES)), None)
    if found is None:
        pytest.skip("needs Chromium (Debian: apt-get install chromium)")
    return found


@contextmanager
def browsing() -> Iterator[Browser]:
    """Run a browser while the block runs."""
    path = chromium()
    with sync_playwright() as playwright:
        # NOTE: as root, which containers are, Chromium starts without its sandbox alone.
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, url: str, **settings: Any) -> Iterator[Page]:
    """Open a page in a context of its own; fail if it logged an error, such as for what its policy forbids."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **settings})
    context.set_default_timeout(15_000)
    errors: list[str] = []
    page = context.new_page()
    page.on("console", lambda message: _take(message, errors))
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        page.goto(url)
        yield page
    finally:
        context.close()
    assert errors == []


def _take(message: ConsoleMessage, errors: list[str]) -> None:
    if message.type in ("error", "warning") and _UNASKED not in message.text:
        errors.append(message.text)
