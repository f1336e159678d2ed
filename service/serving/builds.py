"""Owns the queue of builds: one at a time, smallest file first, retried with growing pauses where that may help."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from service.builder.process import BuildLimits, build_bundle, sweep_cache
from service.errors import (
    BuilderBusyError,
    BuilderMissingError,
    BuildInterruptedError,
    ModelError,
    SavedModelNotAllowedError,
)
from service.repository.bundles import BundleStore
from service.repository.sources import Source
from service.serving.live import ModelKey

log = logging.getLogger(__name__)

FIRST_PAUSE = 2.0
LONGEST_PAUSE = 300.0
Record = Callable[[str, str, float], None]
"""Told of each build: the model's name, how it ended (built, failed, interrupted) and its seconds."""


def _unrecorded(model: str, result: str, seconds: float) -> None:
    """Count nothing."""


@dataclass(slots=True)
class _Job:
    source: Source
    fingerprint: str
    step: str = "waiting for its turn"
    tries: int = 0
    not_before: float = 0.0
    cancelled: threading.Event = field(default_factory=threading.Event)
    said: set[str] = field(default_factory=set)

    def say(self, level: int, text: str) -> None:
        """Log a line, each one once: another try has no news until it ends in another way."""
        if text not in self.said:
            log.log(level, "%s", text)
        self.said.add(text)


class Builds:
    """Builds what it is asked for in a thread of its own; each build is a child process."""

    def __init__(
        self,
        store: BundleStore,
        *,
        limits: BuildLimits,
        on_change: Callable[[], None],
        record: Record = _unrecorded,
    ) -> None:
        self._store = store
        self._limits = limits
        self._on_change = on_change
        self._record = record
        self._jobs: dict[ModelKey, _Job] = {}
        self._undiagnosable: dict[tuple[str, str], str] = {}
        self._is_gathering = False
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="builds", daemon=True)

    def request(self, source: Source, fingerprint: str) -> str:
        """Ask for a build, if it is not asked for already; return the step it is at, in words."""
        key = (source.name, source.version)
        with self._changed:
            job = self._jobs.get(key)
            if job is None or job.fingerprint != fingerprint:
                self._drop(key)
                job = self._jobs[key] = _Job(source, fingerprint)
                self._changed.notify_all()
            if self._thread.ident is None:
                self._thread.start()
            return job.step

    @contextmanager
    def gathering(self) -> Iterator[None]:
        """Begin no build while the block runs, so that the smallest of all that it asks for is the first."""
        self._is_gathering = True
        try:
            yield
        finally:
            with self._changed:
                self._is_gathering = False
                self._changed.notify_all()

    def is_idle(self) -> bool:
        """Return whether nothing is being built, or waits to be."""
        return not self._jobs

    def diagnosis(self, name: str, fingerprint: str) -> str | None:
        """Return why this very file could not be built, or None where that is not known (yet)."""
        return self._undiagnosable.get((name, fingerprint)) or self._store.diagnosis(name, fingerprint)

    def keep_only(self, keys: set[ModelKey]) -> None:
        """Forget what was asked for and is no longer on disk."""
        with self._changed:
            for key in set(self._jobs) - keys:
                self._drop(key)

    def _drop(self, key: ModelKey) -> None:
        """Forget a job; where it is being built, that ends, since nobody wants the result."""
        job = self._jobs.pop(key, None)
        if job is not None:
            job.cancelled.set()

    def sweep(self) -> None:
        """Clear away what killed builds left in the cache."""
        sweep_cache(self._store)

    def stop(self) -> None:
        """End the build at work and start no other."""
        self._stopping.set()
        with self._changed:
            for key in list(self._jobs):
                self._drop(key)
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def _run(self) -> None:
        while not self._stopping.is_set():
            job = self._next()
            if job is not None:
                self._build(job)
                self._on_change()

    def _next(self) -> _Job | None:
        """Return the smallest job that is due, or None after a short wait for one."""
        with self._changed:
            now = time.monotonic()
            due = [job for job in self._jobs.values() if job.not_before <= now]
            if due and not self._is_gathering:
                return min(due, key=lambda job: (job.tries, job.source.stamp.size))
            if not self._stopping.is_set():
                self._changed.wait(timeout=0.5 if self._jobs else None)
            return None

    def _build(self, job: _Job) -> None:
        name, version = job.source.name, job.source.version
        job.say(logging.INFO, f"building {name} version {version} ({job.source.stamp.size} bytes)")
        began = time.monotonic()
        result = "failed"
        try:
            build_bundle(
                job.source,
                job.fingerprint,
                store=self._store,
                limits=self._limits,
                progress=lambda step: self._progress(job, step),
                cancelled=job.cancelled,
            )
        except (BuilderMissingError, SavedModelNotAllowedError) as error:
            self._undiagnosable[name, job.fingerprint] = error.message
            self._forget(job)
        except ModelError as error:
            self._store.remember_diagnosis(name, job.fingerprint, error.message)
            self._forget(job)
        except (BuildInterruptedError, OSError) as error:
            result = "" if isinstance(error, BuilderBusyError) else "interrupted"
            self._retry_later(job, str(error), is_busy=not result)
        except Exception:
            log.exception("building %s version %d failed in an unforeseen way", name, version)
            result = "interrupted"
            self._retry_later(job, "The build failed in an unforeseen way.")
        else:
            result = "built"
            log.info("built %s version %d in %.1f s", name, version, time.monotonic() - began)
            self._forget(job)
        if result:
            self._record(name, result, time.monotonic() - began)

    def _progress(self, job: _Job, step: str) -> None:
        job.step = step
        job.say(logging.INFO, f"{job.source.name} version {job.source.version}: {step}")

    def _forget(self, job: _Job) -> None:
        with self._changed:
            key = (job.source.name, job.source.version)
            if self._jobs.get(key) is job:
                del self._jobs[key]

    def _retry_later(self, job: _Job, reason: str, *, is_busy: bool = False) -> None:
        pause = FIRST_PAUSE if is_busy else min(LONGEST_PAUSE, FIRST_PAUSE * 2**job.tries)
        job.tries += not is_busy
        job.not_before = time.monotonic() + pause
        job.step = f"{reason} Next try in {pause:.0f} s."
        if not job.cancelled.is_set():
            job.say(logging.WARNING, f"{job.source.name} version {job.source.version}: {job.step}")
