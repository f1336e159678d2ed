"""Owns the folder of a job, `results.parquet.parts` beside the output: its lock and parts, and how it is finished.

A part is `part-000123.parquet`, put in place by rename. `_job.json` says what was asked, `_done.jsonl` which parts were
finished and what was bad in them, `_bundles` holds the model. Names that begin with `_` are passed over by whatever
reads a folder of Parquet files.
"""

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from service.offline.archive.errors import ArchiveError
from service.offline.archive.job import JOB
from service.offline.archive.report import PartReport
from service.repository.bundles import Bundle, BundleStore

_DONE = "_done.jsonl"
_LOCK = "_lock"
_BUNDLES = "_bundles"
_JOINED = "_joined"
_LOG = "_processes.log"
_DRAFT = ".draft-"
_OURS = ("_", ".draft-", "part-")


class Place:
    """The folder of one job, and the output that it becomes."""

    def __init__(self, out: Path) -> None:
        self.out = out
        self.folder = out.with_name(f"{out.name}.parts")
        self._suffix = out.suffix

    @property
    def is_begun(self) -> bool:
        """Return whether a job was begun here."""
        return (self.folder / JOB).exists()

    @property
    def log(self) -> Path:
        """Return the file that processes write to besides their answers."""
        return self.folder / _LOG

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder, made where there is none, while the block runs; raises ArchiveError where another does."""
        descriptor = None
        while descriptor is None:
            descriptor = self._lock()
        try:
            yield
        finally:
            os.close(descriptor)

    def _lock(self) -> int | None:
        """Return the locked file; None where a job that ended meanwhile has deleted it, so that it locks nothing."""
        descriptor = self._open_lock()
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise ArchiveError(f"Another convoy classify is at work on {self.out.name}; wait for it to end.") from error
        if self._is_lock(descriptor):
            return descriptor
        os.close(descriptor)
        return None

    def _open_lock(self) -> int:
        try:
            self.folder.mkdir(exist_ok=True)
            return os.open(self.folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise ArchiveError(f"{self.folder} cannot be written: {error.strerror}; name another --out.") from error

    def _is_lock(self, descriptor: int) -> bool:
        try:
            return os.path.samestat(os.fstat(descriptor), (self.folder / _LOCK).stat())
        except FileNotFoundError:
            return False

    def part(self, number: int) -> Path:
        """Return where a part lies."""
        return self.folder / f"part-{number:06}{self._suffix}"

    @contextmanager
    def writing(self, number: int) -> Iterator[IO[bytes]]:
        """Yield a file that becomes the part when the block ends well."""
        draft = self.folder / f"{_DRAFT}{number}-{uuid.uuid4().hex}"
        try:
            with draft.open("xb") as file:
                yield file
            draft.replace(self.part(number))
        finally:
            draft.unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete what a job that was not even begun has left; raises ArchiveError where others' files lie there."""
        for path in self.folder.iterdir():
            if not path.name.startswith(_OURS):
                raise ArchiveError(f"{self.folder} holds {path.name}, which is no part of a job; name another --out.")
            if path.name == _BUNDLES:
                shutil.rmtree(path)
            elif path.name != _LOCK:
                path.unlink()

    def sweep(self) -> None:
        """Delete what killed processes left half-written, and end a line that was cut off."""
        if (self.folder / _DONE).exists():
            with (self.folder / _DONE).open("ab") as file:
                file.write(b"\n")
        for path in self.folder.glob(f"{_DRAFT}*"):
            path.unlink(missing_ok=True)

    def keep_bundle(self, bundle: Bundle, name: str, fingerprint: str) -> None:
        """Copy the model in, so that every process of the job, now and later, has the very same."""
        shutil.copytree(bundle.path, self.folder / _BUNDLES / name / fingerprint, dirs_exist_ok=True)

    def bundle(self, name: str, fingerprint: str) -> Bundle:
        """Return the model; raises ArchiveError where it is gone."""
        found = BundleStore(self.folder / _BUNDLES).find(name, fingerprint)
        if found is None:
            raise ArchiveError(f"The model in {self.folder.name} cannot be read; delete that folder to begin anew.")
        return found

    def note(self, report: PartReport) -> None:
        """Note that a part is finished: only then does it count."""
        with (self.folder / _DONE).open("ab") as file:
            file.write(report.to_line())

    def done(self) -> dict[int, PartReport]:
        """Return the reports of the parts that are finished, by number."""
        try:
            lines = (self.folder / _DONE).read_bytes().split(b"\n")
        except FileNotFoundError:
            return {}
        reports = filter(None, map(_report, lines))
        return {one.part: one for one in reports if self._is_there(one)}

    def remove(self) -> None:
        """Delete the folder and all that is in it."""
        shutil.rmtree(self.folder)

    def _is_there(self, report: PartReport) -> bool:
        try:
            return self.part(report.part).stat().st_size == report.size
        except OSError:
            return False

    @contextmanager
    def joining(self) -> Iterator[IO[bytes]]:
        """Yield a file that becomes the output when the block ends well; the folder of the job is gone then."""
        with (self.folder / _JOINED).open("wb") as file:
            yield file
        (self.folder / _JOINED).replace(self.out)
        shutil.rmtree(self.folder)

    def become_folder(self) -> None:
        """Make the folder itself the output: parts, what was asked, and what was bad.

        It is tidied first, so that nothing is left in it whenever this is broken off; the same job then ends it.
        """
        for path in self.folder.iterdir():
            if path.name == _BUNDLES:
                shutil.rmtree(path)
            elif path.name.startswith("_") and path.name not in (JOB, _DONE, _LOCK):
                path.unlink()
        self.folder.rename(self.out)
        # Last: without it another could lock this folder anew before it is renamed.
        (self.out / _LOCK).unlink(missing_ok=True)


def _report(line: bytes) -> PartReport | None:
    """Return what a line says; None for one that was cut off."""
    try:
        return PartReport.of_line(line)
    except (ValueError, TypeError):
        return None


def missing(reports: Iterable[int], parts: int) -> list[int]:
    """Return the numbers of the parts that are not among `reports`."""
    found = set(reports)
    return [number for number in range(parts) if number not in found]
