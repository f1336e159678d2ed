"""`models.lock`: a server builds and serves what is in it and nothing else, and `convoy lock` writes it."""

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.commands import Convoy
from tests.ready_made import ReadyMade, corner
from tests.servers import Server, wait_for

PICTURE = corner(1)
Serve = Callable[..., Server]


@pytest.fixture
def disk(tmp_path: Path) -> ReadyMade:
    return ReadyMade(tmp_path)


def card(server: Server, name: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/api/models/{name}").json()
    return found


def wait_told(server: Server, name: str, text: str, state: str) -> None:
    def is_told() -> bool:
        found = card(server, name)
        return found.get("state") == state and text in (found.get("diagnosis") or "")

    wait_for(is_told, what=f"{name} {state}: {text}")


def test_what_is_not_in_the_lock_is_neither_built_nor_served(serve: Serve, disk: ReadyMade, convoy: Convoy) -> None:
    disk.add("kept", 1)
    assert convoy("lock", disk.models).returncode == 0
    server = serve(disk.models, workers=1, cache_dir=disk.cache).wait_ready()

    disk.add("added", 1)
    (disk.models / "unbuilt.keras").write_bytes(b"would be built")
    wait_told(server, "added", "model.keras of version 1 is not in models.lock, so it is not served.", "failed")
    wait_told(server, "unbuilt", "convoy lock", "failed")
    assert server.predict("added", PICTURE).status_code == 503
    assert "building unbuilt" not in server.log

    (disk.models / "unbuilt.keras").unlink()
    convoy("lock", disk.models)
    server.wait_state("added", 1, "live")

    disk.replace("added", 1, content="swapped")
    wait_told(server, "added", "is not the one in models.lock: it has another SHA-256", "live")
    assert server.predict("added", PICTURE).status_code == 200  # by the bytes that are in the lock
    convoy("lock", disk.models)
    wait_for(lambda: card(server, "added").get("diagnosis") is None, what="the new file")

    lock = disk.models / "models.lock"
    good = lock.read_text()
    lock.write_text("nonsense\n")
    wait_for(lambda: "models.lock, line 1" in "".join(told(server)), what="a warning")
    disk.add("kept", 2)
    wait_told(server, "kept/versions/2", "Nothing new is built or served until it is mended", "failed")
    assert {server.predict(name, PICTURE).status_code for name in ("kept", "added")} == {200}

    lock.unlink()
    wait_for(lambda: told(server)[0].startswith("models.lock is not there."), what="a warning")
    assert server.predict("added", PICTURE).status_code == 200

    lock.write_text("".join(line for line in good.splitlines(keepends=True) if "added" not in line))
    wait_told(server, "added", "is not in models.lock", "failed")
    assert told(server) == []
    assert server.predict("added", PICTURE).status_code == 503
    assert server.predict("kept", PICTURE).json()["model"]["version"] == 1


def told(server: Server) -> list[str]:
    return list(server.get("/api/models").json()["warnings"])


def test_a_lock_may_lie_elsewhere_and_must_then_be_there(serve: Serve, disk: ReadyMade, tmp_path: Path) -> None:
    disk.add("kept", 1)

    server = serve(disk.models, workers=1, cache_dir=disk.cache, models_lock=tmp_path / "safe/models.lock", ready="x")

    wait_told(server, "kept", "models.lock is not there. Nothing new is built", "failed")


# ------------------------------------------------------------------------------------------------------ convoy lock


def test_the_lock_is_one_that_sha256sum_checks(disk: ReadyMade, convoy: Convoy) -> None:
    disk.add("one", 1)
    disk.add("one", 2)

    written = convoy("lock", disk.models)

    assert (written.returncode, written.stdout) == (0, f"{disk.models / 'models.lock'} holds 2 files.\n")
    if shutil.which("sha256sum"):
        subprocess.run(["sha256sum", "-c", "models.lock"], cwd=disk.models, check=True, capture_output=True)
    assert [path.name for path in disk.models.iterdir() if path.is_file()] == ["models.lock"]


def test_check_says_what_differs_and_fails(disk: ReadyMade, convoy: Convoy, tmp_path: Path) -> None:
    for version in (1, 2):
        disk.add("one", version)
    elsewhere = {"CONVOY_MODELS_LOCK": str(tmp_path / "elsewhere.lock")}
    assert convoy("lock", disk.models, **elsewhere).returncode == 0
    right = convoy("lock", "--check", disk.models, **elsewhere)
    assert (right.returncode, right.stdout) == (0, f"{tmp_path / 'elsewhere.lock'} is right.\n")

    disk.replace("one", 1, content="other")
    disk.remove("one", 2)
    disk.add("one", 3)
    found = convoy("lock", "--check", "--json", disk.models, **elsewhere)

    assert found.returncode == 1
    assert json.loads(found.stdout) == {
        "file": str(tmp_path / "elsewhere.lock"),
        "changed": ["one/1/model.keras"],
        "not_locked": ["one/3/model.keras"],
        "gone": ["one/2/model.keras"],
    }
    assert "changed: one/1/model.keras\n" in convoy("lock", "--check", disk.models, **elsewhere).stdout


def test_without_a_lock_there_is_nothing_to_check(disk: ReadyMade, convoy: Convoy) -> None:
    disk.add("one", 1)

    found = convoy("lock", "--check", disk.models)

    assert (found.returncode, found.stderr) == (2, "Error: models.lock cannot be read: No such file or directory.\n")


def test_a_build_keeps_to_the_lock_and_replays_golden_samples(disk: ReadyMade, convoy: Convoy, tmp_path: Path) -> None:
    disk.add("one", 1)
    convoy("lock", disk.models)
    disk.add("one", 2)
    sample = disk.models / "one/golden/top right/a.png"
    sample.parent.mkdir(parents=True)
    sample.write_bytes(PICTURE)

    found = convoy("build", disk.models, "--json", CONVOY_CACHE_DIR=str(disk.cache))
    assert found.returncode == 1
    assert [one["diagnosis"] for one in json.loads(found.stdout)["builds"]] == [
        None,
        "model.keras of version 2 is not in models.lock, so it is not served. "
        "Where that is meant, write the lock anew: convoy lock.",
    ]
    assert "golden samples answered as expected: 1" in found.stderr

    sample.rename(sample.with_name("b.png")).parent.rename(disk.models / "one/golden/top left")
    found = convoy("build", disk.models, "--json", CONVOY_CACHE_DIR=str(disk.cache))
    assert "Refused by its golden samples" in json.loads(found.stdout)["builds"][0]["diagnosis"]
    checked = convoy("check", disk.models / "one/1/model.keras", CONVOY_CACHE_DIR=str(disk.cache))
    assert "Refused by its golden samples" in " ".join(checked.stdout.split())
