"""The queue of builds, with a fake builder in the place of the child process."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from service.builder.process import BuildLimits
from service.errors import BuilderMissingError, BuildInterruptedError, UnsafeModelError
from service.repository.bundles import BundleStore
from service.serving import builds as builds_module
from service.serving.builds import Builds
from tests.fakes import FakeBuilder, FakeClock, source

LIMITS = BuildLimits(seconds=10, memory=2**30)


def until(condition: Callable[[], object], *, seconds: float = 10) -> None:
    """Wait for a condition; fail where it does not come true in time."""
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.005)


class Queue:
    """A queue of builds on a store and by a clock of its own; `start` gives it its builder."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.store = BundleStore(folder)
        self.clock = FakeClock()
        self.changes = 0
        self.builds = Builds(self.store, limits=LIMITS, on_change=self._changed)
        self._monkeypatch = monkeypatch
        monkeypatch.setattr(builds_module, "time", self.clock)

    def start(self, builder: FakeBuilder) -> FakeBuilder:
        self._monkeypatch.setattr(builds_module, "build_bundle", builder)
        return builder

    def request(self, name: str, fingerprint: str | None = None, *, size: int = 1000, version: int = 1) -> str:
        return self.builds.request(source(name, version, size=size), fingerprint or f"{name}-1")

    def has(self, name: str) -> bool:
        return self.store.find(name, f"{name}-1") is not None

    def _changed(self) -> None:
        self.changes += 1


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Queue]:
    made = Queue(tmp_path, monkeypatch)
    yield made
    made.builds.stop()


def test_what_is_asked_for_is_built_and_the_change_announced(queue: Queue) -> None:
    queue.start(FakeBuilder())
    queue.request("mnist")
    until(lambda: queue.changes == 1)
    assert queue.has("mnist")


def test_a_request_says_that_it_waits_for_its_turn(queue: Queue) -> None:
    queue.start(FakeBuilder()).gate.clear()
    assert queue.request("mnist") == "waiting for its turn"


