"""The wheel in an empty environment far from the repository: `make test-wheel`, which downloads TensorFlow."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import service
from tests import toys
from tests.conftest import ROOT
from tests.pictures import encoded, noise
from tests.servers import Server

if not os.environ.get("CONVOY_TEST_WHEEL"):
    pytest.skip("downloads TensorFlow (CONVOY_TEST_WHEEL=1, or `make test-wheel`)", allow_module_level=True)

pytestmark = pytest.mark.timeout(1800)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment that holds the wheel, and what pip finds for its extra `build`."""
    folder = tmp_path_factory.mktemp("elsewhere")
    build: list[str | Path] = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder / "dist"]
    subprocess.run(build, cwd=ROOT, check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "environment"], check=True)
    (wheel,) = (folder / "dist").iterdir()
    python = folder / "environment/bin/python"
    subprocess.run([python, "-m", "pip", "install", "-q", f"{wheel}[build]"], cwd=folder, check=True)
    return python.parent


@pytest.fixture(scope="module")
def server(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("served")
    toys.save_small_cnn(folder / "models/toy.keras", shape=(28, 28, 1))
    settings = {"cache_dir": folder / "cache", "workers": 1}
    server = Server(folder / "models", log=folder / "server.log", settings=settings, python=installed / "python")
    try:
        yield server.start().wait_ready()
    finally:
        server.stop()


def test_a_dropped_model_is_served(server: Server) -> None:
    answer = server.predict("toy", encoded(noise(28, 28))).json()

    assert len(answer["predictions"][0]["probabilities"]) == 3


def test_what_is_no_code_is_there_too(server: Server) -> None:
    page = server.get("/", headers={"Accept": "text/html"}).text
    assets = re.findall(r"/page/\w+/[\w.]+", page)

    assert len(assets) > 1
    for path in ("/docs", "/openapi.json", "/metrics", "/api/models/toy/graph.svg", *assets):
        assert server.get(path).status_code == 200, path


def test_the_command_says_the_version(installed: Path) -> None:
    said = subprocess.run([installed / "convoy", "--version"], capture_output=True, text=True, check=True).stdout

    assert service.__version__ in said
