"""Versions come, move and go under traffic: policies, labels, rollback, golden samples, and what each worker holds."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests.ready_made import CORNERS, ReadyMade, corner
from tests.servers import Server, wait_for

TOP_RIGHT = corner(1)


@pytest.fixture(scope="module")
def disk(tmp_path_factory: pytest.TempPathFactory) -> ReadyMade:
    return ReadyMade(tmp_path_factory.mktemp("versions"))


@pytest.fixture(scope="module")
def server(disk: ReadyMade, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server of two workers for all tests here; each has models of its own."""
    disk.add("ever", 1)
    log = tmp_path_factory.mktemp("log") / "server.log"
    server = Server(disk.models, log=log, settings={"cache_dir": disk.cache, "poll_seconds": 0.2, "workers": 2})
    try:
        server.start().wait_ready()
        yield server
    finally:
        server.stop()


def card(server: Server, path: str) -> dict[str, Any]:
    found: dict[str, Any] = server.get(f"/api/models/{path}").json()
    return found


def answered_by(server: Server, path: str) -> int:
    return int(server.post(f"/api/models/{path}/predict", TOP_RIGHT).json()["model"]["version"])


def versions_of(server: Server, name: str) -> list[dict[str, Any]]:
    listed = server.get("/api/models").json()["models"]
    return next((one["versions"] for one in listed if one["name"] == name), [])


def golden(folder: Path, label: str, name: str, data: bytes = TOP_RIGHT) -> Path:
    path = folder / "golden" / label / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


class Traffic:
    """Clients that ask without a pause; remembers each status and version."""

    def __init__(self, *urls: str) -> None:
        self.answers: list[tuple[int, int | None]] = []
        self._urls = urls
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(url,)) for url in urls for _ in range(2)]

    def __enter__(self) -> "Traffic":
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    @property
    def last(self) -> set[int | None]:
        return {version for _, version in self.answers[-20:]}

    @property
    def statuses(self) -> set[int]:
        return {status for status, _ in self.answers}

    def _ask(self, url: str) -> None:
        with requests.Session() as session:
            while not self._stop.is_set():
                answer = session.post(url, TOP_RIGHT, timeout=30)
                self.answers.append((answer.status_code, answer.json().get("model", {}).get("version")))


# ------------------------------------------------------------------------------------------------------ golden samples


def test_a_version_that_answers_its_golden_samples_otherwise_is_refused_and_says_how(
    server: Server, disk: ReadyMade
) -> None:
    disk.add("checked", 1)
    golden(disk.models / "checked", "top right", "a.png")
    golden(disk.models / "checked", "top left", "b.png", corner(0))
    server.wait_state("checked", 1, "live")

    second = disk.add("checked", 2, labels=CORNERS[::-1])
    server.wait_state("checked", 2, "failed")

    assert server.states()["checked"] == {1: "live", 2: "failed"}
    diagnosis = card(server, "checked/versions/2")["diagnosis"]
    assert diagnosis.startswith("Refused by its golden samples: 2 of 2 are not answered as expected.")
    assert "top right/a.png: expected 'top right', answered 'bottom left' (probability 0.87" in diagnosis
    assert "top left/b.png: expected 'top left', answered 'bottom right'" in diagnosis
    assert answered_by(server, "checked") == 1

    (second / "model.toml").unlink()
    (disk.models / "checked/model.toml").write_text(f"labels = {json.dumps(CORNERS)}")
    server.wait_state("checked", 2, "live")


def test_samples_that_come_later_are_replayed_and_leave_a_live_version_with_the_reason(
    server: Server, disk: ReadyMade
) -> None:
    disk.add("later", 1)
    server.wait_state("later", 1, "live")

    wrong = golden(disk.models / "later/1", "bottom left", "c.png")
    wait_for(lambda: "c.png" in card(server, "later").get("diagnosis", ""), what="a diagnosis")
    assert server.states()["later"] == {1: "live"}
    wrong.parent.rename(wrong.parent.with_name("top right"))

    wait_for(lambda: "diagnosis" not in card(server, "later"), what="no diagnosis")


