"""Who looks at the models folder, how often, and what a look that fails says."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from service.serving.watch_loop import LONGEST_PAUSE, Pace, WatchLoop
from service.serving.watcher import Watcher

POLL = 0.01


class FakeWatcher:
    """Counts looks, and fails as it is told."""

    def __init__(self) -> None:
        self.looks = 0
        self.error: Exception | None = None

    def look(self) -> None:
        self.looks += 1
        if self.error is not None:
            raise self.error


def until(condition: Callable[[], Any]) -> None:
    deadline, pause = time.monotonic() + 10, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        pause.wait(0.005)


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[], tuple[WatchLoop, FakeWatcher]]]:
    """Start watch loops over one runtime folder."""
    loops: list[WatchLoop] = []

    def started() -> tuple[WatchLoop, FakeWatcher]:
        watcher = FakeWatcher()
        loop = WatchLoop(lambda: cast(Watcher, watcher), lock_dir=tmp_path / "run", poll_seconds=POLL)
        loops.append(loop)
        loop.start()
        return loop, watcher

    yield started
    for loop in loops:
        loop.stop()


def test_one_of_two_watches_and_the_other_takes_over(start: Callable[[], tuple[WatchLoop, FakeWatcher]]) -> None:
    (first, watching), (_, waiting) = start(), start()
    until(lambda: watching.looks > 3)
    assert waiting.looks == 0
    first.stop()
    until(lambda: waiting.looks > 0)


def test_where_the_runtime_folder_goes_one_of_two_watches_again(
    start: Callable[[], tuple[WatchLoop, FakeWatcher]], tmp_path: Path
) -> None:
    watchers = [start()[1], start()[1]]
    (tmp_path / "run").rename(tmp_path / "away")
    until(lambda: (tmp_path / "run/watcher.lock").exists())
    looks = [one.looks for one in watchers]
    until(lambda: any(one.looks > before + 3 for one, before in zip(watchers, looks, strict=True)))


def test_a_look_that_fails_is_tried_again_and_told_once(
    start: Callable[[], tuple[WatchLoop, FakeWatcher]], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        _, watcher = start()
        watcher.error = OSError(28, "No space left on device")
        before = watcher.looks
        until(lambda: watcher.looks > before + 5)
    assert caplog.text.count("a look at the models folder failed") == 1
    assert "No space left on device" in caplog.text
    assert "Traceback" not in caplog.text


def test_looks_that_cost_much_come_less_often() -> None:
    pace = Pace(1.0)
    for _ in range(2):
        pace.note(0.4)
    assert pace.pause == pytest.approx(8.0)
    pace.note(100.0)
    pace.note(100.0)
    assert pace.pause == LONGEST_PAUSE
    pace.note(0.01)
    assert pace.pause == 1.0


def test_one_look_that_cost_much_changes_nothing() -> None:
    pace = Pace(1.0)
    for seconds in (0.01, 5.0, 0.01):
        pace.note(seconds)
        assert pace.pause == 1.0
