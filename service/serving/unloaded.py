"""Owns which models an administrator has unloaded: one file in the runtime folder, read by every worker.

An unload stays until a load, whatever happens to the model's files; it ends with the server.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from service.repository.stamp import Stamp
from service.serving.live import LiveView, VersionState
from service.serving.shared_file import SharedFile

_FILE = "unloaded.json"
_LOCK = "unloaded.lock"


class UnloadedModels:
    """The names of the models that are not to be served though they could be."""

    def __init__(self, runtime_dir: Path) -> None:
        self._file = SharedFile(runtime_dir / _FILE)
        self._lock = runtime_dir / _LOCK

    def stamp(self) -> Stamp | None:
        """Return what changes whenever the file is replaced; None where nothing was ever unloaded."""
        return self._file.stamp()

    def names(self) -> frozenset[str]:
        """Return the names as they are now."""
        return frozenset(self._file.read() or ())

    def remove(self) -> None:
        """Forget every unload."""
        self._file.remove()

    def unload(self, name: str) -> None:
        """Have a model no longer served."""
        with self._locked():
            self._file.write(sorted(self.names() | {name}))

    def load(self, name: str) -> None:
        """Have a model served again."""
        with self._locked():
            self._file.write(sorted(self.names() - {name}))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with self._lock.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def without(view: LiveView, names: frozenset[str]) -> LiveView:
    """Return `view` with every version of the models of these names unloaded."""
    if not names:
        return view
    models = {
        name: {version: _unloaded(state) for version, state in versions.items()} if name in names else versions
        for name, versions in view.models.items()
    }
    return replace(view, models=models)


def _unloaded(state: VersionState) -> VersionState:
    return replace(state, state="unloaded", step=None)
