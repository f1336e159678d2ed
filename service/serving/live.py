"""Owns `live.json`: what is live, as the watcher says it and every worker of one server reads it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from service.model.tuning import Choice
from service.repository.stamp import Stamp
from service.serving.shared_file import SharedFile

ModelKey = tuple[str, int]
"""A model's name and version."""
State = Literal["building", "live", "failed", "unloaded"]
LIVE_FILE = "live.json"


@dataclass(frozen=True, slots=True)
class VersionState:
    """One version: its state, its bundle, the sidecar it is served with, and the diagnosis where it failed.

    `choice` says how every worker runs it: its tuning table is read in one place alone.
    """

    state: State
    fingerprint: str | None = None
    sidecar: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: str | None = None
    step: str | None = None
    choice: Choice | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "state": self.state,
            "fingerprint": self.fingerprint,
            "sidecar": dict(self.sidecar),
            "diagnosis": self.diagnosis,
            "step": self.step,
            "choice": self.choice and self.choice.to_json(),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "VersionState":
        """Read what `to_json` wrote."""
        choice = data["choice"]
        return cls(**{**data, "choice": choice and Choice(**choice)})


@dataclass(frozen=True, slots=True)
class LiveView:
    """Everything the workers share: versions by model name, and whether the server has become ready.

    `awaited` are the models that were there at start and still lack a live version. `labels` say by model name which
    version each label stands for.
    """

    models: Mapping[str, dict[int, VersionState]] = field(default_factory=dict)
    ready: bool = False
    awaited: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    labels: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def live_versions(self, name: str) -> list[int]:
        """Return the live versions of a model, highest first."""
        versions = self.models.get(name, {})
        return sorted((one for one, state in versions.items() if state.state == "live"), reverse=True)

    def labels_of(self, name: str, version: int) -> list[str]:
        """Return the labels of a version, sorted."""
        return sorted(label for label, number in self.labels.get(name, {}).items() if number == version)

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
            "labels": {name: dict(labels) for name, labels in self.labels.items()},
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "LiveView":
        """Read what `to_json` wrote."""
        models = {
            name: {int(version): VersionState.from_json(state) for version, state in versions.items()}
            for name, versions in data["models"].items()
        }
        return cls(models, data["ready"], tuple(data["awaited"]), tuple(data["warnings"]), data["labels"])


class LiveFile:
    """Reads and replaces the one file in the runtime folder."""

    def __init__(self, runtime_dir: Path) -> None:
        self._file = SharedFile(runtime_dir / LIVE_FILE)

    def stamp(self) -> Stamp | None:
        """Return what changes whenever the file is replaced; None where there is none yet."""
        return self._file.stamp()

    def read(self) -> LiveView | None:
        """Return the view; None where the watcher has written none yet, or the file is damaged."""
        data = self._file.read()
        try:
            return None if data is None else LiveView.from_json(data)
        except (AttributeError, KeyError, TypeError, ValueError):
            return None

    def remove(self) -> None:
        """Remove the view, if there is one."""
        self._file.remove()

    def write(self, view: LiveView) -> Stamp:
        """Replace the view; return the stamp of the new one."""
        return self._file.write(view.to_json())