@pytest.mark.parametrize(
    ("name", "label", "data", "text"),
    [
        ("unknown", "middle", TOP_RIGHT, "middle: no class of the model is called so."),
        ("undecodable", "top left", b"no picture", "top left/x.png: "),
    ],
)
def test_samples_that_cannot_be_used_are_told_without_a_path_of_the_server(
    server: Server, disk: ReadyMade, name: str, label: str, data: bytes, text: str
) -> None:
    golden(disk.models / name, label, "x.png", data)
    disk.add(name, 1)
    server.wait_state(name, 1, "failed")

    diagnosis = card(server, name)["diagnosis"]
    assert text in diagnosis
    assert str(disk.models) not in diagnosis


def test_a_folder_of_samples_is_no_model(server: Server, disk: ReadyMade) -> None:
    golden(disk.models, "3", "x.png")
    disk.add("beside", 1)
    server.wait_state("beside", 1, "live")

    assert "golden" not in server.states()


# ------------------------------------------------------------------------------------------------ policies and labels


def test_the_latest_two_are_served_and_the_oldest_goes_as_a_new_one_comes(server: Server, disk: ReadyMade) -> None:
    for version in (1, 2, 3):
        disk.add("two", version)
    (disk.models / "two/model.toml").write_text("[versions]\nserve = { latest = 2 }\n")
    wait_for(lambda: server.states().get("two") == {2: "live", 3: "live"}, what="the latest two")

    disk.add("two", 4)

    wait_for(lambda: server.states().get("two") == {3: "live", 4: "live"}, what="the new two")


def test_a_rollback_by_another_label_loses_no_request(server: Server, disk: ReadyMade) -> None:
    for version in (1, 2, 3):
        disk.add("labelled", version)
    sidecar = disk.models / "labelled/model.toml"
    sidecar.write_text("[versions]\nlabels = { stable = 2, canary = 3 }\n")
    wait_for(lambda: server.states().get("labelled") == {2: "live", 3: "live"}, what="both labels")
    assert [one["labels"] for one in versions_of(server, "labelled")] == [["stable"], ["canary"]]
    assert card(server, "labelled/versions/stable")["version_labels"] == ["stable"]
    assert card(server, "labelled")["version_labels"] == ["canary"]

    with Traffic(f"{server.url}/api/models/labelled/versions/stable/predict") as traffic:
        wait_for(lambda: len(traffic.answers) > 20, what="traffic")
        assert traffic.last == {2}
        sidecar.write_text("[versions]\nlabels = { stable = 1, canary = 3 }\n")
        wait_for(lambda: traffic.last == {1}, what="the old version")

    assert traffic.statuses == {200}
    wait_for(lambda: server.states()["labelled"] == {1: "live", 3: "live"}, what="version 2 gone")
    assert v1_corner(server, "labelled/labels/stable") == pytest.approx(0.711, abs=0.01)
    assert v1_corner(server, "labelled/labels/canary") == pytest.approx(0.948, abs=0.01)


def v1_corner(server: Server, path: str) -> float:
    """Return what the version at this address of `/v1` gives the white corner: each is surer than the one below."""
    body = {"instances": [[[[0.0], [1.0]], [[0.0], [0.0]]]]}
    answer = server.post(f"/v1/models/{path}:predict", json.dumps(body))
    assert answer.status_code == 200, answer.text
    return float(answer.json()["predictions"][0][1])


