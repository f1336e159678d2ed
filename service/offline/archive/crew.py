"""Owns the processes that answer a job's parts on this machine: fed, watched, and replaced where they die."""

import selectors
from collections import Counter, defaultdict, deque
from collections.abc import Iterable, Iterator

from service.offline.archive.child import NOWHERE, Body, Child
from service.offline.archive.errors import ArchiveError, WorkerLostError
from service.offline.archive.place import Place
from service.offline.archive.process import answer_lines
from service.offline.archive.report import PartReport

_AHEAD = 2
"""Parts given to a process at a time: the next one waits where it is when the one before is finished."""
_DEATHS_OF_A_FILE = 2
_DEATHS_OF_A_PART = 3


def answered_here(
    place: Place, parts: Iterable[int], *, processes: int, body: Body = answer_lines
) -> Iterator[PartReport]:
    """Answer parts with so many processes and yield each one's report; all processes are gone afterwards.

    A file that ends its process twice is left out with that as its error. Raises ArchiveError where a process cannot
    go on, WorkerLostError where they die without a file at fault.
    """
    crew = _Crew(place, parts, body)
    try:
        yield from crew.reports(processes)
    finally:
        crew.end()


class _Crew:
    def __init__(self, place: Place, parts: Iterable[int], body: Body) -> None:
        self._place = place
        self._body = body
        self._left = deque(parts)
        self._processes: set[Child] = set()
        self._selector = selectors.DefaultSelector()
        self._deaths: defaultdict[int, Counter[int]] = defaultdict(Counter)
        self._skipped: defaultdict[int, dict[int, str]] = defaultdict(dict)
        self._started = 0

    def reports(self, processes: int) -> Iterator[PartReport]:
        for _ in range(min(processes, len(self._left))):
            self._start()
        while self._processes:
            for key, _ in self._selector.select():
                yield from self._hear(key.fileobj)  # type: ignore[arg-type]

    def end(self) -> None:
        for one in self._processes:
            one.stop()
        for one in self._processes:
            one.close()
        self._selector.close()

    def _start(self) -> None:
        mark = self._place.folder / f"_mark-{self._started}"
        process = Child(self._body, out=self._place.out, mark=mark, log=self._place.log)
        self._started += 1
        self._processes.add(process)
        self._selector.register(process, selectors.EVENT_READ)

    def _hear(self, process: Child) -> Iterator[PartReport]:
        lines = process.lines()
        if lines is None:
            self._bury(process)
            return
        for line in lines:
            if "error" in line:
                raise ArchiveError(line["error"])
            if line:
                process.given.popleft()
                yield PartReport.of_json(line)
        self._feed(process)

    def _feed(self, process: Child) -> None:
        while self._left and len(process.given) < _AHEAD:
            part = self._left.popleft()
            process.give(part, self._skipped[part])
        if not process.given:
            self._dismiss(process)

    def _dismiss(self, process: Child) -> None:
        self._selector.unregister(process)
        self._processes.remove(process)
        process.stop()
        process.close()

    def _bury(self, process: Child) -> None:
        ending, row, given = process.ending(), process.row(), list(process.given)
        self._dismiss(process)
        if not given:
            raise WorkerLostError(f"A process ended before it could begin: {ending}.{self._last_words()}")
        self._blame(given[0], row, ending)
        self._left.extendleft(reversed(given))
        self._start()

    def _blame(self, part: int, row: int, ending: str) -> None:
        self._deaths[part][row] += 1
        if row != NOWHERE and self._deaths[part][row] >= _DEATHS_OF_A_FILE:
            self._skipped[part][row] = f"The process that decodes it has ended twice at this file: {ending}."
        elif row == NOWHERE and self._deaths[part][row] >= _DEATHS_OF_A_PART:
            raise WorkerLostError(
                f"A process has ended {_DEATHS_OF_A_PART} times while the model ran: {ending}. Where memory ran out, "
                f"take fewer --workers.{self._last_words()}"
            )

    def _last_words(self) -> str:
        lines = self._place.log.read_text("utf-8", "replace").splitlines() if self._place.log.exists() else []
        return f" Its last words: {lines[-1][:300]}" if lines else ""
