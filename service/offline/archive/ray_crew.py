"""Owns answering a job's parts on a Ray cluster: Ray Data gives parts to actors that hold the model.

What a part is and how it is answered is the same as on one machine; retries and lost nodes are Ray's business. A part
that is answered twice is put in its place twice, by rename and with the same rows. Every machine has to see the
pictures and the folder of the job at the same place.
"""

import importlib.util
import logging
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from service.offline.archive.errors import ArchiveError, MissingPackageError
from service.offline.archive.place import Place
from service.offline.archive.report import PartReport
from service.offline.archive.worker import PartWorker

_SECONDS = 10.0


class _Actor:
    """One process on some machine of the cluster, with the model."""

    def __init__(self, out: str) -> None:
        self._worker = PartWorker(Path(out))

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[bytes]]:
        """Answer the parts that a batch names; give back a line of report for each."""
        return {"report": [self._worker.answer(int(part)).to_line() for part in batch["id"]]}


def check_ray() -> None:
    """Raise MissingPackageError where Ray is not installed."""
    if importlib.util.find_spec("ray") is None:
        raise MissingPackageError("--ray needs the package ray: pip install 'convoy-serve[ray]'.")


def answered_by_ray(place: Place, parts: Sequence[int], *, address: str) -> Iterator[PartReport]:
    """Answer parts on the cluster at `address` and yield each one's report; raises ArchiveError where it cannot."""
    import ray

    if not parts:
        return
    _check_answers(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
    except ConnectionError as error:
        raise ArchiveError(f"No Ray cluster answers at {address}: {error}") from error
    try:
        for row in _asked(place, parts).iter_rows():
            yield PartReport.of_line(row["report"])
    finally:
        ray.shutdown()


def _check_answers(address: str) -> None:
    """Raise ArchiveError where nothing listens at `host:port`: Ray itself would try for minutes."""
    host, _, port = address.rpartition(":")
    if not host or "/" in host or not port.isdigit():
        return
    try:
        socket.create_connection((host, int(port)), timeout=_SECONDS).close()
    except OSError as error:
        raise ArchiveError(f"No Ray cluster answers at {address}: {error}.") from error


def _asked(place: Place, parts: Sequence[int]) -> Any:
    import ray

    ray.data.DataContext.get_current().enable_progress_bars = False
    actors = max(1, int(ray.cluster_resources().get("CPU", 1)))
    numbers = ray.data.from_items([{"id": part} for part in parts], override_num_blocks=len(parts))
    return numbers.map_batches(
        _Actor,
        fn_constructor_args=(str(place.out),),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(min_size=1, max_size=actors),
        num_cpus=1,
    )
