"""Minutes at full speed while versions come, change, break and go, and while workers are killed: `make test-soak`.

`make test` does not collect it: its name is no test's. CONVOY_SOAK_SECONDS says how long in all (300); the first test
takes two thirds of it.
"""

import http.client
import json
import os
import random
import shutil
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest

from tests import toys
from tests.pictures import noise, npy
from tests.prebuilt import prebuild
from tests.servers import Server, wait_for

keras = pytest.importorskip("keras")

SECONDS = float(os.environ.get("CONVOY_SOAK_SECONDS", "300"))
CLIENTS = 6
SEEDS = range(1, 7)
BUILT_BEFORE = range(1, 6)
"""Those of them that go live without a build."""
KILL_PAUSE = 3.0
SMALL = noise(8, 8, 1, seed=5).astype(np.float32) / np.float32(255)
TOLERANCE = 1e-5


@dataclass(slots=True)
class Truth:
    """What Keras answers for each file, and which files each version has ever been: what an answer may be."""

    by_seed: Mapping[int, Any]
    seeds_of: dict[int, set[int]] = field(default_factory=dict)

    def allows(self, version: int | None, found: list[float]) -> bool:
        seeds = self.by_seed if version is None else self.seeds_of.get(version, set())
        return any(np.allclose(found, self.by_seed[seed], atol=TOLERANCE) for seed in seeds)


class Writer:
    """Changes the models folder as operators and accidents do; version 1 is sound and stays."""

    def __init__(self, folder: Path, files: Mapping[int, Path], truth: Truth) -> None:
        self._folder = folder
        self._files = files
        self._truth = truth
        self._chance = random.Random(1)
        self._next = 2
        self.done: Counter[str] = Counter()
        self.put(1, 1)

    def put(self, version: int, seed: int) -> None:
        self._truth.seeds_of.setdefault(version, set()).add(seed)
        target = self._folder / str(version) / "model.keras"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(self._files[seed], target.with_suffix(".part"))
        target.with_suffix(".part").replace(target)

    def step(self) -> None:
        action = self._chance.choice([self._add, self._add, self._replace, self._corrupt, self._remove, self._label])
        action()
        self.done[action.__name__.strip("_")] += 1

    def _newer(self) -> list[int]:
        return sorted(int(one.name) for one in self._folder.iterdir() if one.is_dir() and one.name != "1")

    def _add(self) -> None:
        self.put(self._next, self._chance.choice(list(SEEDS)))
        self._next += 1

    def _replace(self) -> None:
        for version in self._newer()[-1:]:
            self.put(version, self._chance.choice(list(SEEDS)))

    def _corrupt(self) -> None:
        """Put a broken file in the place of the latest version, by a copy that is no rename."""
        for version in self._newer()[-1:]:
            data = self._files[1].read_bytes()
            (self._folder / str(version) / "model.keras").write_bytes(data[: self._chance.randrange(len(data))])

    def _remove(self) -> None:
        for version in self._newer()[-1:] + self._newer()[:1]:
            shutil.rmtree(self._folder / str(version), ignore_errors=True)

    def _label(self) -> None:
        text = f'labels = ["a", "b", "c"]\n[versions]\nlabels = {{ stable = 1 }}\n# {self._chance.random()}\n'
        (self._folder / "model.toml").write_text(text)


Asked = tuple[str, bytes, Callable[[Any], tuple[int | None, list[float]]]]


class Client(threading.Thread):
    """Asks the same in several ways until told to stop; keeps what was wrong."""

    def __init__(
        self, server: Server, truth: Truth, asked: Sequence[Asked], stopping: threading.Event, number: int
    ) -> None:
        super().__init__(daemon=True)
        address = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._truth = truth
        self._asked = asked
        self._stopping = stopping
        self._chance = random.Random(number)
        self.statuses: Counter[str] = Counter()
        self.versions: Counter[int] = Counter()
        self.wrong: list[str] = []
        self.seconds: list[float] = []

    def run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            self._ask()
            self.seconds.append(time.monotonic() - began)
        self._connection.close()

    def _ask(self) -> None:
        path, body, read = self._chance.choice(self._asked)
        try:
            self._connection.request("POST", path, body)
            answer = self._connection.getresponse()
            data, status, retry = answer.read(), answer.status, answer.headers.get("Retry-After")
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            self.statuses[type(error).__name__] += 1
            return
        self.statuses[str(status) + (" declared" if status == 503 and retry else "")] += 1
        if status == 200:
            self._check(path, *read(json.loads(data)))
        elif status != 503:
            self.wrong.append(f"{path}: {status} {data[:200]!r}")

    def _check(self, path: str, version: int | None, found: list[float]) -> None:
        if version is not None:
            self.versions[version] += 1
        if not self._truth.allows(version, found):
            self.wrong.append(f"{path}: version {version} answered {found}")


def asked_of(server: Server) -> list[Asked]:
    """Return the same example in three dialects."""
    name = server.get("/v2/models/toy").json()["inputs"][0]["name"]
    tensor = {"name": name, "shape": [1, 8, 8, 1], "datatype": "FP32", "data": SMALL.ravel().tolist()}
    return [
        ("/api/models/toy/predict", npy(SMALL), _native),
        ("/v1/models/toy:predict", json.dumps({"instances": [SMALL.tolist()]}).encode(), _v1),
        ("/v2/models/toy/infer", json.dumps({"inputs": [tensor]}).encode(), _v2),
    ]


