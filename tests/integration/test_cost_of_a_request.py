"""What a small request costs, in calls: the same on every machine, however busy. The cure for creeping."""

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import EnvironBuilder

from service.app import create_app
from service.settings import Settings
from tests.prebuilt import prebuild

ROOT = Path(__file__).resolve().parent.parent.parent
PICTURE = (ROOT / "examples" / "seven-light-on-dark.png").read_bytes()
MOST_CALLS = 760
"""Of Python and C functions; it was 1,534 before anybody counted, and is some 610 now, and 85 of the test."""
MORE_FOR_LAYERS = 20


def calls_of(work: Callable[[], Any]) -> int:
    """Return how many functions are called, in Python and in C."""
    count = 0

    def note(_: FrameType, event: str, __: Any) -> None:
        nonlocal count
        count += event in ("call", "c_call")

    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Flask]:
    models, cache, runtime = (tmp_path_factory.mktemp(name) for name in ("models", "cache", "runtime"))
    shutil.copytree(ROOT / "models" / "mnist", models / "mnist")
    prebuild(models, cache)
    given = {"models_dir": models, "cache_dir": cache, "runtime_dir": runtime}
    app = create_app(Settings.read(given, environ={}))
    yield app
    app.extensions["convoy"].stop()


def ask(app: Flask, query: str) -> bytes:
    """Return the answer to the picture, asked as a server does: a body that it has already."""
    builder = EnvironBuilder("/api/models/mnist/predict", query_string=query, method="POST", data=PICTURE)
    environ = builder.get_environ() | {"wsgi.input_terminated": True}
    statuses: list[str] = []
    body = app(environ, lambda status, headers: statuses.append(status))  # type: ignore[arg-type]
    assert statuses == ["200 OK"]
    return b"".join(body)


def test_a_prediction_stays_cheap(app: Flask) -> None:
    costs = {}
    for query in ("layers=none", "layers=shapes"):
        for _ in range(3):
            ask(app, query)
        builder = calls_of(lambda: EnvironBuilder("/api/models/mnist/predict", data=PICTURE, method="POST"))
        costs[query] = min(calls_of(lambda: ask(app, query)) for _ in range(3)) - builder  # noqa: B023 - called at once

    assert costs["layers=none"] <= MOST_CALLS
    assert costs["layers=shapes"] <= costs["layers=none"] + MORE_FOR_LAYERS
