"""Owns the folder of the workers' files: adding them up, and folding those of dead workers into one.

Who reads takes no lock. A fold writes the new sums, with the names of the files that are in them, and replaces the old
ones by rename; only then are those files removed. Whoever is killed between the two leaves files behind that every
reader passes over by their names, so that nothing is counted twice; and a reader who finds that the sums were replaced
while it read begins again, so that nothing is missed.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.files import draft_prefix, replace_file
from service.metrics.kinds import KINDS, Kind
from service.metrics.room import names_to_keep
from service.metrics.rows import Name, Row, packed_file, packed_row, read_rows

_FOLDER, _SUMS, _LOCK = "counters", "sums", "lock"
_OWN = ".worker"
_FOLDED = "folded"
"""The kind of the rows, without numbers, that name the files which are in the sums already."""
_TRIES = 100
Rows = dict[Name, Row]


def remove_counters(runtime_dir: Path) -> None:
    """Remove what an earlier server counted."""
    shutil.rmtree(runtime_dir / _FOLDER, ignore_errors=True)


class CounterFiles:
    """The files of all workers of a server, living and dead."""

    def __init__(self, runtime_dir: Path) -> None:
        self._folder = runtime_dir / _FOLDER
        self._sums = self._folder / _SUMS

    def path_of(self, worker: str) -> Path:
        """Return where a worker's own file goes."""
        return self._folder / f"{worker}{_OWN}"

    @contextmanager
    def changing(self) -> Iterator[None]:
        """Let one worker at a time come, and fold what others left behind."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with (self._folder / _LOCK).open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def fold(self) -> None:
        """Put the files of dead workers into the sums; within `changing` alone. Raises OSError on a full disk."""
        sums, folded = self._read_sums()
        for name in folded:  # left by a fold that was killed before it could remove them
            self.path_of(name).unlink(missing_ok=True)
        dead = [path for path in self._folder.glob(f"*{_OWN}") if not is_locked(path)]
        if not dead:
            return
        for path in dead:
            _merge(sums, path.read_bytes(), is_living=False)
        self._write_sums(sums, [path.name.removesuffix(_OWN) for path in dead])
        for path in (*dead, *self._folder.glob(f"{draft_prefix(self._sums)}*")):
            path.unlink(missing_ok=True)

    def totals(self) -> Rows:
        """Return the rows of all workers added up."""
        for _ in range(_TRIES):
            found = self._read_all()
            if found is not None:
                return found
        raise OSError("the counters could not be read: they were folded again and again")

    def living(self) -> list[int]:
        """Return the process ids of the workers that live."""
        return sorted({int(path.name.partition("-")[0]) for path in self._folder.glob(f"*{_OWN}") if _lives(path)})

    def _read_all(self) -> Rows | None:
        """Return the rows added up, or None where a fold came between."""
        with _opened(self._sums) as kept:  # held open, so that no later file can get its number
            rows, folded = self._read_sums() if kept is not None else ({}, set())
            try:
                for path in self._folder.glob(f"*{_OWN}"):
                    if path.name.removesuffix(_OWN) not in folded:
                        _merge(rows, path.read_bytes(), is_living=is_locked(path))
            except FileNotFoundError:
                return None
            return rows if _number_of(self._sums) == kept else None

    def _write_sums(self, sums: Rows, folded: list[str]) -> None:
        packed = {name: packed_row(name, row) for name, row in sums.items()}
        kept = names_to_keep(sums, {name: len(row) for name, row in packed.items()})
        names = (packed_row((_FOLDED, name), ()) for name in folded)
        replace_file(self._sums, packed_file((*(packed[name] for name in kept), *names)))

    def _read_sums(self) -> tuple[Rows, set[str]]:
        try:
            rows = dict(read_rows(self._sums.read_bytes()))
        except FileNotFoundError:
            return {}, set()
        folded = {name for name in rows if name[0] == _FOLDED}
        return {name: row for name, row in rows.items() if name not in folded}, {one[1] for one in folded}


def is_locked(path: Path) -> bool:
    """Return whether the worker of this file lives; raises FileNotFoundError where it is gone."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


def _lives(path: Path) -> bool:
    try:
        return is_locked(path)
    except FileNotFoundError:  # folded since it was listed
        return False


@contextmanager
def _opened(path: Path) -> Iterator[int | None]:
    try:
        file = path.open("rb")
    except FileNotFoundError:
        yield None
        return
    with file:
        yield os.fstat(file.fileno()).st_ino


def _number_of(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except FileNotFoundError:
        return None


def _merge(rows: Rows, data: bytes, *, is_living: bool) -> None:
    """Add a file's rows to `rows`; of a dead worker not what it was at."""
    for name, row in read_rows(data):
        kind = KINDS[name[0]]
        if kind.merge == "sum" or is_living:
            # Taken out and put in again: what was counted last comes last.
            rows[name] = _added(kind, rows.pop(name), row) if name in rows else row


def _added(kind: Kind, one: Row, other: Row) -> Row:
    total = [a + b for a, b in zip(one, other, strict=True)]
    if kind.latest is not None:
        total[kind.latest] = max(one[kind.latest], other[kind.latest])
    return tuple(total)
