"""Owns answering one part after another: the same on one machine and on a cluster.

A worker is given the folder of a job and finds everything there: what was asked, the listing and the model.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from service.offline.archive.classifier import AtWork, Classifier
from service.offline.archive.columns import table_of
from service.offline.archive.errors import ArchiveError
from service.offline.archive.form import form_of
from service.offline.archive.job import Job, read_job
from service.offline.archive.listing import Listing
from service.offline.archive.place import Place
from service.offline.archive.report import PartReport
from service.repository.sidecar import parse_sidecar
from service.serving.live_model import load_model


class PartWorker:
    """Holds the model of a job."""

    def __init__(self, out: Path) -> None:
        self._place = Place(out)
        self._job = _job_at(self._place)
        asking = self._job.asking
        bundle = self._place.bundle(asking.model, asking.fingerprint)
        model = load_model(bundle, parse_sidecar(asking.sidecar), asking.version, asking.fingerprint)
        self._classifier = Classifier(model, limits=asking.image_limits)
        self._listing = Listing(self._place.folder, self._job.listed)
        self._form = form_of(out)

    def answer(
        self, part: int, *, at_work: AtWork = lambda _: None, skipped: Mapping[int, str] | None = None
    ) -> PartReport:
        """Answer the pictures of a part and put it in place; see `Classifier.classify`."""
        asking = self._job.asking
        paths = self._listing.part(part)
        answers = self._classifier.classify(os.fsencode(asking.folder), paths, at_work=at_work, skipped=skipped)
        with self._place.writing(part) as file:
            self._form.write(file, table_of(answers, top_k=asking.top_k, probabilities=asking.probabilities))
            size = file.tell()
        return PartReport.of(answers, part=part, size=size)


def _job_at(place: Place) -> Job:
    job = read_job(place.folder)
    if job is None:
        raise ArchiveError(f"There is no job in {place.folder}; every machine has to see that folder at this place.")
    return job
