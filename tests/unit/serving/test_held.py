"""What each worker says that it holds."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from service.serving.held import HeldModels, Worker, holders

HELD = {("net", 1): "ab-1", ("net", 2): "cd-1"}


@pytest.fixture
def held(tmp_path: Path) -> HeldModels:
    return HeldModels(tmp_path)


def test_before_anybody_said_anything_there_are_no_workers(held: HeldModels) -> None:
    assert held.workers() == []
    held.remove()


def test_what_a_worker_says_is_read_by_all(held: HeldModels, tmp_path: Path) -> None:
    held.say(HELD)

    assert HeldModels(tmp_path).workers() == [Worker(os.getpid(), HELD)]


def test_it_says_something_new_in_place_of_the_old(held: HeldModels) -> None:
    held.say(HELD)
    held.say({})

    assert held.workers() == [Worker(os.getpid(), {})]


def test_saying_the_same_again_writes_nothing(held: HeldModels, tmp_path: Path) -> None:
    held.say(HELD)
    before = [path.stat() for path in (tmp_path / "held").iterdir()]
    held.say(dict(HELD))

    assert [path.stat() for path in (tmp_path / "held").iterdir()] == before


def test_what_was_tidied_away_is_said_again(held: HeldModels, tmp_path: Path) -> None:
    held.say(HELD)
    assert not held.is_lost()
    shutil.rmtree(tmp_path / "held")
    assert held.is_lost()
    held.say(dict(HELD))

    assert not held.is_lost()
    assert held.workers() == [Worker(os.getpid(), HELD)]


def test_a_worker_that_ends_takes_it_back(held: HeldModels) -> None:
    held.say(HELD)
    held.remove()

    assert held.workers() == []


def test_a_worker_that_was_killed_is_left_out_and_its_file_goes(held: HeldModels, tmp_path: Path) -> None:
    code = "import sys, pathlib; from service.serving.held import HeldModels; "
    code += "HeldModels(pathlib.Path(sys.argv[1])).say({('net', 1): 'ab-1'}); print(flush=True); sys.stdin.read()"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], **pipes) as other:  # type: ignore[call-overload]
        other.stdout.readline()
        held.say(HELD)
        assert [one.pid for one in held.workers()] == sorted([os.getpid(), other.pid])
        other.send_signal(signal.SIGKILL)
        other.wait()
    assert [one.pid for one in held.workers()] == [os.getpid()]
    assert len(list((tmp_path / "held").iterdir())) == 1


def test_holders_are_those_of_this_very_build() -> None:
    workers = [Worker(1, {("net", 1): "ab-1"}), Worker(2, {("net", 1): "cd-1"}), Worker(3, {})]

    assert holders(workers, ("net", 1), "ab-1") == [1]
    assert holders(workers, ("net", 1), None) == []
