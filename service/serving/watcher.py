"""Owns keeping `live.json` in step with the models folder: finds sources, and decides which versions are live."""

import errno
import logging
import time
from pathlib import Path

from service.image.decode import ImageLimits
from service.model.sidecar import VersionPolicy
from service.repository.bundles import BundleStore
from service.repository.sources import Source, find_sources
from service.serving.appraisal import Appraiser, policy_of
from service.serving.builds import Builds
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.policy import chosen_versions, label_warnings, none_listed, settled_labels, wanted_by_labels
from service.serving.supply import Supply
from service.serving.tuning import Tuner

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
        supply: Supply,
        limits: ImageLimits,
        tuner: Tuner | None = None,
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
        written = live_file.read()
        self._view = written or LiveView()
        self._before: dict[str, _Versions] = {}
        self._first = written is None
        self._stamp = live_file.stamp()
        self._root_identity = _identity(models_dir)
        self._is_folder = not models_dir.is_file()
        self._supply = supply
        self._appraiser = Appraiser(store, builds, supply=supply, limits=limits, tuner=tuner)
        self._policies: dict[str, VersionPolicy] = {}

    def look(self) -> None:
        """Take one look at the folder, start what builds it calls for, and write the view if it changed."""
        lock_problems = self._supply.look()
        self._before = self._not_revoked()
        sources, warnings = self._sources()
        with self._builds.gathering():
            models = self._models(sources) if sources is not None else self._before
        view = self._judged(models, [*lock_problems, *warnings])
        if view != self._view or self._file.stamp() != self._stamp or self._stamp is None:
            self._write(view)
        self._first = False
        self._prune()

    def _not_revoked(self) -> dict[str, _Versions]:
        """Return the states as they were; what is live and no longer in the lock has failed, whatever else stays."""
        return {
            name: {version: self._checked(name, state) for version, state in versions.items()}
            for name, versions in self._view.models.items()
        }

    def _checked(self, name: str, state: VersionState) -> VersionState:
        why = self._supply.revocation(name, state.fingerprint) if state.state == "live" else None
        return VersionState("failed", state.fingerprint, state.sidecar, diagnosis=why) if why else state

    def _write(self, view: LiveView) -> None:
        if self._file.stamp() != self._stamp:
            log.warning("live.json in the runtime folder was removed or changed by somebody else; it is written again")
        _log_changes(self._view, view)
        self._view = view
        self._stamp = None  # where it cannot be written, the next look tries again
        self._stamp = self._file.write(view)

    def _sources(self) -> tuple[list[Source] | None, list[str]]:
        """Return the sources, or None where the folder vanished or emptied at once: then everything stays."""
        try:
            sources = self._found()
        except OSError as error:
            return None, [f"The models folder cannot be read ({error.strerror}); what was live stays live."]
        if not sources and self._emptied_at_once():
            return None, ["The models folder is empty all at once; what was live stays live."]
        self._root_identity = _identity(self._root)
        return sources, [] if sources else ["The models folder holds no saved model; drop one into it."]

    def _found(self) -> list[Source]:
        if self._is_folder and not self._root.is_dir():
            self._root.stat()  # raises where it is gone
            raise NotADirectoryError(errno.ENOTDIR, "it is a file now")
        return find_sources(self._root)

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
        before = self._before.get(name, {})
        if before and any(source.is_unreadable for source in sources.values()):
            return before
        try:
            return self._versions(name, sources, before)
        except Exception:
            log.exception("looking at %s failed; it stays as it was", name)
            return before

    def _versions(self, name: str, sources: dict[int, Source], before: _Versions) -> _Versions:
        """Decide the state of each version, highest first, until the serving policy is content."""
        policy = self._policy(name, sources[max(sources)], before)
        versions = sorted(sources, reverse=True)
        chosen = chosen_versions(
            versions,
            serve=policy.serve,
            labelled=wanted_by_labels(policy.labels, self._view.labels.get(name, {})),
            state_of=lambda version: self._appraiser.state(
                sources[version], before.get(version), is_first_look=self._first
            ),
            before=before,
        )
        return chosen or none_listed(policy.serve, versions, before)

    def _policy(self, name: str, source: Source, before: _Versions) -> VersionPolicy:
        """Return the policy; a sidecar that cannot be read leaves the one before in force."""
        found = policy_of(source)
        if found is None:
            live = tuple(version for version, state in before.items() if state.state == "live")
            return self._policies.get(name) or VersionPolicy(live or "latest", self._view.labels.get(name, {}))
        self._policies[name] = found
        return found

    def _judged(self, models: dict[str, _Versions], warnings: list[str]) -> LiveView:
        awaited = self._awaited(models)
        labels, label_problems = self._labels(models)
        return LiveView(
            models=models,
            ready=self._view.ready or not awaited,
            awaited=tuple(awaited),
            warnings=(*warnings, *label_problems),
            labels=labels,
        )

    def _labels(self, models: dict[str, _Versions]) -> tuple[dict[str, dict[str, int]], list[str]]:
        """Return which version each label of each model stands for, and what to say of those that name none."""
        labels: dict[str, dict[str, int]] = {}
        warnings: list[str] = []
        for name, states in models.items():
            before = self._view.labels.get(name, {})
            wanted = self._policies[name].labels if name in self._policies else before
            labels[name] = settled_labels(wanted, before, states)
            warnings += label_warnings(name, wanted, labels[name], states)
        return {name: found for name, found in labels.items() if found}, warnings

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
        self._builds.sweep()
        states = [state for versions in self._view.models.values() for state in versions.values()]
        in_use = {state.fingerprint for state in states if state.fingerprint}
        for path in self._store.prune(days=self._prune_days, in_use=in_use):
            log.info("pruned %s/%s, unused for %g days", path.parent.name, path.name, self._prune_days)


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
            if before is None or _said_of(before) != _said_of(state):
                level = logging.WARNING if state.diagnosis else logging.INFO
                log.log(level, "%s version %d: %s%s", name, version, state.state, _because(state))
    for name in set(old.models) - set(new.models):
        log.info("%s: removed", name)


def _said_of(state: VersionState) -> tuple[str | None, ...]:
    """Return what is news where it changes; that a file being built was whole at last is none."""
    return state.state, state.diagnosis, None if state.state == "building" else state.fingerprint


def _because(state: VersionState) -> str:
    return f" ({state.diagnosis})" if state.diagnosis else ""
