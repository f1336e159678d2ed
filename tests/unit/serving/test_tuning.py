"""How live models are run: by default at first, by their table as soon as there is one."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import BuildInterruptedError
from service.model.sidecar import Sidecar
from service.model.tuning import Choice, Timing, Tuning, default_choice
from service.repository.bundles import Bundle, BundleStore
from service.repository.tunings import TuningStore
from service.serving import tuning as tuning_module
from service.serving.held import HeldModels
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.live_model import LiveModel, load_model
from service.serving.registry import Registry
from service.serving.tuning import Tuner
from tests.fakes import FakeEngine, add_bundle, card_of, describe
from tests.servers import wait_for

TABLE = Tuning((Timing("litert", 1, 1, 2.0, 2.0), Timing("litert", 1, 8, 1.0, 1.0)))
PICTURES = np.random.default_rng(0).random((77, 2, 2, 1)).astype(np.float32)


class Timer:
    """Takes the place of `tune_bundle`: gives a table, or raises, once `gate` is open."""

    def __init__(self) -> None:
        self.timed: list[str] = []
        self.error: Exception | None = None
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, bundle: Bundle, *, cores: int, memory: int, cancelled: threading.Event) -> Tuning:
        self.timed.append(bundle.path.name)
        while not self.gate.wait(0.005):
            if cancelled.is_set():
                raise BuildInterruptedError("Timing the engines was broken off.")
        if self.error:
            raise self.error
        return TABLE


@pytest.fixture
def timer(monkeypatch: pytest.MonkeyPatch) -> Timer:
    made = Timer()
    monkeypatch.setattr(tuning_module, "tune_bundle", made)
    return made


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return add_bundle(BundleStore(tmp_path / "cache"), "ab-5")


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Tuner]]:
    made: list[Tuner] = []

    def start(**given: Any) -> Tuner:
        store = TuningStore(tmp_path / "cache", engines={"litert": "1"})
        made.append(Tuner(store, **{"profile": "throughput", "memory": 1, **given}))
        return made[-1]

    yield start
    for tuner in made:
        tuner.stop()


def test_the_default_holds_until_the_model_was_timed(bundle: Bundle, make: Callable[..., Tuner], timer: Timer) -> None:
    told = threading.Event()
    tuner = make(on_change=told.set)
    timer.gate.clear()

    assert [tuner.choice(bundle) for _ in range(3)] == [default_choice(bundle.facts)] * 3
    timer.gate.set()
    assert told.wait(20)
    assert tuner.choice(bundle) == Choice("litert", 1, 8)
    assert timer.timed == ["ab-5"]


def test_a_table_that_is_there_is_not_made_again(bundle: Bundle, make: Callable[..., Tuner], timer: Timer) -> None:
    make().choice(bundle)
    wait_for(lambda: make(is_active=False).choice(bundle) == Choice("litert", 1, 8), seconds=20)

    assert make().choice(bundle) == Choice("litert", 1, 8)
    assert timer.timed == ["ab-5"]


def test_nothing_is_timed_where_that_is_switched_off(bundle: Bundle, make: Callable[..., Tuner], timer: Timer) -> None:
    tuner = make(is_active=False)

    assert tuner.choice(bundle) == default_choice(bundle.facts)
    tuner.stop()
    assert timer.timed == []


def test_builds_come_first(bundle: Bundle, make: Callable[..., Tuner], timer: Timer, monkeypatch: Any) -> None:
    monkeypatch.setattr(tuning_module, "_PAUSE", 0.01)
    busy = threading.Event()
    busy.set()
    looks: list[int] = []

    def is_busy() -> bool:
        looks.append(1)
        return busy.is_set()

    tuner = make(is_busy=is_busy)
    tuner.choice(bundle)
    wait_for(lambda: len(looks) > 3, seconds=20)
    assert timer.timed == []

    busy.clear()
    wait_for(lambda: timer.timed, seconds=20)


def test_a_model_that_cannot_be_timed_stays_as_it_is(
    bundle: Bundle, make: Callable[..., Tuner], timer: Timer, caplog: pytest.LogCaptureFixture
) -> None:
    timer.error = BuildInterruptedError("The engines could not be timed; the log says why.")
    tuner = make()
    tuner.choice(bundle)
    wait_for(lambda: "as it is by default" in caplog.text, seconds=20)

    assert tuner.choice(bundle) == default_choice(bundle.facts)
    assert timer.timed == ["ab-5"]


def test_a_cache_that_cannot_be_written_keeps_the_table_in_memory(
    bundle: Bundle, make: Callable[..., Tuner], timer: Timer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(TuningStore, "write", refuse)
    tuner = make()
    tuner.choice(bundle)

    wait_for(lambda: tuner.choice(bundle) == Choice("litert", 1, 8), seconds=20)
    assert timer.timed == ["ab-5"]


def test_stopping_breaks_off_what_is_being_timed(bundle: Bundle, make: Callable[..., Tuner], timer: Timer) -> None:
    timer.gate.clear()
    tuner = make()
    tuner.choice(bundle)
    wait_for(lambda: timer.timed, seconds=20)
    began = time.monotonic()
    tuner.stop()

    assert time.monotonic() - began < 4


# --------------------------------------------------------------------------------------------- what is run by it


def loaded(bundle: Bundle, choice: Choice) -> LiveModel:
    return load_model(bundle, Sidecar(), 1, "ab-5", choice)


@pytest.mark.parametrize("chunk", [1, 7, 32, 100])
def test_any_chunk_gives_the_same_numbers(bundle: Bundle, chunk: int) -> None:
    whole, _ = loaded(bundle, Choice(chunk=77)).run({"pixels": PICTURES}, deadline=time.monotonic() + 60)
    model = loaded(bundle, Choice(chunk=chunk))
    found, _ = model.run({"pixels": PICTURES}, deadline=time.monotonic() + 60)

    assert np.array_equal(found["corners"], whole["corners"])
    assert sum(size * times for size, times in model.runs_of(77)) == 77


def test_runs_are_counted_by_their_size() -> None:
    model = LiveModel(card_of(describe()), FakeEngine(dict), choice=Choice(chunk=8))

    assert model.runs_of(20) == ((8, 2), (4, 1))
    assert model.runs_of(16) == ((8, 2),)
    assert model.runs_of(1) == ((1, 1),)


def test_an_engine_that_cannot_be_had_leaves_the_first(bundle: Bundle, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        model = loaded(bundle, Choice("no such engine", 1, 1))

    assert model.card.engine == "litert"
    assert model.choice.engine == "no such engine"  # so that it is not tried at every look
    assert "cannot be run with no such engine" in caplog.text


class Worker:
    """A registry, and the watcher's hand on `live.json`."""

    def __init__(self, folder: Path, store: BundleStore) -> None:
        self._file = LiveFile(folder)
        self.registry = Registry(self._file, store, held=HeldModels(folder))

    def goes_live(self, choice: Choice | None) -> LiveModel:
        state = VersionState("live", "ab-5", choice=choice)
        self._file.write(LiveView({"brightest": {1: state}}, ready=True))
        self.registry.refresh()
        return self.registry.get("brightest")


@pytest.fixture
def worker(tmp_path: Path, bundle: Bundle) -> Worker:
    return Worker(tmp_path, BundleStore(tmp_path / "cache"))


def test_another_chunk_needs_no_other_engine(worker: Worker) -> None:
    before = worker.goes_live(None)
    after = worker.goes_live(Choice(chunk=4))

    assert after.engine is before.engine
    assert after.lock is before.lock
    assert after.choice.chunk == 4


def test_another_number_of_threads_is_a_new_engine_swapped_in(worker: Worker) -> None:
    before = worker.goes_live(Choice())
    after = worker.goes_live(Choice(threads=2))

    assert after.engine is not before.engine
    assert worker.goes_live(Choice(threads=2)).engine is after.engine
    assert worker.goes_live(None).engine is after.engine  # nothing is known against it
    assert replace(after.choice, threads=1) == Choice()
