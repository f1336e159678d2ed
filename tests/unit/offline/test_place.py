"""The folder of a job: one lock whatever others delete, and nothing left behind or lost where it is broken off."""

import fcntl
import shutil
from pathlib import Path
from typing import Any, cast

import pytest

from service.offline.archive import place as module
from service.offline.archive.errors import ArchiveError
from service.offline.archive.job import Asking, Job
from service.offline.archive.listing import write_listing
from service.offline.archive.place import Place
from service.offline.archive.report import PartReport
from service.offline.archive.run import job_in, run
from service.offline.archive.walk import Asked
from service.repository.bundles import Bundle

NO_BUNDLE = cast("Bundle", None)


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path / "out.csv")


def asking(root: Path) -> Asking:
    limits = {"max_bytes": 1, "max_pixels": 1, "max_side": 1}
    return Asking(str(root), None, "corners", 1, "abc", {}, 3, False, ".csv", is_joined=False, limits=limits)


def finished_job(place: Place) -> Job:
    """Begin a job of one part and finish that."""
    listed = write_listing(place.folder, [b"a.png"])
    job = Job(asking(place.out.parent), listed, {})
    job.write(place.folder)
    with place.writing(0) as file:
        file.write(b"rows\n")
    place.note(PartReport(0, 5, 1, 0, (), {}))
    (place.folder / "_bundles/corners/abc").mkdir(parents=True)
    return job


def test_a_lock_that_was_deleted_while_it_was_taken_is_taken_anew(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    locked: list[int] = []

    def flock(descriptor: int, operation: int) -> None:
        if not locked:
            shutil.rmtree(place.folder)  # the job that held it has ended
        locked.append(descriptor)
        fcntl.flock(descriptor, operation)

    monkeypatch.setattr(module, "fcntl", _with(flock))
    with place.locked():
        assert len(locked) == 2
        with pytest.raises(ArchiveError, match=r"Another convoy classify is at work on out\.csv"), place.locked():
            pass
    with place.locked():
        pass


def _with(flock: Any) -> Any:
    class Locking:
        LOCK_EX, LOCK_NB = fcntl.LOCK_EX, fcntl.LOCK_NB

    Locking.flock = staticmethod(flock)  # type: ignore[attr-defined]
    return Locking


def test_what_goes_wrong_in_the_job_is_no_matter_of_the_lock(place: Place) -> None:
    with pytest.raises(BlockingIOError, match="of a pipe"), place.locked():
        raise BlockingIOError("of a pipe")


def test_an_output_that_came_while_the_model_was_built_is_not_replaced(place: Place) -> None:
    place.out.write_text("the rows of another job")

    with place.locked(), pytest.raises(ArchiveError, match=r"out\.csv is there already"):
        job_in(place, Asked(place.out.parent), asking(place.out.parent), NO_BUNDLE)

    assert place.out.read_text() == "the rows of another job"
    assert not place.folder.exists()


def test_a_folder_of_parts_broken_off_at_its_end_is_tidy_and_is_ended(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    with place.locked(), monkeypatch.context() as patched:
        job = finished_job(place)
        patched.setattr(Path, "rename", lambda *_: pytest.fail("killed"))
        with pytest.raises(pytest.fail.Exception, match="killed"):
            run(place, job, lambda *_: iter(()))
    assert not place.out.exists()
    assert not (place.folder / "_bundles").exists()

    with place.locked():
        again = job_in(place, Asked(place.out.parent), job.asking, NO_BUNDLE)
        assert run(place, again, lambda *_: iter(())).pictures == 1

    assert sorted(one.name for one in place.out.iterdir()) == ["_done.jsonl", "_job.json", "part-000000.csv"]