def _native(answer: Any) -> tuple[int | None, list[float]]:
    return answer["model"]["version"], answer["predictions"][0]["probabilities"]


def _v1(answer: Any) -> tuple[int | None, list[float]]:
    return None, answer["predictions"][0]


def _v2(answer: Any) -> tuple[int | None, list[float]]:
    return int(answer["model_version"]), answer["outputs"][0]["data"]


@pytest.fixture
def truth_and_files(tmp_path: Path) -> tuple[Truth, dict[int, Path]]:
    files = {seed: tmp_path / f"files/{seed}.keras" for seed in SEEDS}
    models = {}
    for seed, path in files.items():
        keras.utils.clear_session()  # each file names its input alike: they are versions of one model
        models[seed] = toys.save_small_cnn(path, seed=seed)
    return Truth({seed: model.predict(SMALL[np.newaxis], verbose=0)[0] for seed, model in models.items()}), files


@pytest.fixture
def under_load(
    serve: Callable[..., Server], cache: Path, tmp_path: Path, truth_and_files: tuple[Truth, dict[int, Path]]
) -> Iterator[tuple[Server, Writer, Callable[[], list[Client]]]]:
    """A server of two workers with the toy, a writer, and what ends the clients that ask it all the time."""
    truth, files = truth_and_files
    for seed in BUILT_BEFORE:
        copy = tmp_path / f"before/toy/{seed}/model.keras"
        copy.parent.mkdir(parents=True)
        shutil.copy(files[seed], copy)
    prebuild(tmp_path / "before", cache)
    writer = Writer(tmp_path / "models/toy", files, truth)
    server = serve(tmp_path / "models", workers=2).wait_ready()
    asked = asked_of(server)
    stopping = threading.Event()
    clients = [Client(server, truth, asked, stopping, number) for number in range(CLIENTS)]
    for client in clients:
        client.start()

    def ended() -> list[Client]:
        stopping.set()
        for client in clients:
            client.join(timeout=90)
        return clients

    yield server, writer, ended
    ended()


def summed(clients: list[Client]) -> Counter[str]:
    return sum((client.statuses for client in clients), Counter())


@pytest.mark.timeout(SECONDS + 300)
def test_versions_come_and_go_and_every_answer_is_right(
    under_load: tuple[Server, Writer, Callable[[], list[Client]]],
) -> None:
    server, writer, ended = under_load
    workers = server.workers()
    end = time.monotonic() + SECONDS * 2 / 3
    while time.monotonic() < end:
        writer.step()
        time.sleep(0.7)
    clients = ended()

    versions = sum((client.versions for client in clients), Counter())
    seconds = np.concatenate([client.seconds for client in clients])
    statuses = summed(clients)
    print(f"\n{sum(statuses.values())} requests: {dict(statuses)}; p99 {np.percentile(seconds, 99):.3f} s")
    print(f"the folder was changed {sum(writer.done.values())} times: {dict(writer.done)}")
    print(
        f"{len(versions)} versions answered, {server.log.count('): failed') + server.log.count(': failed (')} refused"
    )
    assert [one for client in clients for one in client.wrong] == []
    assert set(statuses) <= {"200", "503 declared"}
    assert len(versions) > 3
    assert server.workers() == workers
    assert "Traceback" not in server.log


@pytest.mark.timeout(SECONDS + 300)
def test_workers_that_are_killed_take_only_their_own_requests_with_them(
    under_load: tuple[Server, Writer, Callable[[], list[Client]]],
) -> None:
    server, _, ended = under_load
    chance, kills, recoveries = random.Random(2), 0, []
    end = time.monotonic() + SECONDS / 3
    while time.monotonic() < end:
        before = wait_for(lambda: two_workers(server), what="two workers")
        os.kill(chance.choice(before), signal.SIGKILL)
        began = time.monotonic()
        kills += 1
        wait_for(partial(has_successor, server, before), what="a new worker that answers")
        recoveries.append(time.monotonic() - began)
        time.sleep(KILL_PAUSE)
    clients = ended()

    statuses = summed(clients)
    broken = sum(count for status, count in statuses.items() if not status[0].isdigit())
    print(f"\n{kills} kills; {sum(statuses.values())} requests: {dict(statuses)}")
    print(f"a new worker answered after {np.median(recoveries):.2f} s (median), {max(recoveries):.2f} s at most")
    assert [one for client in clients for one in client.wrong] == []
    assert broken <= kills * CLIENTS  # no more than a killed worker can have held
    assert {status for status in statuses if status[0].isdigit()} <= {"200", "503 declared"}


def two_workers(server: Server) -> list[int]:
    found = server.workers()
    return found if len(found) == 2 else []


def has_successor(server: Server, before: list[int]) -> bool:
    """Return whether two workers hold the toy, not the same as before."""
    found = holders(server)
    return len(found) == 2 and found != set(before)


def holders(server: Server) -> set[int]:
    """Return the workers that hold the toy."""
    try:
        listed = server.get("/api/models").json()
    except OSError:
        return set()
    return {pid for one in listed["models"] for version in one["versions"] for pid in version["held_by"]}
