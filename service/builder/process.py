"""Owns a build as its caller sees it: one at a time on a cache, within limits, one loader after the other.

Imports no TensorFlow: the work is done in a child process (`service.builder.child`).
"""

import fcntl
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from service.builder.child import Child
from service.builder.child import Progress as Progress
from service.builder.order import BuildOrder
from service.errors import (
    BuilderBusyError,
    BuilderMissingError,
    BuildInterruptedError,
    ModelError,
    SavedModelNotAllowedError,
)
from service.model.insight import Insight
from service.repository.bundle_files import add_insight
from service.repository.bundles import Bundle, BundleStore
from service.repository.saved import Saved
from service.repository.sources import Source


def _silent(step: str) -> None:
    """Show nothing."""


_PROGRAM = (
    "This is a SavedModel folder: a TensorFlow program, not data. Where you trust whoever made it, allow it with "
    "CONVOY_ALLOW_SAVED_MODEL=1 (--allow-saved-model); else save the model as .keras."
)
_BUILT_ELSEWHERE = (
    "{file} stands for a bundle built elsewhere, and a whole {place} is not in CONVOY_BUNDLES_DIR. Put it there as "
    "`convoy build --out` of this very version wrote it, or put the saved model here."
)
_MIB = 2**20


@dataclass(frozen=True, slots=True)
class BuildLimits:
    """What one build may use: wall time in seconds (plus one per MiB of source) and memory in bytes.

    `allow_saved_model` says whether a SavedModel, which is a program, may be run.
    """

    seconds: float
    memory: int
    allow_saved_model: bool = False

    def seconds_for(self, size: int) -> float:
        """Return the wall limit for a source of `size` bytes."""
        return self.seconds + size / _MIB


def build_bundle(
    source: Source,
    fingerprint: str,
    *,
    store: BundleStore,
    limits: BuildLimits,
    progress: Progress = _silent,
    cancelled: threading.Event | None = None,
    trusted: Path | None = None,
) -> Bundle:
    """Build `source` in a child process and add the bundle to the store.

    `trusted` is a Python file of the user's own layers, which is run. Raises ModelError with the diagnosis where the
    source is at fault, BuildInterruptedError where another try may succeed (time-out, kill, memory, full disk, another
    builder on the same cache, `cancelled` set).
    """
    if source.saved.is_built:
        raise BuilderMissingError(_BUILT_ELSEWHERE.format(file=source.path.name, place=f"{source.name}/{fingerprint}"))
    if source.saved.is_program and not limits.allow_saved_model:
        raise SavedModelNotAllowedError(_PROGRAM)
    with _build_lock(store) as lock:
        store.sweep()
        bundle = store.find(source.name, fingerprint)  # another server may have built it meanwhile
        if bundle is not None:
            return bundle
        with store.staging(source.name) as staged, store.staging(source.name) as home:
            order = BuildOrder(
                saved=_absolute(source.saved),
                staged=staged,
                name=source.name,
                version=source.version,
                fingerprint=fingerprint,
                memory=limits.memory,
                trusted=trusted,
            )
            seconds = limits.seconds_for(source.stamp.size)
            _climb(order, Child(home, lock, seconds, progress, cancelled))
            return store.add(staged, source.name, fingerprint)


def sweep_cache(store: BundleStore) -> None:
    """Delete what killed builds left in the cache, unless somebody builds there just now."""
    with suppress(BuildInterruptedError), _build_lock(store):
        store.sweep()


@contextmanager
def _build_lock(store: BundleStore) -> Iterator[int]:
    """Hold the build lock; the child is given the descriptor, so the lock lives as long as either of them."""
    try:
        store.build_lock.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(store.build_lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise BuildInterruptedError(f"The cache folder cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield descriptor
    except BlockingIOError as error:
        raise BuilderBusyError("Another builder is at work on this cache; waiting for it.") from error
    finally:
        os.close(descriptor)


def _absolute(saved: Saved) -> Saved:
    return Saved(saved.path.absolute(), saved.architecture and saved.architecture.absolute())


def _climb(order: BuildOrder, child: Child) -> None:
    """Try one loader after the other, each in a child of its own, until one builds; add what it saw inside."""
    try:
        said = child.run(order)
        while "next" in said:
            _empty(order.staged)
            _empty(child.home)
            order = replace(order, loader=said["next"], tried=said["tried"])
            said = child.run(order)
        add_insight(order.staged, Insight.from_json(said["insight"]))
    except (ModelError, OSError) as error:
        if order.staged.is_dir():
            raise
        raise BuildInterruptedError("The cache folder was removed while something was built in it.") from error


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        shutil.rmtree(entry) if entry.is_dir() else entry.unlink()
