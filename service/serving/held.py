"""Owns what each worker of a server says that it holds: a small file of its own in the runtime folder.

`live.json` says what shall be live; these files say what is loaded, worker by worker. A worker that ends removes its
file; that of one which was killed is passed over.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.repository.stamp import Stamp
from service.serving.live import ModelKey
from service.serving.shared_file import SharedFile

_FOLDER = "held"


@dataclass(frozen=True, slots=True)
class Worker:
    """One worker: its process id, and the fingerprint of each model that it has loaded."""

    pid: int
    held: Mapping[ModelKey, str]


class HeldModels:
    """Says what this worker holds, and reads what all of them say."""

    def __init__(self, runtime_dir: Path) -> None:
        self._folder = runtime_dir / _FOLDER
        self._said: dict[ModelKey, str] | None = None
        self._own: SharedFile | None = None
        self._stamp: Stamp | None = None

    def say(self, held: Mapping[ModelKey, str]) -> None:
        """Say what this worker holds now; raises OSError where the file cannot be written."""
        if held == self._said and not self.is_lost():
            return
        pid, born = os.getpid(), _born(os.getpid())
        models = [[name, version, fingerprint] for (name, version), fingerprint in sorted(held.items())]
        # The name is this process's alone, so that whoever removes what a dead one left never removes another's.
        self._own = SharedFile(self._folder / f"{pid}-{born}.json")
        self._stamp = self._own.write({"pid": pid, "born": born, "models": models})
        self._said = dict(held)

    def is_lost(self) -> bool:
        """Return whether what this worker said was tidied away, or changed by somebody else."""
        return self._own is not None and self._own.stamp() != self._stamp

    def workers(self) -> list[Worker]:
        """Return what every living worker says, by process id."""
        return sorted(self._living(), key=lambda one: one.pid)

    def remove(self) -> None:
        """Take back what this worker said: it ends."""
        if self._own:
            self._own.remove()

    def _living(self) -> Iterator[Worker]:
        for path in self._folder.glob("*.json"):
            said = SharedFile(path).read()
            if said is None:
                continue
            if _born(said["pid"]) == said["born"]:
                yield Worker(said["pid"], _held(said["models"]))
            else:
                path.unlink(missing_ok=True)


def holders(workers: Iterable[Worker], key: ModelKey, fingerprint: str | None) -> list[int]:
    """Return the process ids of the workers that hold this very build of a model's version."""
    return [one.pid for one in workers if fingerprint is not None and one.held.get(key) == fingerprint]


def _held(models: Iterable[tuple[str, int, str]]) -> dict[ModelKey, str]:
    return {(name, version): fingerprint for name, version, fingerprint in models}


def _born(pid: int) -> str:
    """Return what tells a living process from a later one of the same number; "" where it has ended.

    Where there is no /proc, that it lives is all that can be told.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return "" if Path("/proc/self/stat").exists() else _lives(pid)
    state, started = status[0], status[19]
    return "" if state in "ZX" else started


def _lives(pid: int) -> str:
    try:
        os.kill(pid, 0)
    except OSError:
        return ""
    return "alive"
