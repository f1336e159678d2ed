"""Models are unloaded and loaded by whoever has the admin key, in every worker, and stay as they were left."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.servers import Server

pytest.importorskip("keras")

KEY = "let-me-in-please"
ADMIN = {"Authorization": f"Bearer {KEY}"}


def change(
    server: Server, what: str, *, headers: dict[str, str] | None = ADMIN, name: str = "mnist"
) -> tuple[int, str]:
    answer = server.post(f"/v2/repository/models/{name}/{what}", headers=headers)
    return answer.status_code, answer.text


def codes(server: Server, times: int = 24) -> set[int]:
    """Ask often enough, over fresh connections, that both workers answer."""
    return {server.get("/v2/models/mnist/ready", headers={"Connection": "close"}).status_code for _ in range(times)}


def test_an_unload_holds_in_every_worker_until_a_load(serve: Callable[..., Server], models: Path) -> None:
    server = serve(models, workers=2, admin_key=KEY).wait_ready()
    picture = (Path(__file__).parents[2] / "examples/seven-light-on-dark.png").read_bytes()

    assert change(server, "unload") == (200, '{"name":"mnist","unload":true}')
    assert codes(server) == {503}
    refused = server.predict("mnist", picture)
    assert refused.status_code == 503
    assert "was unloaded" in refused.json()["detail"]
    assert "Retry-After" not in refused.headers
    listed = server.post("/v2/repository/index").json()
    assert [(one["name"], one["state"]) for one in listed] == [("mnist", "UNAVAILABLE")]
    assert server.post("/v2/repository/index", json={"ready": True}).json() == []
    assert server.is_ready()
    status = server.get("/v1/models/mnist")
    assert (status.status_code, status.json()["ready"]) == (503, False)
    assert [one["state"] for one in status.json()["model_version_status"]] == ["END"]

    (models / "mnist/1/model.toml").touch()
    shutil.copytree(models / "mnist/1", models / "mnist/2")  # a new version does not bring it back
    server.wait_state("mnist", 2, "unloaded")
    assert codes(server) == {503}

    assert change(server, "load") == (200, '{"name":"mnist","load":true}')
    assert codes(server) == {200}
    assert server.predict("mnist", picture).json()["predictions"][0]["label"] == "7"


@pytest.mark.parametrize(
    ("headers", "status"),
    [(None, 401), ({"Authorization": "Bearer wrong-key-entirely"}, 401), ({"Authorization": f"Basic {KEY}"}, 401)],
)
def test_without_the_key_nothing_changes(
    serve: Callable[..., Server], models: Path, headers: dict[str, str] | None, status: int
) -> None:
    server = serve(models, workers=1, admin_key=KEY).wait_ready()

    found, text = change(server, "unload", headers=headers)

    assert (found, "admin key" in text, KEY in text) == (status, True, False)
    assert codes(server, 2) == {200}
    assert KEY not in server.log


def test_a_server_without_a_key_refuses(mnist_server: Server) -> None:
    status, text = change(mnist_server, "unload")

    assert (status, "CONVOY_ADMIN_KEY" in text) == (403, True)


def test_an_unknown_model_is_told(serve: Callable[..., Server], models: Path) -> None:
    server = serve(models, workers=1, admin_key=KEY).wait_ready()

    assert change(server, "load", name="none")[0] == 404


def test_a_load_that_brings_files_is_refused(serve: Callable[..., Server], models: Path) -> None:
    server = serve(models, workers=1, admin_key=KEY).wait_ready()
    body = {"parameters": {"config": "{}", "file:1/model.keras": "AAAA"}}

    answer = server.post("/v2/repository/models/mnist/load", json=body, headers=ADMIN)

    assert (answer.status_code, "models folder" in answer.json()["error"]) == (400, True)
