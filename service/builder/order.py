"""Owns the build order: what the parent's side tells the child, and back again through one argument of JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

from service.repository.saved import Saved

Loader = Literal["keras", "tf_keras"]
_PATHS = ("staged", "trusted")


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildOrder:
    """One build: what to load, where to put the bundle, within how many bytes of memory.

    `loader` is the step of the ladder the child is at, and `tried` what the steps before it said. `trusted` is a Python
    file of the user's own layers that may be run, None where nothing may.
    """

    saved: Saved
    staged: Path
    name: str
    version: int
    fingerprint: str
    memory: int
    loader: Loader = "keras"
    tried: str = ""
    trusted: Path | None = None

    def to_json(self) -> str:
        """Return the order as one line of JSON."""
        return json.dumps(asdict(self), default=str)

    @classmethod
    def from_json(cls, text: str) -> "BuildOrder":
        """Read what `to_json` wrote."""
        data: dict[str, Any] = json.loads(text)
        saved = {key: _path(value) for key, value in data.pop("saved").items()}
        paths = {name: _path(data.pop(name)) for name in _PATHS}
        return cls(saved=Saved(**saved), **paths, **data)


def _path(text: str | None) -> Any:
    return None if text is None else Path(text)
