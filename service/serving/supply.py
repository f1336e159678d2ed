"""Owns keeping up with `models.lock` while a server runs: which saved files may be built and served now."""

from dataclasses import dataclass
from pathlib import Path

from service.errors import LockError
from service.repository.models_lock import ModelsLock, base_of, lock_path, read_lock
from service.repository.saved import Stamp, stamp_of
from service.repository.sources import Source

_WRITE_ANEW = "Where that is meant, write the lock anew: convoy lock."


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a file may not be served; `may_stay` says whether what is live in its place may go on."""

    diagnosis: str
    may_stay: bool


class Supply:
    """What the lock of a models folder allows; everything, where there is none."""

    def __init__(self, root: Path, *, path: Path | None = None) -> None:
        self._root = root
        self._given = path
        self._stamp: Stamp | None = None
        self._lock: ModelsLock | None = None
        self._fault: str | None = None
        self._problem: str | None = None
        self._wanted: dict[Path, tuple[Stamp, str | None]] = {}

    @property
    def is_locked(self) -> bool:
        """Return whether a lock was read."""
        return self._lock is not None

    def look(self) -> list[str]:
        """Catch up with the lock; return what is wrong with it, if anything is."""
        path = lock_path(self._root, self._given)
        try:
            self._catch_up(path, _stamp_of(path))
            self._problem = self._fault
        except LockError as error:
            self._problem = error.message
        return [self._told(self._problem)] if self._problem else []

    def refusal(self, source: Source, fingerprint: str | None = None, *, held: str | None) -> Refusal | None:
        """Return why a source may not be served, or None; without `fingerprint` only its place in the lock counts.

        `held` is the fingerprint of what is live in its place.
        """
        if self._problem:
            return Refusal(self._told(self._problem), may_stay=True)
        if self._lock is None:
            return None
        wanted = self._fingerprint(source, self._lock)
        if wanted is None:
            return Refusal(
                f"{_named(source)} is not in models.lock, so it is not served. {_WRITE_ANEW}", may_stay=False
            )
        if fingerprint in (None, wanted):
            return None
        return Refusal(
            f"{_named(source)} is not the one in models.lock: it has another SHA-256, so it is not served. Put the "
            f"file back that was locked. {_WRITE_ANEW}",
            may_stay=held == wanted,
        )

    def _catch_up(self, path: Path, stamp: Stamp | None) -> None:
        # A lock that is being replaced may be missing for a moment: nothing is unlocked by that.
        if stamp is None and (self._given or self._stamp):
            raise LockError(f"{path.name} is not there.")
        if stamp == self._stamp:
            return
        self._stamp, self._wanted = stamp, {}
        try:
            self._lock, self._fault = read_lock(path, base_of(self._root)), None
        except LockError as error:
            self._fault = error.message

    def _fingerprint(self, source: Source, lock: ModelsLock) -> str | None:
        """Return the fingerprint that a source must have, looked up once for each state of its files."""
        stamp, wanted = self._wanted.get(source.path, (None, None))
        if stamp != source.stamp:
            wanted = lock.fingerprint(source.saved)
            self._wanted[source.path] = (source.stamp, wanted)
        return wanted

    @staticmethod
    def _told(problem: str) -> str:
        return f"{problem} Nothing new is built or served until it is mended; what is live stays live."


def _stamp_of(path: Path) -> Stamp | None:
    try:
        return stamp_of(path)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise LockError(f"{path.name} cannot be read: {error.strerror}.") from error


def _named(source: Source) -> str:
    return f"{source.path.name} of version {source.version}"
