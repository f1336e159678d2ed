"""What breaks around a running server: workers, builders, disks, folders, files. docs/operations.md says the same."""

import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import requests

from tests import toys
from tests.pictures import encoded, noise, npy
from tests.prebuilt import prebuild
from tests.servers import Server, children, command_line, wait_for

pytest.importorskip("keras")

DIGIT = encoded(noise(28, 28))
SMALL = noise(8, 8, 1, seed=5).astype(np.float32) / np.float32(255)
DISK = "12m"


@dataclass(frozen=True)
class Place:
    """A running server of `mnist` and `toy`, and the folders it lives on."""

    server: Server
    models: Path
    cache: Path
    runtime: Path

    def toy(self) -> tuple[int, object]:
        """Return status and probabilities of one request to `toy`."""
        answer = self.server.predict("toy", npy(SMALL))
        return answer.status_code, answer.json().get("predictions", [{}])[0].get("probabilities")

    def bundle(self, name: str) -> Path:
        return next(path.parent for path in self.cache.glob(f"{name}/*/model.tflite"))

    def watches(self) -> bool:
        """Return whether somebody looks at the models folder: a new description goes live."""
        word = os.urandom(4).hex()
        (self.models / "toy" / "model.toml").write_text(f'description = "{word}"\n')
        wait_for(lambda: self.server.get("/api/models/toy").json().get("description") == word, what="a look")
        return True

    def kill(self, *workers: int) -> None:
        """Kill workers, and wait for new ones in their place and for an answer."""
        others = set(self.server.workers()) - {*workers}
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(set(self.server.workers()) - others - {*workers}) == len(workers), what="new workers")
        wait_for(lambda: answers(self.server), what="an answer")


