"""Owns a job from beginning to end: begin it or go on with it, have its parts answered, join them."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from service.errors import FolderError
from service.offline.archive.errors import ArchiveError
from service.offline.archive.form import form_of
from service.offline.archive.job import Asking, Job, read_job
from service.offline.archive.listing import is_whole, write_listing
from service.offline.archive.place import Place, missing
from service.offline.archive.report import PartReport
from service.offline.archive.walk import Asked, files_of
from service.repository.bundles import Bundle
from service.repository.pictures import SUFFIXES

Answering = Callable[[Place, list[int]], Iterator[PartReport]]
"""Has parts answered, in any order, and yields the report on each one that is in its place."""
Told = Callable[[int], None]
_SHOWN = 10
_EVERY = 10_000


@dataclass(frozen=True, slots=True)
class Summary:
    """What became of a job: its pictures, those without an answer (the first ones with the reason), warnings.

    `resumed` pictures had been answered before this run began; `seconds` is what this run took.
    """

    out: str
    pictures: int
    bad: int
    examples: tuple[tuple[str, str], ...]
    warnings: Mapping[str, int]
    passed_over: Mapping[str, int]
    resumed: int
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        examples = [{"path": path, "error": error} for path, error in self.examples]
        warnings = [{"text": text, "pictures": count} for text, count in self.warnings.items()]
        return asdict(self) | {"examples": examples, "warnings": warnings}


def check_out(place: Place) -> None:
    """Raise ArchiveError where the output is there already, and is not that of a job which was broken off."""
    if place.out.exists() and not place.is_begun:
        raise ArchiveError(f"{place.out.name} is there already; delete it, or name another --out.")
    if not place.out.parent.is_dir():
        raise ArchiveError(f"{place.out.parent} is no folder; make it, or name another --out.")


def job_in(place: Place, asked: Asked, asking: Asking, bundle: Bundle, *, listed: Told = lambda _: None) -> Job:
    """Return the job that was begun in a place, or begin it; `listed` is told now and then how many files there are.

    Raises ArchiveError where another job was begun there or has left its output, FolderError where there is no picture.
    """
    begun = read_job(place.folder)
    if begun is None:
        return _begin(place, asked, asking, bundle, listed)
    other = begun.asking.differences(asking)
    if other:
        raise ArchiveError(
            f"{place.folder.name} holds a job that was begun otherwise: {'; '.join(other)}. Ask as it was begun to go "
            "on with it, name another --out, or delete that folder to begin anew."
        )
    # Where every part is there the listing is no longer needed, and may be tidied away already.
    if missing(place.done(), begun.listed.parts) and not is_whole(place.folder, begun.listed):
        raise ArchiveError(f"The listing in {place.folder.name} is damaged; delete that folder to begin anew.")
    place.sweep()
    return begun


def _begin(place: Place, asked: Asked, asking: Asking, bundle: Bundle, listed: Told) -> Job:
    place.clear()
    passed_over: Counter[str] = Counter()
    try:
        check_out(place)  # again, now that the place is locked: another job may have ended while the model was built
        listing = write_listing(place.folder, _counted(files_of(asked, passed_over), listed))
        if not listing.files:
            raise FolderError(_nothing(asked, passed_over))
    except (ArchiveError, FolderError):
        place.remove()
        raise
    place.keep_bundle(bundle, asking.model, asking.fingerprint)
    job = Job(asking, listing, passed_over)
    job.write(place.folder)
    return job


def _counted(paths: Iterable[bytes], listed: Told) -> Iterator[bytes]:
    for count, path in enumerate(paths, start=1):
        if count % _EVERY == 0:
            listed(count)
        yield path


def _nothing(asked: Asked, passed_over: Mapping[str, int]) -> str:
    if asked.pattern is not None:
        return (
            f"Nothing in {asked.root} fits the pattern {asked.pattern}. Within a folder's name take **/ for any depth."
        )
    others = f", but {sum(passed_over.values())} other files" if passed_over else ""
    return f"{asked.root} holds no pictures{others}. Pictures are files that end in {', '.join(sorted(SUFFIXES))}."


def run(place: Place, job: Job, answering: Answering, *, done: Told = lambda _: None) -> Summary:
    """Have the parts that are left answered and joined; `done` is told of pictures as they are, also of earlier ones.

    Raises ArchiveError where parts are missing in the end.
    """
    began = time.monotonic()
    reports = place.done()
    resumed = sum(one.pictures for one in reports.values())
    done(resumed)
    for report in answering(place, missing(reports, job.listed.parts)):
        if report.part in reports:  # answered again where a machine was lost: the same rows, in the same place
            continue
        place.note(report)
        reports[report.part] = report
        done(report.pictures)
    _finish(place, job, reports)
    return _summary(place, job, reports, resumed=resumed, seconds=time.monotonic() - began)


def _finish(place: Place, job: Job, reports: Mapping[int, PartReport]) -> None:
    lost = missing(reports, job.listed.parts)
    if lost:
        raise ArchiveError(f"{len(lost)} of {job.listed.parts} parts were not answered; run the same command again.")
    if not job.asking.is_joined:
        place.become_folder()
        return
    parts = [place.part(number) for number in range(job.listed.parts)]
    with place.joining() as file:
        form_of(place.out).join(file, parts, about={"convoy": json.dumps(asdict(job.asking), sort_keys=True)})
        file.flush()
        os.fsync(file.fileno())


def _summary(place: Place, job: Job, reports: Mapping[int, PartReport], *, resumed: int, seconds: float) -> Summary:
    ordered = [reports[number] for number in sorted(reports)]
    warnings: Counter[str] = Counter()
    for one in ordered:
        warnings.update(one.warnings)
    return Summary(
        out=str(place.out),
        pictures=sum(one.pictures for one in ordered),
        bad=sum(one.bad for one in ordered),
        examples=tuple(example for one in ordered for example in one.examples)[:_SHOWN],
        warnings=warnings,
        passed_over=job.passed_over,
        resumed=resumed,
        seconds=seconds,
    )


def out_at(text: str) -> Path:
    """Return the output's place, absolute, so that every process finds it."""
    return Path(os.path.abspath(text))  # noqa: PTH100  (links stay as they were named)
