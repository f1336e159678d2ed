"""Owns keeping `live.json` in step with the models folder: finds sources, has them built, decides what is live.

One worker at a time is the watcher, by file lock; where it dies, another takes over.
"""

import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from service.errors import BrokenModelError, ConvoyError, SidecarError
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source, Stamp, find_sources, sha256_of, stamp_of
from service.serving.builds import Builds
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.live_model import load_model
from service.serving.policy import chosen_versions

log = logging.getLogger(__name__)

LOCK_FILE = "watcher.lock"
_PRUNE_SECONDS = 3600.0
_Versions = dict[int, VersionState]


class Watcher:
    """Looks at the models folder again and again and writes what it found. Only one thread may call `look`."""

    def __init__(
        self,
        models_dir: Path,
        *,
        store: BundleStore,
        live_file: LiveFile,
        builds: Builds,
        ready: str = "all",
        prune_days: float = 30.0,
    ) -> None:
        self._root = models_dir
        self._store = store
        self._file = live_file
        self._builds = builds
        self._ready_rule = ready
        self._prune_days = prune_days
        self._last_prune = 0.0
        self._view = live_file.read()
        self._first = live_file.stamp() is None
        self._root_identity = _identity(models_dir)
        self._stamps: dict[Path, Stamp] = {}
        self._hashes: dict[tuple[Path, Stamp], str] = {}
        self._proved: dict[tuple[str, str], str | None] = {}

    def look(self) -> None:
        """Take one look at the folder, start what builds it calls for, and write the view if it changed."""
        sources, warnings = self._sources()
        models = self._models(sources) if sources is not None else dict(self._view.models)
        view = self._judged(models, warnings)
        if view != self._view or self._file.stamp() is None:
            _log_changes(self._view, view)
            self._file.write(view)
            self._view = view
        self._first = False
        self._prune()

    def _sources(self) -> tuple[list[Source] | None, list[str]]:
        """Return the sources, or None where the folder vanished or emptied at once: then everything stays."""
        try:
            sources = find_sources(self._root)
        except OSError as error:
            return None, [f"The models folder cannot be read ({error.strerror}); what was live stays live."]
        if not sources and self._emptied_at_once():
            return None, ["The models folder is empty all at once; what was live stays live."]
        self._root_identity = _identity(self._root)
        return sources, [] if sources else ["The models folder holds no saved model; drop one into it."]

    def _emptied_at_once(self) -> bool:
        """Return whether all of several models went in one look, or the folder is another one (an unmount)."""
        held = len(self._view.models)
        return held > 1 or (held == 1 and _identity(self._root) != self._root_identity)

    def _models(self, sources: list[Source]) -> dict[str, _Versions]:
        by_name: dict[str, dict[int, Source]] = {}
        for source in sources:
            by_name.setdefault(source.name, {})[source.version] = source
        models = {name: self._versions(name, versions) for name, versions in by_name.items()}
        self._stamps = {source.path: source.stamp for source in sources}
        self._hashes = {key: self._hashes[key] for key in self._stamps.items() if key in self._hashes}
        self._builds.keep_only({(source.name, source.version) for source in sources})
        return {name: versions for name, versions in models.items() if versions}

    def _versions(self, name: str, sources: dict[int, Source]) -> _Versions:
        """Decide the state of each version, highest first, until the serving policy is content."""
        before = self._view.models.get(name, {})
        serve = _policy(sources[max(sources)])
        return chosen_versions(
            sorted(sources, reverse=True),
            serve=serve,
            state_of=lambda version: self._state(sources[version], before.get(version)),
            before=before,
        )

    def _state(self, source: Source, before: VersionState | None) -> VersionState:
        if source.problem:
            return VersionState("failed", diagnosis=source.problem)
        sidecar, sidecar_problem = _sidecar(source)
        fingerprint = self._fingerprint(source)
        if fingerprint is None:
            return _keep_serving(before, VersionState("building", step="waiting until the file is copied"))
        found = self._built(source, fingerprint)
        if isinstance(found, VersionState):
            return _keep_serving(before, found)
        try:
            problem = sidecar_problem or self._prove(found, source, fingerprint, sidecar)
        except BrokenModelError:
            return _keep_serving(before, self._built_again(source, fingerprint))
        if problem:
            return _keep_serving(before, VersionState("failed", fingerprint, diagnosis=problem))
        self._store.mark_used(source.name, fingerprint)
        return VersionState("live", fingerprint, sidecar)

    def _fingerprint(self, source: Source) -> str | None:
        """Return the fingerprint of a file that stood still over two looks, or has a bundle already at the first."""
        is_stable = self._stamps.get(source.path) == source.stamp
        if not is_stable and not self._first:
            return None
        fingerprint = self._hashed(source)
        is_known = fingerprint is not None and self._store.find(source.name, fingerprint) is not None
        return fingerprint if is_stable or is_known else None

    def _hashed(self, source: Source) -> str | None:
        key = (source.path, source.stamp)
        try:
            if key not in self._hashes:
                self._hashes[key] = fingerprint_of(sha256_of(source.path))
            return self._hashes[key] if stamp_of(source.path) == source.stamp else None
        except OSError:
            return None

    def _built(self, source: Source, fingerprint: str) -> Bundle | VersionState:
        bundle = self._store.find(source.name, fingerprint)
        if bundle is not None:
            return bundle
        diagnosis = self._builds.diagnosis(source.name, fingerprint)
        if diagnosis is not None:
            return VersionState("failed", fingerprint, diagnosis=diagnosis)
        step = self._builds.request(source, fingerprint)
        return VersionState("building", fingerprint, step=step)

    def _built_again(self, source: Source, fingerprint: str) -> VersionState:
        log.warning("the bundle of %s version %d is damaged; building it again", source.name, source.version)
        self._store.discard(source.name, fingerprint)
        return VersionState("building", fingerprint, step=self._builds.request(source, fingerprint))

    def _prove(self, bundle: Bundle, source: Source, fingerprint: str, sidecar: dict[str, Any]) -> str | None:
        """Return why a bundle cannot go live with this sidecar, or None; each pair is tried once.

        Raises BrokenModelError where the bundle itself is damaged.
        """
        key = (f"{source.name}/{source.version}/{fingerprint}", repr(sidecar))
        if key not in self._proved:
            self._proved[key] = _problem_of(bundle, source.version, fingerprint, sidecar)
        return self._proved[key]

    def _judged(self, models: dict[str, _Versions], warnings: list[str]) -> LiveView:
        awaited = self._awaited(models)
        return LiveView(
            models=models,
            ready=self._view.ready or not awaited,
            awaited=tuple(awaited),
            warnings=tuple(warnings),
        )

    def _awaited(self, models: dict[str, _Versions]) -> list[str]:
        """Return the models present at start (or named by the rule) that lack a live version."""
        live = {name for name, versions in models.items() if _has_live(versions)}
        if self._ready_rule == "any":
            return [] if live or not models else sorted(models)
        if self._ready_rule != "all":
            return sorted(set(filter(None, map(str.strip, self._ready_rule.split(",")))) - live)
        if self._first:
            return sorted(set(models) - live)
        return [name for name in self._view.awaited if name not in live and name in models]

    def _prune(self) -> None:
        if time.monotonic() - self._last_prune < _PRUNE_SECONDS and self._last_prune:
            return
        self._last_prune = time.monotonic()
        for path in self._store.prune(days=self._prune_days):
            log.info("pruned %s/%s, unused for %g days", path.parent.name, path.name, self._prune_days)


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _has_live(versions: _Versions) -> bool:
    return any(state.state == "live" for state in versions.values())