def answers(server: Server) -> bool:
    try:
        return server.predict("mnist", DIGIT).status_code == 200
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def small_disk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder on a disk of its own where this user may mount one, else a folder like any other."""
    folder = tmp_path_factory.mktemp("disk")
    mounted = run("mount", "-t", "tmpfs", "-o", f"size={DISK}", "tmpfs", str(folder)) == 0
    yield folder
    if mounted:
        run("umount", "--lazy", str(folder))


def run(*command: str) -> int:
    if os.geteuid() != 0 or shutil.which(command[0]) is None:
        return 1
    return subprocess.run(command, check=False, capture_output=True).returncode


@pytest.fixture(scope="module")
def place(
    tmp_path_factory: pytest.TempPathFactory, bundled_models: Path, cache: Path, small_disk: Path
) -> Iterator[Place]:
    here = tmp_path_factory.mktemp("faults")
    models, runtime, own_cache = here / "models", here / "run", small_disk / "cache"
    shutil.copytree(bundled_models / "mnist", models / "mnist")
    toys.save_small_cnn(models / "toy/1/model.keras", seed=61)
    prebuild(models, cache)
    for name in ("mnist", "toy"):
        shutil.copytree(cache / name, own_cache / name)
    settings = {"cache_dir": own_cache, "runtime_dir": runtime, "poll_seconds": 0.2, "workers": 2, "threads": 2}
    server = Server(models, log=here / "server.log", settings=settings)
    try:
        server.start().wait_ready()
        yield Place(server, models, own_cache, runtime)
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------- workers


def test_a_killed_worker_costs_only_the_requests_inside_it_and_the_rest_is_answered(place: Place) -> None:
    clients, outcomes, since, stop = 6, list[int](), list[int](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            try:
                outcome = place.server.predict("mnist", DIGIT).status_code
            except requests.RequestException:
                outcome = 0
            outcomes.append(outcome)
            since.append(outcome)

    threads = [threading.Thread(target=ask) for _ in range(clients)]
    for thread in threads:
        thread.start()
    kills = place.server.workers()
    for victim in kills:  # one of them watches the models folder
        place.kill(victim)
        del since[:]
        wait_for(lambda: since[-20:] == [200] * 20, what="answers")
    stop.set()
    for thread in threads:
        thread.join()

    assert set(outcomes) <= {200, 0}
    assert outcomes.count(0) <= clients * len(kills)
    assert "was sent SIGKILL" in place.server.log
    assert place.watches()


# ------------------------------------------------------------------------------------------ runtime folder


def test_a_view_that_is_deleted_or_damaged_is_written_again_and_every_request_answered(place: Place) -> None:
    view = place.runtime / "live.json"
    for spoil in (view.unlink, lambda: view.write_text('{"models": {'), lambda: view.write_text('{"models": 3}')):
        spoil()
        statuses = [place.toy()[0] for _ in range(10)]
        wait_for(lambda: holds_toy(view), what="a view that can be read")
        assert statuses == [200] * 10
    assert "live.json in the runtime folder was removed or changed by somebody else" in place.server.log
    assert "Traceback" not in place.server.log


def holds_toy(view: Path) -> bool:
    try:
        return "toy" in json.loads(view.read_text())["models"]
    except (OSError, ValueError, TypeError):
        return False


def test_a_runtime_folder_that_is_deleted_comes_back_and_new_workers_answer(place: Place) -> None:
    away = place.runtime.rename(place.runtime.with_name("tidied"))
    shutil.rmtree(away)

    assert [place.toy()[0] for _ in range(10)] == [200] * 10
    wait_for(lambda: holds_toy(place.runtime / "live.json"), what="the runtime folder")
    place.kill(*place.server.workers())
    assert place.toy()[0] == 200
    assert place.watches()


# ------------------------------------------------------------------------------------------- models folder


def test_a_models_folder_that_goes_or_becomes_a_file_and_comes_back_changes_no_answer(place: Place) -> None:
    before, away = place.toy(), place.models.with_name("away")

    place.models.rename(away)
    wait_for(lambda: "cannot be read (No such file or directory)" in place.server.log, what="a warning")
    place.models.write_text("no folder")
    wait_for(lambda: "cannot be read (it is a file now)" in place.server.log, what="a warning")
    during = place.toy(), place.server.get("/api/models").json()["warnings"]
    place.models.unlink()
    away.rename(place.models)

    assert during[0] == before
    assert "what was live stays live" in during[1][0]
    assert place.watches()
    assert place.server.states() == {"mnist": {1: "live"}, "toy": {1: "live"}}


def test_things_with_odd_names_and_kinds_neither_hang_nor_forge_the_log(place: Place) -> None:
    names = (b"caf\xe9.keras", b"line\nERROR root: forged\x1b[31m.keras")
    made = [place.models / os.fsdecode(name) for name in names]
    for path in made:
        shutil.copy(place.models / "toy/1/model.keras", path)
    extra = [place.models / name for name in ("loop.keras", "loop", "pipe.keras", "socket.keras", "zero.h5")]
    for link in extra[:2]:
        link.symlink_to(link.name)
    os.mkfifo(extra[2])
    with socket.socket(socket.AF_UNIX) as listener, contextlib.chdir(place.models):
        listener.bind(extra[3].name)
    extra[4].symlink_to("/dev/zero")
    os.mkfifo(place.models / "toy/labels.txt")
    try:
        wait_for(lambda: len(place.server.states()) == 4, what="both odd names")
        states = place.server.states()
        assert place.watches()
        assert {name for name, versions in states.items() if versions == {1: "failed"}} == {
            "caf\\udce9",
            "line\\nERROR root: forged\\x1b[31m",
        }
        assert place.server.get("/readyz").status_code == 200
        assert "\nERROR root: forged" not in place.server.log
        assert "\x1b" not in place.server.log
    finally:
        for path in [*made, *extra, place.models / "toy/labels.txt"]:
            path.unlink()
    wait_for(lambda: len(place.server.states()) == 2, what="the rest")


def test_a_clock_that_was_wrong_builds_nothing_anew(place: Place) -> None:
    saved, built = place.models / "toy/1/model.keras", place.server.log.count("building toy")

    for year in (1980, 2100):
        then = (year - 1970) * 365 * 86_400
        os.utime(saved, (then, then))
        assert place.watches()

    assert place.server.states()["toy"] == {1: "live"}
    assert place.server.log.count("building toy") == built


# ------------------------------------------------------------------------------------------ cache and disk


def test_a_cache_that_cannot_be_written_or_is_full_keeps_serving_and_says_so(place: Place, small_disk: Path) -> None:
    if not os.path.ismount(small_disk):
        pytest.skip("needs to mount a small disk: only root may")
    run("mount", "-o", "remount,ro", str(small_disk))
    toys.save_small_cnn(place.models / "late.keras", seed=62)
    wait_for(lambda: "The cache folder cannot be written: Read-only file system." in place.server.log, what="a reason")
    read_only = place.toy()[0], place.server.predict("late", npy(SMALL))
    run("mount", "-o", "remount,rw", str(small_disk))
    ballast = place.cache / "ballast"
    with contextlib.suppress(OSError), ballast.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))
    wait_for(lambda: "The disk of the cache folder is full." in place.server.log, what="a reason")
    full = place.toy()[0], place.server.get("/api/models/late").json()
    (place.models / "late.keras").unlink()
    ballast.unlink()

    assert (read_only[0], full[0]) == (200, 200)
    assert (read_only[1].status_code, read_only[1].headers["Retry-After"]) == (503, "2")
    assert full[1]["state"] == "building"
    assert "Next try in" in full[1]["step"]
    wait_for(lambda: "late" not in place.server.states(), what="late gone")


def is_held_everywhere(server: Server, name: str) -> bool:
    """Return whether every worker has loaded version 1 of a model."""
    listed = server.get("/api/models").json()
    held = {one["name"]: one["versions"][0]["held_by"] for one in listed["models"]}
    return len(held.get(name, [])) == len(server.workers())


def test_a_bundle_damaged_under_a_running_server_gives_the_old_answers_and_is_built_again_once(place: Place) -> None:
    wait_for(lambda: is_held_everywhere(place.server, "toy"), what="both workers with the toy")
    before, graph = place.toy(), place.bundle("toy") / "model.tflite"
    data = graph.read_bytes()
    with graph.open("r+b") as file:  # in its place, as a failing disk does
        file.seek(len(data) // 2)
        file.write(bytes(one ^ 0x55 for one in data[len(data) // 2 :]))
    wait_for(lambda: "bundle of toy version 1 is damaged" in place.server.log, what="a warning")
    during = [place.toy() for _ in range(6)]
    wait_for(lambda: "built toy version 1" in place.server.log, what="a build")
    shutil.rmtree(place.bundle("mnist"))  # and one that is gone: answers go on from memory
    after = [place.toy() for _ in range(6)]

    assert during == [before] * 6
    assert after == [before] * 6
    assert place.server.predict("mnist", DIGIT).status_code == 200
    wait_for(lambda: "building mnist version 1" in place.server.log, what="a build of what was deleted")
    assert place.server.log.count("built toy version 1") == 1


def test_without_a_cache_that_can_be_written_what_was_built_is_served(
    cache: Path, place: Place, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    settings = {"bundles_dir": cache, "cache_dir": tmp_path / "file/cache", "workers": 1, "poll_seconds": 0.2}
    server = Server(place.models, log=tmp_path / "server.log", settings=settings)
    try:
        server.start().wait_ready()
        assert server.predict("toy", npy(SMALL)).status_code == 200
        assert "only models built before can be served" in server.log
    finally:
        server.stop()


# ------------------------------------------------------------------------------------------------- builder


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Start servers that have all to build: `workshop(**settings)`, on one cache."""
    toys.save_small_cnn(tmp_path / "models/toy.keras", seed=63)
    started: list[Server] = []

    def start(**settings: object) -> Server:
        fixed = {"cache_dir": tmp_path / "cache", "poll_seconds": 0.2, "workers": 2}
        server = Server(tmp_path / "models", log=tmp_path / f"{len(started)}.log", settings=fixed | settings)
        started.append(server)
        return server.start()

    yield start
    for server in reversed(started):
        server.stop()


