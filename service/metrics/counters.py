"""Owns counting in one worker: cheap, from any thread, and never in the way of a request."""

import logging
import os
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from service.metrics.files import CounterFiles
from service.metrics.kinds import STARTED, WORKER, Change, Kind
from service.metrics.rows import FullError, Name, Row, RowsFile

log = logging.getLogger(__name__)

_RENEWAL_SECONDS = 60.0
"""From one full file to the next at least: with too many series at once a worker would do nothing but renew it."""


class Counters:
    """The counters of one worker, and the sums over all of them, of those that have ended too."""

    def __init__(self, runtime_dir: Path) -> None:
        self._files = CounterFiles(runtime_dir)
        self._lock = threading.Lock()
        self._places: dict[Name, int] = {}
        self._is_complaining = False
        self._next_renewal = 0.0
        self._own = self._opened()
        self.add(STARTED, (), [(0, 1)])

    def add(self, kind: Kind, labels: tuple[str, ...], changes: Iterable[Change], *, at_ms: int = 0) -> None:
        """Add to numbers of a row, by their places; `at_ms` is the time for a kind that keeps its latest one."""
        with self._lock:
            place = self._place(kind, labels)
            if place is None or self._own is None:
                return
            words = self._own.words
            for slot, amount in changes:
                words[place + slot] += amount
            if kind.latest is not None and at_ms:
                words[place + kind.latest] = at_ms

    def set(self, kind: Kind, labels: tuple[str, ...], slot: int, value: int) -> None:
        """Replace a number of a row."""
        with self._lock:
            place = self._place(kind, labels)
            if place is not None and self._own is not None:
                self._own.words[place + slot] = value

    def totals(self, kind: Kind) -> dict[tuple[str, ...], Row]:
        """Return the rows of a kind by their labels, added up over all workers."""
        return {name[1:]: row for name, row in self.all_totals().items() if name[0] == kind.name}

    def all_totals(self) -> dict[Name, Row]:
        """Return the rows of every kind, each behind its kind and labels, added up over all workers."""
        return self._files.totals()

    def living(self) -> list[int]:
        """Return the process ids of the workers that live."""
        return self._files.living()

    def close(self) -> None:
        """Count no more; what was counted stays."""
        with self._lock:
            own, self._own = self._own, None
            if own is not None:
                own.close()

    def _opened(self) -> RowsFile | None:
        try:
            with self._files.changing():
                own = self._fresh()
                self._fold()
                return own
        except OSError as error:
            self._complain(error)
            return None

    def _fresh(self) -> RowsFile:
        return RowsFile(self._files.path_of(f"{os.getpid()}-{time.time_ns()}"))

    def _fold(self) -> None:
        try:
            self._files.fold()
        except OSError as error:
            log.warning("the counters of ended workers stay in files of their own: %s", error.strerror)

    def _place(self, kind: Kind, labels: tuple[str, ...]) -> int | None:
        """Return where a row begins, a new one where there is none; None where it cannot be counted."""
        name = (kind.name, *labels)
        place = self._places.get(name)
        if place is not None or self._own is None:
            return place
        try:
            place = self._places[name] = self._add_row(self._own, name, kind)
        except OSError as error:  # a full disk: the answer is worth more than its count
            self._complain(error)
        return place

    def _add_row(self, own: RowsFile, name: Name, kind: Kind) -> int:
        try:
            return own.add_row(name, kind.width, most_bytes=kind.most_bytes)
        except FullError:
            if time.monotonic() < self._next_renewal:
                raise
            return self._renew(own).add_row(name, kind.width, most_bytes=kind.most_bytes)

    def _renew(self, old: RowsFile) -> RowsFile:
        """Go on in a new file: a fold, which leaves out what is long gone, takes in the full one as a dead worker's."""
        self._next_renewal = time.monotonic() + _RENEWAL_SECONDS
        with self._files.changing():
            fresh = self._fresh()
        name, place = (WORKER.name,), fresh.add_row((WORKER.name,), WORKER.width)
        if (before := self._places.get(name)) is not None:
            fresh.words[place : place + WORKER.width] = old.words[before : before + WORKER.width]
        old.close()
        self._own, self._places, self._is_complaining = fresh, {name: place}, False
        threading.Thread(target=self._fold_old, name="counters", daemon=True).start()  # no request waits for it
        return fresh

    def _fold_old(self) -> None:
        with suppress(OSError), self._files.changing():  # left as it is, it is read as it is
            self._fold()

    def _complain(self, error: OSError) -> None:
        if not self._is_complaining:
            log.error("what is answered cannot be counted: %s", error.strerror or error)
        self._is_complaining = True
