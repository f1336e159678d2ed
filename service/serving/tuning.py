"""Owns how each live model is run: by its tuning table, which is made in the background where there is none yet."""

import logging
import threading
from collections.abc import Callable
from pathlib import Path

from service.builder.tuner import tune_bundle
from service.errors import BuildInterruptedError
from service.machine import usable_cores
from service.model.tuning import Choice, Tuning, default_choice
from service.repository.bundles import Bundle
from service.repository.tunings import TuningStore

log = logging.getLogger(__name__)

_PAUSE = 1.0
"""Seconds between two looks whether the builder is done: what is not live yet goes before what may be faster."""


class Tuner:
    """Chooses how models are run, and has what was never timed here timed, one model at a time.

    `is_busy` says whether something more urgent is at work; `on_change` is called when there is a new table. Where it
    is not `is_active`, tables that are there count and none is made.
    """

    def __init__(
        self,
        tunings: TuningStore,
        *,
        profile: str,
        memory: int,
        is_active: bool = True,
        is_busy: Callable[[], bool] = lambda: False,
        on_change: Callable[[], None] = lambda: None,
    ) -> None:
        self._tunings = tunings
        self._profile = profile
        self._memory = memory
        self._is_active = is_active
        self._is_busy = is_busy
        self._on_change = on_change
        self._waiting: list[Bundle] = []
        self._tried: set[Path] = set()
        self._unwritten: dict[Path, Tuning] = {}
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tuner", daemon=True)

    def choice(self, bundle: Bundle) -> Choice:
        """Return how a bundle is run on this machine; it is timed later where that was not done yet."""
        table = self._tunings.find(bundle) or self._unwritten.get(bundle.path)
        if table is not None:
            return table.choice(bundle.facts, profile=self._profile)
        if self._is_active:
            self._request(bundle)
        return default_choice(bundle.facts)

    def stop(self) -> None:
        """End the timing at work and start no other."""
        self._stopping.set()
        with self._changed:
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout=5)

    def _request(self, bundle: Bundle) -> None:
        with self._changed:
            if bundle.path in self._tried or self._stopping.is_set():
                return
            self._tried.add(bundle.path)
            self._waiting.append(bundle)
            self._changed.notify_all()
            if self._thread.ident is None:
                self._thread.start()

    def _run(self) -> None:
        while not self._stopping.is_set():
            bundle = self._next()
            if bundle is not None:
                self._tune(bundle)

    def _next(self) -> Bundle | None:
        """Return what to time now, or None after a short wait."""
        with self._changed:
            if self._waiting and not self._is_busy():
                return self._waiting.pop(0)
            if not self._stopping.is_set():
                self._changed.wait(timeout=_PAUSE if self._waiting else None)
            return None

    def _tune(self, bundle: Bundle) -> None:
        name = bundle.facts.name
        try:
            table = tune_bundle(bundle, cores=usable_cores(), memory=self._memory, cancelled=self._stopping)
        except BuildInterruptedError as error:
            if not self._stopping.is_set():
                log.warning("%s is run as it is by default: %s", name, error.message)
            return
        try:
            self._tunings.write(bundle, table)
        except OSError as error:
            log.warning("the tuning table of %s cannot be kept: %s", name, error.strerror)
            self._unwritten[bundle.path] = table
        choice = table.choice(bundle.facts, profile=self._profile)
        log.info("timed %s: %s, threads %d, chunk %d", name, choice.engine, choice.threads, choice.chunk)
        self._on_change()