def test_asking_again_says_the_step_of_the_build_and_starts_no_other(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    until(lambda: queue.request("mnist") == "exporting")
    builder.gate.set()
    until(lambda: queue.changes == 1)
    assert builder.built == ["mnist"]


def test_one_build_runs_at_a_time_and_the_smallest_file_goes_first(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("first", size=500)
    until(lambda: builder.running)
    for name, size in (("large", 900), ("small", 100), ("middle", 300)):
        queue.request(name, size=size)
    builder.gate.set()
    until(lambda: queue.changes == 4)
    assert builder.built == ["first", "small", "middle", "large"]
    assert builder.most_at_once == 1


def test_two_versions_of_a_model_are_two_builds(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    queue.request("mnist", "one-1", version=1)
    queue.request("mnist", "two-1", version=2)
    until(lambda: queue.changes == 2)
    assert builder.built == ["mnist", "mnist"]


def test_a_file_that_changed_while_it_waited_is_built_as_it_is_now(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("first")
    until(lambda: builder.running)
    queue.request("mnist", "old-1")
    queue.request("mnist", "new-1")
    builder.gate.set()
    until(lambda: queue.changes == 2)
    assert queue.store.find("mnist", "old-1") is None
    assert queue.store.find("mnist", "new-1") is not None


def test_a_file_that_changed_while_it_was_built_is_built_again(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("mnist", "old-1")
    until(lambda: builder.running)
    queue.request("mnist", "new-1")
    builder.gate.set()
    until(lambda: queue.changes == 2)
    assert queue.store.find("mnist", "new-1") is not None


@pytest.mark.parametrize(
    "change",
    [lambda builds: builds.request(source("mnist"), "new-1"), lambda builds: builds.keep_only(set())],
    ids=["changed", "gone"],
)
def test_a_build_that_nobody_wants_any_more_ends(queue: Queue, change: Callable[[Builds], object]) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("mnist", "old-1")
    until(lambda: builder.running)
    change(queue.builds)
    until(lambda: queue.changes == 1)
    assert queue.store.find("mnist", "old-1") is None


def test_what_is_no_longer_on_disk_is_not_built(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("first")
    until(lambda: builder.running)
    queue.request("gone", size=1)
    queue.request("kept", size=2)
    queue.builds.keep_only({("first", 1), ("kept", 1)})
    builder.gate.set()
    until(lambda: queue.changes == 2)
    assert builder.built == ["first", "kept"]


# ------------------------------------------------------------------------------------------------------ failures


def test_a_diagnosis_is_known_afterwards_and_kept_on_disk(queue: Queue) -> None:
    queue.start(FakeBuilder({"mnist": [UnsafeModelError("It holds a Lambda.")]}))
    queue.request("mnist")
    until(lambda: queue.changes == 1)
    assert queue.builds.diagnosis("mnist", "mnist-1") == "It holds a Lambda."
    assert queue.store.diagnosis("mnist", "mnist-1") == "It holds a Lambda."


def test_a_diagnosed_file_is_not_tried_again_by_itself(queue: Queue) -> None:
    builder = queue.start(FakeBuilder({"mnist": [UnsafeModelError("It holds a Lambda.")]}))
    queue.request("mnist")
    queue.request("other", size=2000)
    until(lambda: queue.has("other") and queue.changes == 2)
    assert builder.built == ["mnist", "other"]


def test_a_file_that_was_not_built_yet_has_no_diagnosis(queue: Queue) -> None:
    assert queue.builds.diagnosis("mnist", "mnist-1") is None


def test_a_missing_builder_is_said_but_not_kept_on_disk(queue: Queue) -> None:
    queue.start(FakeBuilder({"mnist": [BuilderMissingError("TensorFlow is not installed.")]}))
    queue.request("mnist")
    until(lambda: queue.changes == 1)
    assert queue.builds.diagnosis("mnist", "mnist-1") == "TensorFlow is not installed."
    assert queue.store.diagnosis("mnist", "mnist-1") is None


@pytest.mark.parametrize(
    "reason",
    [BuildInterruptedError("The build was killed."), OSError(28, "No space left on device")],
    ids=["killed", "full disk"],
)
def test_a_build_that_was_interrupted_is_tried_again(queue: Queue, reason: Exception) -> None:
    queue.clock.leap = 1000
    builder = queue.start(FakeBuilder({"mnist": [reason, reason]}))
    queue.request("mnist")
    until(lambda: queue.has("mnist"))
    assert builder.built == ["mnist"] * 3
    assert queue.builds.diagnosis("mnist", "mnist-1") is None


def test_an_interrupted_build_says_why_and_when_it_is_tried_again(queue: Queue) -> None:
    queue.start(FakeBuilder({"mnist": [BuildInterruptedError("The build was killed.")]}))
    queue.request("mnist")
    until(lambda: queue.changes == 1)
    assert queue.request("mnist") == "The build was killed. Next try in 2 s."


def test_the_pauses_grow_up_to_five_minutes(queue: Queue, caplog: pytest.LogCaptureFixture) -> None:
    queue.clock.leap = 1000
    queue.start(FakeBuilder({"mnist": [BuildInterruptedError("Killed.")] * 10}))
    queue.request("mnist")
    until(lambda: queue.has("mnist"))
    pauses = [int(pause) for pause in re.findall(r"Next try in (\d+) s", caplog.text)]
    assert pauses == [2, 4, 8, 16, 32, 64, 128, 256, 300]  # the second 300 is no news


def test_others_are_built_while_an_interrupted_one_pauses(queue: Queue) -> None:
    builder = queue.start(FakeBuilder({"mnist": [BuildInterruptedError("The build was killed.")]}))
    queue.request("mnist", size=1)
    until(lambda: queue.changes == 1)
    queue.request("other", size=2)
    until(lambda: queue.has("other"))
    assert builder.built == ["mnist", "other"]


def test_an_error_nobody_foresaw_does_not_end_the_queue(queue: Queue) -> None:
    queue.start(FakeBuilder({"odd": [ZeroDivisionError("never seen before")]}))
    queue.request("odd", size=1)
    queue.request("fine", size=2)
    until(lambda: queue.has("fine"), seconds=2)


# ---------------------------------------------------------------------------------------------------------- stopping


def test_stopping_cancels_the_build_at_work_and_starts_no_other(queue: Queue) -> None:
    builder = queue.start(FakeBuilder())
    builder.gate.clear()
    queue.request("first", size=1)
    until(lambda: builder.running)
    queue.request("second", size=2)
    queue.builds.stop()
    assert builder.running == 0
    assert builder.built == ["first"]


def test_a_queue_that_waits_for_work_stops_at_once(queue: Queue) -> None:
    queue.start(FakeBuilder())
    queue.request("mnist")
    until(lambda: queue.changes == 1)
    began = time.monotonic()
    queue.builds.stop()
    assert time.monotonic() - began < 2


def test_a_queue_that_never_began_can_be_stopped(queue: Queue) -> None:
    queue.builds.stop()
