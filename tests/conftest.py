"""What tests share: where things lie, toy models, one cache of bundles for the whole run, real servers."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Convoy
from tests.prebuilt import prebuild
from tests.servers import Remote, Server

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("CONVOY_SHARED", ROOT.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of datasets and awkward files, which is no part of the product."""
    if not SHARED.is_dir():
        pytest.skip("needs the folder of shared test data (CONVOY_SHARED)")
    return SHARED


@pytest.fixture(scope="session")
def examples() -> Path:
    return ROOT / "examples"


@pytest.fixture(scope="session")
def bundled_models() -> Path:
    return ROOT / "models"


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache of bundles for the whole run, so that each model is built once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def models(tmp_path: Path, bundled_models: Path) -> Path:
    """A models folder of one's own that holds `mnist`."""
    folder = tmp_path / "models"
    folder.mkdir()
    shutil.copytree(bundled_models / "mnist", folder / "mnist")
    return folder


@pytest.fixture
def convoy(cache: Path, tmp_path: Path) -> Convoy:
    """The command `convoy`, run in `tmp_path`."""
    return Convoy(cache, tmp_path)


@pytest.fixture
def serve(cache: Path, tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start `convoy serve` for real: `serve(models, workers=1, …)`; stopped and checked at the end."""
    started: list[Server] = []

    def start(models: Path, **settings: Any) -> Server:
        log = tmp_path / f"server-{len(started)}.log"
        server = Server(models, log=log, settings={"cache_dir": cache, "poll_seconds": 0.2, **settings})
        started.append(server)
        return server.start()

    yield start
    for server in reversed(started):
        server.stop()


@pytest.fixture(scope="session")
def mnist_server(cache: Path, bundled_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of the bundled models for all tests that only ask it things; CONVOY_TEST_URL names another one."""
    if url := os.environ.get("CONVOY_TEST_URL"):
        yield Remote(url)
        return
    prebuild(bundled_models, cache)  # in this process: eight children would each import TensorFlow first
    log = tmp_path_factory.mktemp("server") / "server.log"
    server = Server(bundled_models, log=log, settings={"cache_dir": cache, "poll_seconds": 0.2, "workers": 2})
    try:
        server.start().wait_ready()
        yield server
    finally:
        server.stop()
