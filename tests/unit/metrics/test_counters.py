"""Counters of several workers in one folder: added up, folded when a worker is dead, never lost and never doubled."""

import logging
import os
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.metrics.counters import Counters
from service.metrics.files import CounterFiles, remove_counters
from service.metrics.kinds import (
    BATCH,
    BUILD,
    CLASS,
    CONNECTIONS,
    EXAMPLES,
    HTTP,
    IN_FLIGHT,
    LAST,
    MODEL,
    STARTED,
    WORKER,
    Kind,
)

MNIST = ("mnist", "1")
CLASS_BYTES, MODEL_BYTES = CLASS.most_bytes or 0, MODEL.most_bytes or 0


@pytest.fixture
def worker(tmp_path: Path) -> Iterator[Any]:
    """Make workers of one server, all in this process; each is closed at the end."""
    made: list[Counters] = []

    def make() -> Counters:
        made.append(Counters(tmp_path))
        return made[-1]

    yield make
    for one in made:
        one.close()


def examples_of(counters: Counters) -> int:
    return counters.totals(MODEL)[MNIST][EXAMPLES]


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "counters").iterdir())


def test_what_several_workers_count_is_added_up(worker: Any) -> None:
    first, second = worker(), worker()
    first.add(MODEL, MNIST, [(EXAMPLES, 3)], at_ms=2000)
    second.add(MODEL, MNIST, [(EXAMPLES, 4)], at_ms=1000)
    second.add(MODEL, ("mnist", "2"), [(EXAMPLES, 5)])

    totals = first.totals(MODEL)

    assert {labels: row[EXAMPLES] for labels, row in totals.items()} == {MNIST: 7, ("mnist", "2"): 5}
    assert totals[MNIST][LAST] == 2000
    assert first.totals(STARTED) == {(): (2,)}


def test_what_a_worker_is_at_ends_with_it(worker: Any) -> None:
    first, second = worker(), worker()
    first.add(WORKER, (), [(IN_FLIGHT, 2)])
    second.set(WORKER, (), CONNECTIONS, 7)
    assert first.totals(WORKER)[()] == (2, 0, 7)
    assert first.living() == [os.getpid()]

    second.close()

    assert first.totals(WORKER)[()] == (2, 0, 0)


def test_a_dead_workers_counts_stay_and_its_file_goes_when_the_next_one_starts(worker: Any, tmp_path: Path) -> None:
    for round_number in range(1, 5):
        one = worker()
        one.add(MODEL, MNIST, [(EXAMPLES, 10)], at_ms=round_number)
        one.set(WORKER, (), CONNECTIONS, 9)
        one.close()
        assert examples_of(one) == 10 * round_number
        assert len(files(tmp_path)) <= 3  # the lock, the sums, and the last one's own

    assert worker().totals(MODEL)[MNIST][LAST] == 4