def _policy(source: Source) -> Any:
    try:
        return parse_sidecar(read_sidecar(source)).serve
    except SidecarError:
        return "latest"


def _sidecar(source: Source) -> tuple[dict[str, Any], str | None]:
    try:
        return read_sidecar(source), None
    except SidecarError as error:
        return {}, error.message


def _keep_serving(before: VersionState | None, found: VersionState) -> VersionState:
    """Return the version as it was where it is live (with the new diagnosis beside it), else as it was found."""
    if before is None or before.state != "live":
        return found
    return VersionState("live", before.fingerprint, before.sidecar, diagnosis=found.diagnosis, step=found.step)


def _problem_of(bundle: Bundle, version: int, fingerprint: str, sidecar: dict[str, Any]) -> str | None:
    try:
        load_model(bundle, parse_sidecar(sidecar), version, fingerprint)
    except BrokenModelError:
        raise
    except ConvoyError as error:
        return error.message
    return None


def _log_changes(old: LiveView, new: LiveView) -> None:
    for warning in set(new.warnings) - set(old.warnings):
        log.warning("%s", warning)
    for name, versions in new.models.items():
        for version, state in versions.items():
            before = old.models.get(name, {}).get(version)
            if before is None or (before.state, before.fingerprint, before.diagnosis) != (
                state.state,
                state.fingerprint,
                state.diagnosis,
            ):
                level = logging.WARNING if state.diagnosis else logging.INFO
                log.log(level, "%s version %d: %s%s", name, version, state.state, _because(state))
    for name in set(old.models) - set(new.models):
        log.info("%s: removed", name)


def _because(state: VersionState) -> str:
    return f" ({state.diagnosis})" if state.diagnosis else ""


class WatchLoop:
    """Runs the watcher in a thread of the worker that holds the lock; the others wait for it to become free."""

    def __init__(self, make_watcher: Callable[[], Watcher], *, lock_dir: Path, poll_seconds: float) -> None:
        self._make = make_watcher
        self._lock_path = lock_dir / LOCK_FILE
        self._poll = poll_seconds
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._watcher: Watcher | None = None
        self._descriptor = -1
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)

    def start(self) -> None:
        """Take the first look at once where this worker gets the lock; then go on in a thread."""
        if self._is_watcher():
            self._look()
        self._thread.start()

    def wake(self) -> None:
        """Have the next look taken now: a build has ended."""
        self._wake.set()

    def stop(self) -> None:
        """End the thread and let another worker watch."""
        self._stopping.set()
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5)
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._wake.wait(self._poll)
            self._wake.clear()
            if not self._stopping.is_set() and self._is_watcher():
                self._look()

    def _look(self) -> None:
        try:
            if self._watcher is None:
                self._watcher = self._make()
            self._watcher.look()
        except Exception:
            log.exception("a look at the models folder failed")

    def _is_watcher(self) -> bool:
        if self._descriptor >= 0:
            return True
        descriptor = os.open(self._lock_path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True