def builder(server: Server) -> int | None:
    """Return the process that builds for a server, if one does."""
    tasks = [task for worker in children(server.pid) for task in Path(f"/proc/{worker}/task").glob("*/children")]
    found = []
    for task in tasks:
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in task.read_text().split()]
    return next((pid for pid in found if "service.builder" in command_line(pid)), None)


def is_gone(pid: int) -> bool:
    return not Path(f"/proc/{pid}").exists()


def is_locked(path: Path) -> bool:
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def test_a_builder_ends_when_it_is_no_longer_wanted(workshop: Callable[..., Server], tmp_path: Path) -> None:
    server, saved = workshop(), tmp_path / "models/toy.keras"
    first = wait_for(lambda: builder(server), what="a builder")
    low = min(19, os.getpriority(os.PRIO_PROCESS, server.pid) + 10)
    wait_for(lambda: os.getpriority(os.PRIO_PROCESS, first) == low, seconds=20, what="low priority")
    assert os.sched_getscheduler(first) == os.SCHED_BATCH
    assert Path(f"/proc/{first}/oom_score_adj").read_text().strip() == "1000"

    toys.save_small_cnn(saved, seed=64)  # the file is replaced while it is built
    second = wait_for(lambda: (pid := builder(server)) != first and pid, what="a builder of the new file")
    order = command_line(second)
    assert is_gone(first)
    os.kill(server.pid, signal.SIGHUP)
    third = wait_for(lambda: (pid := builder(server)) not in (None, second) and pid, what="a new worker's builder")
    assert is_gone(second)
    assert command_line(third).split('"fingerprint": ')[1][:66] == order.split('"fingerprint": ')[1][:66]
    saved.unlink()
    wait_for(lambda: is_gone(third), seconds=10, what="its end")

    assert server.predict("toy", npy(SMALL)).status_code == 404
    assert builder(server) is None


def test_after_a_server_was_killed_while_it_built_nothing_is_left_that_hinders_the_next(
    workshop: Callable[..., Server], tmp_path: Path
) -> None:
    server, cache = workshop(), tmp_path / "cache"
    working = wait_for(lambda: builder(server), what="a builder")
    workers = server.workers()
    assert is_locked(cache / ".build.lock")

    for pid in (server.pid, *workers):  # at once, as an orchestrator does: nobody is left to tidy up
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(working), seconds=10, what="the builder's end")
    left = list(cache.glob("*/.staging-*"))
    assert left
    assert not is_locked(cache / ".build.lock")

    again = workshop(build_memory=150 * 2**20)
    wait_for(lambda: not any(path.exists() for path in left), what="a tidy cache")
    wait_for(lambda: "memory" in again.log and "(CONVOY_BUILD_MEMORY)" in again.log, what="a reason")
    assert again.get("/api/models/toy").json()["state"] == "building"
    assert again.predict("toy", npy(SMALL)).headers["Retry-After"] == "2"