def test_a_fold_that_is_killed_before_it_could_clear_up_counts_nothing_twice(
    worker: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dead = worker()
    dead.add(MODEL, MNIST, [(EXAMPLES, 10)])
    dead.close()
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", lambda *_, **__: None)
        survivor = worker()
    assert len([name for name in files(tmp_path) if name.endswith(".worker")]) == 2

    assert examples_of(survivor) == 10
    last = worker()
    assert examples_of(last) == 10
    assert len([name for name in files(tmp_path) if name.endswith(".worker")]) == 2


def test_whoever_reads_while_workers_come_and_go_sees_every_count_once(worker: Any) -> None:
    reader = worker()
    found: list[int] = []
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            found.append(examples_of(reader) if MNIST in reader.totals(MODEL) else 0)

    thread = threading.Thread(target=read)
    thread.start()
    for _ in range(60):
        one = worker()
        one.add(MODEL, MNIST, [(EXAMPLES, 1)])
        one.close()
    stop.set()
    thread.join()

    assert found == sorted(found)  # a count that was lost for a moment, or doubled, would come down again
    assert examples_of(reader) == 60


def test_threads_do_not_lose_counts(worker: Any) -> None:
    counters = worker()

    def count() -> None:
        for _ in range(2000):
            counters.add(HTTP, ("GET", "/", "200"), [(0, 1)])

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert counters.totals(HTTP)[("GET", "/", "200")][0] == 8000


def test_a_file_grows_with_its_series_and_keeps_what_was_counted(worker: Any) -> None:
    counters = worker()
    for number in range(500):
        counters.add(MODEL, ("mnist", str(number)), [(EXAMPLES, number)])

    totals = worker().totals(MODEL)

    assert [totals["mnist", str(number)][EXAMPLES] for number in range(500)] == list(range(500))


def ask(counters: Counters, versions: range) -> None:
    """Count an answer of each version, at a time of its own, and each of its hundred classes."""
    for version in versions:
        counters.add(MODEL, ("mnist", str(version)), [(EXAMPLES, 1)], at_ms=version)
        for index in range(100):
            counters.add(CLASS, ("mnist", str(version), "scores", str(index), f"class {index}"), [(0, 1)])


def versions_in(counters: Counters, kind: Kind) -> Counter[int]:
    return Counter(int(labels[1]) for labels in counters.totals(kind))


def test_years_of_versions_leave_room_for_routes_and_for_the_newest_classes(worker: Any, tmp_path: Path) -> None:
    counters = worker()
    counters.set(WORKER, (), CONNECTIONS, 7)
    ask(counters, range(1, 301))
    counters.add(HTTP, ("GET", "/late", "200"), [(0, 1)])

    assert versions_in(counters, CLASS) == dict.fromkeys(range(1, 301), 100)
    assert counters.totals(HTTP)["GET", "/late", "200"][0] == 1
    assert counters.totals(WORKER) == {(): (0, 0, 7)}
    assert counters.totals(STARTED) == {(): (1,)}
    assert counters.living() == [os.getpid()]


def test_a_fold_keeps_the_classes_of_the_versions_asked_last_whole(worker: Any, tmp_path: Path) -> None:
    for versions in (range(300, 450), range(150, 300), range(1, 150)):
        one = worker()
        ask(one, versions)
        one.add(BUILD, ("mnist", "built"), [(0, 1)])
        one.close()

    last = worker()
    kept = versions_in(last, CLASS)

    assert 150 < len(kept) < 300
    assert kept == dict.fromkeys(range(450 - len(kept), 450), 100)
    assert len(last.totals(MODEL)) == 449
    assert last.totals(BUILD)["mnist", "built"][0] == 3
    assert (tmp_path / "counters" / "sums").stat().st_size < CLASS_BYTES + MODEL_BYTES


def test_builds_of_ever_new_models_are_counted_up_to_a_cap(worker: Any) -> None:
    counters = worker()
    for _ in range(2):
        for number in range(9000):
            counters.add(BUILD, (f"model-{number}", "built"), [(0, 1)])
        counters.close()
        counters = worker()

    assert 1000 < len(counters.totals(BUILD)) < 9000


def test_a_fold_that_was_killed_while_it_wrote_leaves_no_file_for_ever(worker: Any, tmp_path: Path) -> None:
    worker().close()
    (tmp_path / "counters" / ".sums-k1ll3d").write_bytes(b"half")

    worker()

    assert not [name for name in files(tmp_path) if name.startswith(".")]


def test_a_full_disk_costs_counts_and_nothing_else(
    worker: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    counters = worker()
    counters.add(MODEL, MNIST, [(EXAMPLES, 1)])
    monkeypatch.setattr(os, "posix_fallocate", full)
    with caplog.at_level(logging.ERROR):
        for number in range(2, 500):
            counters.add(MODEL, ("mnist", str(number)), [(EXAMPLES, 1)])
        late = worker()
        late.add(MODEL, MNIST, [(EXAMPLES, 1)])

    assert [record.message for record in caplog.records] == [
        "what is answered cannot be counted: No space left on device"
    ] * 2
    assert examples_of(late) == 1
    counters.add(MODEL, MNIST, [(EXAMPLES, 1)])
    assert examples_of(late) == 2


def test_what_is_counted_after_the_end_is_let_go(worker: Any) -> None:
    counters = worker()
    counters.close()
    counters.add(MODEL, MNIST, [(EXAMPLES, 1)])
    counters.set(WORKER, (), CONNECTIONS, 1)
    counters.close()

    assert counters.totals(MODEL) == {}


def test_a_new_server_begins_at_nothing(worker: Any, tmp_path: Path) -> None:
    worker().add(MODEL, MNIST, [(EXAMPLES, 1)])
    remove_counters(tmp_path)

    assert worker().totals(MODEL) == {}
    assert CounterFiles(tmp_path / "none").living() == []


def test_a_histogram_counts_a_value_at_its_bound_below_it() -> None:
    row = [0] * MODEL.width
    for value, times in ((1, 1), (32, 2), (33, 1), (1000, 1)):
        for place, amount in BATCH.observed(value, times=times):
            row[place] += amount

    assert BATCH.bounds == (1, 2, 4, 8, 16, 32, 64, 128)
    assert BATCH.cumulated(row) == [1, 1, 1, 1, 1, 3, 4, 4, 5]
    assert (BATCH.count(row), BATCH.sum(row)) == (5, 1 + 64 + 33 + 1000)
