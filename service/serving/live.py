"""Owns `live.json`: what is live, as the watcher says it and every worker of one server reads it.

Replaced by rename, so that a reader sees one whole state or the other.
"""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["building", "live", "failed", "unloaded"]
LIVE_FILE = "live.json"


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version: its state, its bundle, the sidecar it is served with, and the diagnosis where it failed."""

    state: State
    fingerprint: str | None = None
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: str | None = None
    step: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "state": self.state,
            "fingerprint": self.fingerprint,
            "sidecar": dict(self.sidecar),
            "diagnosis": self.diagnosis,
            "step": self.step,
        }


@dataclass(frozen=True, slots=True)
class LiveView:
    """Everything the workers share: versions by model name, and whether the server has become ready.

    `awaited` are the models that were there at start and still lack a live version.
    """

    models: Mapping[str, dict[int, VersionState]] = field(default_factory=dict)
    ready: bool = False
    awaited: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()

    def live_versions(self, name: str) -> list[int]:
        """Return the live versions of a model, highest first."""
        versions = self.models.get(name, {})
        return sorted((one for one, state in versions.items() if state.state == "live"), reverse=True)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        models = {
            name: {str(version): state.to_json() for version, state in versions.items()}
            for name, versions in self.models.items()
        }
        return {
            "models": models,
            "ready": self.ready,
            "awaited": list(self.awaited),
            "warnings": list(self.warnings),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LiveView":
        """Read what `to_json` wrote."""
        models = {
            name: {int(version): VersionState(**state) for version, state in versions.items()}
            for name, versions in data["models"].items()
        }
        return cls(models, data["ready"], tuple(data["awaited"]), tuple(data["warnings"]))


class LiveFile:
    """Reads and replaces the one file in the runtime folder."""

    def __init__(self, runtime_dir: Path) -> None:
        self._path = runtime_dir / LIVE_FILE

    def stamp(self) -> tuple[int, int] | None:
        """Return what changes whenever the file is replaced; None where there is none yet."""
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return None
        return (status.st_ino, status.st_mtime_ns)

    def read(self) -> LiveView:
        """Return the view; an empty one where the watcher has written none yet."""
        try:
            return LiveView.from_json(json.loads(self._path.read_text("utf-8")))
        except FileNotFoundError:
            return LiveView()

    def remove(self) -> None:
        """Remove the view, if there is one."""
        self._path.unlink(missing_ok=True)

    def write(self, view: LiveView) -> None:
        """Replace the view."""
        descriptor, name = tempfile.mkstemp(dir=self._path.parent, prefix=".live-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(view.to_json(), file)
        Path(name).replace(self._path)
