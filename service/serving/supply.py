"""Owns keeping up with `models.lock` while a server runs: which saved files may be built and served now."""

from dataclasses import dataclass
from pathlib import Path

from service.errors import LockError
from service.repository.models_lock import ModelsLock, base_of, lock_path, read_lock
from service.repository.sources import Source
from service.repository.stamp import Stamp, stamp_if_there

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
        self._seen: Stamp | None = None
        self._is_first_look = True
        self._stamp: Stamp | None = None
        self._lock: ModelsLock | None = None
        self._buildable: set[tuple[str, str]] = set()
        self._fault: str | None = None
        self._problem: str | None = None
        self._wanted: dict[Path, tuple[Stamp, str | None]] = {}

    @property
    def is_locked(self) -> bool:
        """Return whether a lock was read."""
        return self._lock is not None

    @property
    def is_changing(self) -> bool:
        """Return whether the lock changed and has not stood still yet: what is refused may be in the new one."""
        return self._seen != self._stamp

    def look(self) -> list[str]:
        """Catch up with the lock; return what is wrong with it, if anything is."""
        path = lock_path(self._root, self._given)
        try:
            if self._is_settled(path, stamp := _stamp_of(path)):
                self._catch_up(path, stamp)
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

    def revocation(self, name: str, fingerprint: str | None) -> str | None:
        """Return why what is live may not go on, or None; its files are not looked at, they may be gone by now."""
        if self._problem or self._lock is None or self._is_buildable(name, fingerprint):
            return None
        return f"What it was built from is no longer in models.lock, so it is not served. {_WRITE_ANEW}"

    def _is_buildable(self, name: str, fingerprint: str | None) -> bool:
        if base_of(self._root) != self._root:  # one saved model is served, whatever its folder is called
            return fingerprint in {one for _, one in self._buildable}
        return (name, fingerprint) in self._buildable

    def _is_settled(self, path: Path, stamp: Stamp | None) -> bool:
        """Return whether the lock stood still over two looks: one that is half written may end at the end of a line."""
        is_first_look, self._is_first_look = self._is_first_look, False
        # A lock that is being replaced may be missing for a moment: nothing is unlocked by that.
        if stamp is None and (self._given or self._stamp):
            raise LockError(f"{path.name} is not there.")
        seen, self._seen = self._seen, stamp
        return is_first_look or stamp == seen

    def _catch_up(self, path: Path, stamp: Stamp | None) -> None:
        if stamp == self._stamp:
            return
        lock, fault = self._lock, None
        try:
            lock = read_lock(path, base_of(self._root))
        except LockError as error:
            fault = error.message
        if _stamp_of(path) != stamp:
            return  # it was written to while it was read
        self._stamp, self._wanted = stamp, {}
        self._lock, self._fault = lock, fault
        self._buildable = lock.buildable() if lock else set()

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
        return stamp_if_there(path)
    except OSError as error:
        raise LockError(f"{path.name} cannot be read: {error.strerror}.") from error


def _named(source: Source) -> str:
    return f"{source.path.name} of version {source.version}"
