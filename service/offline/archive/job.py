"""Owns what a job is: everything that its answers depend on, kept beside its parts so that it can be gone on with."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import service
from service.files import replace_file
from service.image.decode import ImageLimits
from service.offline.archive.errors import ArchiveError
from service.offline.archive.listing import Listed

JOB = "_job.json"
_FORMAT = 1
_WORDS = {
    "folder": "pictures",
    "pattern": "pattern",
    "model": "model",
    "version": "model's version",
    "fingerprint": "model file (fingerprint)",
    "sidecar": "model.toml or labels",
    "top_k": "--top-k",
    "probabilities": "--probabilities",
    "output": "form of output",
    "is_joined": "--join",
    "limits": "limits on images",
    "convoy": "release of Convoy",
    "form": "form of job",
}
_TOO_LONG_TO_SHOW = ("sidecar", "limits", "form")


@dataclass(frozen=True, slots=True)
class Asking:
    """What was asked: the same asking gives the same answers. `sidecar` is what `read_sidecar` gives."""

    folder: str
    pattern: str | None
    model: str
    version: int
    fingerprint: str
    sidecar: Mapping[str, Any]
    top_k: int
    probabilities: bool
    output: str
    is_joined: bool
    limits: Mapping[str, int]
    convoy: str = service.__version__
    form: int = _FORMAT

    @property
    def image_limits(self) -> ImageLimits:
        """Return the limits on one encoded image."""
        return ImageLimits(**self.limits)

    def differences(self, other: "Asking") -> list[str]:
        """Return in words what another asking has otherwise."""
        mine, others = asdict(self), asdict(other)
        return [_difference(name, mine[name], others[name]) for name in mine if mine[name] != others[name]]


def _difference(name: str, mine: Any, other: Any) -> str:
    word = _WORDS[name]
    if name in _TOO_LONG_TO_SHOW:
        return f"another {word}"
    return f"{word} {_shown(mine)}, now {_shown(other)}"


def _shown(value: Any) -> str:
    text = "none" if value is None else str(value)
    return text if len(text) <= 60 else text[:16] + "…"


@dataclass(frozen=True, slots=True)
class Job:
    """A job: what was asked, the listing it is about, and how many files were passed over, by suffix."""

    asking: Asking
    listed: Listed
    passed_over: Mapping[str, int]

    def write(self, folder: Path) -> None:
        """Keep the job in its folder; it has begun when this is there."""
        body = {"asking": asdict(self.asking), "listed": self.listed.to_json(), "passed_over": dict(self.passed_over)}
        replace_file(folder / JOB, json.dumps(body, indent=1).encode(), mode=0o644)


def read_job(folder: Path) -> Job | None:
    """Return the job in a folder, None where none was begun; raises ArchiveError where it cannot be read."""
    try:
        body = json.loads((folder / JOB).read_text("utf-8"))
        return Job(Asking(**body["asking"]), Listed(**body["listed"]), body["passed_over"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ArchiveError(
            f"{folder / JOB} cannot be read ({error}), so the job in {folder.name} cannot be gone on with. Delete that "
            "folder to begin anew, or name another --out."
        ) from error
