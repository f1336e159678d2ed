"""The processes of `convoy classify`: what happens where one dies at work."""

import json
import os
import signal
import struct
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.offline.archive.child import Body
from service.offline.archive.crew import answered_here
from service.offline.archive.errors import ArchiveError, WorkerLostError
from service.offline.archive.place import Place
from service.offline.archive.report import PartReport

At = Callable[[int], None]


@pytest.fixture
def place(tmp_path: Path) -> Place:
    place = Place(tmp_path / "out.csv")
    place.folder.mkdir()
    return place


def worker(during: Callable[[int, dict[str, str], At], None]) -> Body:
    """Return what a child does that answers without a model: `during` is called with each part before it is."""

    def body(out: Path, mark: Path) -> None:
        def at(row: int) -> None:
            mark.write_bytes(struct.pack("q", row))

        say({})
        for line in os.fdopen(0):
            part, skipped = json.loads(line).values()
            during(part, skipped, at)
            at(-1)
            bad = list(skipped.items())
            say({"part": part, "size": 1, "pictures": 2, "bad": len(bad), "examples": bad, "warnings": {}})

    return body


def say(line: dict[str, Any]) -> None:
    os.write(1, json.dumps(line).encode() + b"\n")


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def reports(place: Place, body: Body, *, parts: int = 6, processes: int = 2) -> dict[int, PartReport]:
    found = list(answered_here(place, range(parts), processes=processes, body=body))
    assert len(found) == parts
    return {one.part: one for one in found}


def test_every_part_is_answered_once(place: Place) -> None:
    found = reports(place, worker(lambda part, skipped, at: None), parts=20, processes=3)

    assert sorted(found) == list(range(20))


def test_a_file_that_ends_its_process_twice_is_left_out(place: Place) -> None:
    def during(part: int, skipped: dict[str, str], at: At) -> None:
        at(7)
        if part == 3 and "7" not in skipped:
            die()

    found = reports(place, worker(during))

    assert sorted(found) == list(range(6))
    ((row, reason),) = found[3].examples
    assert row == "7"
    assert reason == "The process that decodes it has ended twice at this file: signal 9 (Killed)."
    assert sum(one.bad for one in found.values()) == 1


def test_a_model_that_ends_its_process_ends_the_job(place: Place) -> None:
    def during(part: int, skipped: dict[str, str], at: At) -> None:
        os.write(2, b"no memory\n")
        die()

    with pytest.raises(WorkerLostError, match=r"3 times .* fewer --workers\. Its last words: no memory"):
        reports(place, worker(during))


def test_a_process_that_cannot_even_begin_ends_the_job(place: Place) -> None:
    def body(out: Path, mark: Path) -> None:
        raise OSError("no such library")

    with pytest.raises(WorkerLostError, match=r"before it could begin: exit status 1\. .* OSError: no such library"):
        reports(place, body)


def test_what_a_process_says_is_wrong_ends_the_job(place: Place) -> None:
    def body(out: Path, mark: Path) -> None:
        say({"error": "The model is gone."})
        sys.exit(1)

    with pytest.raises(ArchiveError, match=r"The model is gone\."):
        reports(place, body)


def test_a_child_holds_nothing_of_its_parents(place: Place) -> None:
    def body(out: Path, mark: Path) -> None:
        say({"error": " ".join(sorted(one.name for one in Path("/proc/self/fd").iterdir()))})

    with place.locked(), pytest.raises(ArchiveError, match=r"^0 1 2 3$"):  # 3 is the look at them itself
        reports(place, body)
