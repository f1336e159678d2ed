"""Owns keeping `live.json` in step with the models folder: finds sources, and decides which versions are live."""

import logging
import time
from pathlib import Path

from service.model.sidecar import ServePolicy
from service.repository.bundles import BundleStore
from service.repository.sources import Source, find_sources
from service.serving.appraisal import Appraiser, policy_of
from service.serving.builds import Builds
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.policy import chosen_versions

log = logging.getLogger(__name__)

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
        self._appraiser = Appraiser(store, builds)
        self._policies: dict[str, tuple[ServePolicy, tuple[int, ...]]] = {}

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
        models = {name: self._guarded(name, versions) for name, versions in by_name.items()}
        self._appraiser.remember(sources)
        self._builds.keep_only({(source.name, source.version) for source in sources})
        return {name: versions for name, versions in models.items() if versions}

    def _guarded(self, name: str, sources: dict[int, Source]) -> _Versions:
        """Return the versions of one model; trouble with it leaves it as it was, and the others alone."""
        before = self._view.models.get(name, {})
        if before and any(source.is_unreadable for source in sources.values()):
            return before
        try:
            return self._versions(name, sources, before)
        except Exception:
            log.exception("looking at %s failed; it stays as it was", name)
            return before

    def _versions(self, name: str, sources: dict[int, Source], before: _Versions) -> _Versions:
        """Decide the state of each version, highest first, until the serving policy is content."""
        serve, labelled = self._policy(name, sources[max(sources)], before)
        chosen = chosen_versions(
            sorted(sources, reverse=True),
            serve=serve,
            labelled=labelled,
            state_of=lambda version: self._appraiser.state(
                sources[version], before.get(version), is_first_look=self._first
            ),
            before=before,
        )
        return chosen or _none_on_disk(serve, sources)

    def _policy(self, name: str, source: Source, before: _Versions) -> tuple[ServePolicy, tuple[int, ...]]:
        """Return the policy; a sidecar that cannot be read leaves the one before in force."""
        found = policy_of(source)
        if found is None:
            live = tuple(version for version, state in before.items() if state.state == "live")
            return self._policies.get(name, (live or "latest", ()))
        self._policies[name] = found
        return found

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
        states = [state for versions in self._view.models.values() for state in versions.values()]
        in_use = {state.fingerprint for state in states if state.fingerprint}
        for path in self._store.prune(days=self._prune_days, in_use=in_use):
            log.info("pruned %s/%s, unused for %g days", path.parent.name, path.name, self._prune_days)


def _none_on_disk(serve: ServePolicy, sources: dict[int, Source]) -> _Versions:
    listed = ", ".join(map(str, sorted(sources)))
    diagnosis = f"[versions] serve = {list(serve)} names no version that is there; there is {listed}."
    return {max(sources): VersionState("failed", diagnosis=diagnosis)}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return (status.st_dev, status.st_ino)


def _has_live(versions: _Versions) -> bool:
    return any(state.state == "live" for state in versions.values())


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
