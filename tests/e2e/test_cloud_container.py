"""`convoy serve` as a cloud platform starts it: no arguments, its own variables, its own port and routes."""

import base64
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.servers import wait_for

HEALTH = "/v1/endpoints/12/deployedModels/34"


@pytest.fixture
def port() -> int:
    with socket.socket() as free:
        free.bind(("0.0.0.0", 0))
        return int(free.getsockname()[1])


@pytest.fixture
def vertex(models: Path, cache: Path, port: int, tmp_path: Path) -> Iterator[str]:
    """The address of a server that was told everything by variables, most of them Vertex's."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CONVOY_", "AIP_"))}
    environ |= {"CONVOY_MODELS_DIR": str(models), "CONVOY_CACHE_DIR": str(cache), "CONVOY_WORKERS": "1"}
    environ |= {"AIP_HTTP_PORT": str(port), "AIP_HEALTH_ROUTE": HEALTH, "AIP_PREDICT_ROUTE": f"{HEALTH}:predict"}
    log = tmp_path / "server.log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "service.cli", "serve"], env=environ, cwd=tmp_path, stdout=out, stderr=out
        )
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(40)


def is_healthy(address: str) -> bool:
    try:
        return requests.get(address, timeout=30).status_code == 200
    except requests.ConnectionError:
        return False


def test_a_platform_finds_port_health_and_predictions(vertex: str, examples: Path) -> None:
    wait_for(lambda: is_healthy(vertex + HEALTH), what="the health route")
    picture = (examples / "seven-light-on-dark.png").read_bytes()
    rows = {"instances": [{"b64": base64.b64encode(picture).decode()}], "parameters": {}}
    (row,) = requests.post(f"{vertex}{HEALTH}:predict", json=rows, timeout=30).json()["predictions"]
    invoked = requests.post(
        f"{vertex}/invocations", picture, headers={"Content-Type": "application/x-image"}, timeout=30
    ).json()

    assert row == invoked["predictions"][0]["probabilities"]
    assert invoked["predictions"][0]["label"] == "7"
    assert is_healthy(f"{vertex}/ping")


def test_the_image_runs_convoy_with_the_platforms_argument() -> None:
    dockerfile = (Path(__file__).resolve().parents[2] / "Dockerfile").read_text("utf-8")
    assert 'ENTRYPOINT ["convoy"]' in dockerfile