def test_a_label_of_a_version_that_is_not_there_is_told_and_the_rest_goes_on(server: Server, disk: ReadyMade) -> None:
    for version in (1, 2):
        disk.add("mislabelled", version)
    sidecar = disk.models / "mislabelled/model.toml"
    sidecar.write_text("[versions]\nlabels = { stable = 1 }\n")
    wait_for(lambda: server.states().get("mislabelled") == {1: "live", 2: "live"}, what="both versions")

    sidecar.write_text("[versions]\nlabels = { stable = 9, canary = 8 }\n")
    wait_for(lambda: len(warnings(server, "mislabelled")) == 2, what="warnings")

    assert (
        "'stable' of mislabelled is to name version 9, which is not there; there is 1, 2. It stays with version 1."
        in (" ".join(warnings(server, "mislabelled")))
    )
    assert answered_by(server, "mislabelled/versions/stable") == 1
    assert answered_by(server, "mislabelled") == 2
    refused = server.post("/api/models/mislabelled/versions/canary/predict", TOP_RIGHT)
    assert (refused.status_code, "names version 8, which is not there" in refused.json()["detail"]) == (404, True)
    assert server.post("/v1/models/mislabelled/labels/canary:predict", "{}").status_code == 404
    sidecar.unlink()
    wait_for(lambda: not warnings(server, "mislabelled"), what="no warnings")


def warnings(server: Server, name: str) -> list[str]:
    return [one for one in server.get("/api/models").json()["warnings"] if name in one]


def test_a_rollback_by_removing_a_version_loses_no_request(server: Server, disk: ReadyMade) -> None:
    for version in (1, 2):
        disk.add("removed", version)
    server.wait_state("removed", 2, "live")

    with Traffic(f"{server.url}/api/models/removed/predict") as traffic:
        wait_for(lambda: len(traffic.answers) > 20, what="traffic")
        disk.remove("removed", 2)
        wait_for(lambda: traffic.last == {1}, what="version 1")

    assert traffic.statuses == {200}
    assert {version for _, version in traffic.answers} == {1, 2}
    assert server.states()["removed"] == {1: "live"}


def test_a_request_that_holds_a_removed_version_is_answered_by_it(server: Server, disk: ReadyMade) -> None:
    for version in (1, 2):
        disk.add("drained", version)
    server.wait_state("drained", 2, "live")
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.putrequest("POST", "/api/models/drained/predict")
    connection.putheader("Content-Length", str(len(TOP_RIGHT)))
    connection.endheaders(TOP_RIGHT[:10])

    disk.remove("drained", 2)
    wait_for(lambda: server.states()["drained"] == {1: "live"}, what="version 1 alone")
    connection.send(TOP_RIGHT[10:])

    with contextlib.closing(connection):
        answer = connection.getresponse()
        assert answer.status == 200
        assert json.loads(answer.read())["model"]["version"] in (1, 2)


# ---------------------------------------------------------------------------------------------- what each worker holds


def test_every_worker_says_what_it_holds_and_all_come_to_agree(server: Server, disk: ReadyMade) -> None:
    disk.add("held", 1)
    wait_for(lambda: holders(server, "held") == server.workers(), what="both workers")

    disk.replace("held", 1, content="other bytes")
    disk.add("held", 2)
    wait_for(lambda: [one["version"] for one in versions_of(server, "held")] == [2], what="version 2")

    wait_for(lambda: holders(server, "held") == server.workers(), what="both workers")
    assert server.get("/api/models").json()["workers"] == server.workers()
    shutil.rmtree(disk.models / "held")
    wait_for(lambda: versions_of(server, "held") == [], what="its end")


def test_a_worker_that_was_killed_is_left_out_and_the_next_one_says_what_it_holds(server: Server) -> None:
    killed, left = server.workers()

    os.kill(killed, signal.SIGKILL)
    wait_for(lambda: killed not in workers_said(server), what="the dead one's end")

    wait_for(
        lambda: len(workers_said(server)) == 2 and holders(server, "ever") == server.workers(), what="a new worker"
    )
    assert left in server.workers()


def holders(server: Server, name: str) -> list[int]:
    return next((one["held_by"] for one in versions_of(server, name)), [])


def workers_said(server: Server) -> list[int]:
    try:
        return list(server.get("/api/models").json()["workers"])
    except requests.ConnectionError:
        return []
