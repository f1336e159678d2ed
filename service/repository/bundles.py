"""Owns the bundle store: built models at `<store>/<name>/<fingerprint>/`, written whole or not at all.

What a bundle holds is `service.repository.bundle_files`'. A read-only store, where there is one, is looked up before
the writable cache.
"""

import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import service
from service.errors import BrokenModelError, BuildInterruptedError
from service.model.description import Description
from service.repository.bundle_files import FACTS, GRAPH, INSIGHT, NEEDED, Probes, files_of, read_probes
from service.repository.seal import GraphSeal, wrong_sums
from service.repository.stamp import Stamp, stamp_of

BUNDLE_FORMAT = 5
_STAGING = ".staging-"
_BUILT = re.compile(r"[0-9a-f]+-\d+(\.diagnosis\.json|\.[0-9a-f]+\.tuning\.json)?")
_DIAGNOSIS = ".diagnosis.json"
_HOUR = 3_600.0
_DAY = 24 * _HOUR

log = logging.getLogger(__name__)


def fingerprint_of(source_sha256: str) -> str:
    """Return the name of the bundle built from a source with this SHA-256."""
    return f"{source_sha256}-{BUNDLE_FORMAT}"


@dataclass(frozen=True, slots=True)
class Bundle:
    """A built model on disk."""

    path: Path
    facts: Description
    stamp: tuple[Stamp, ...]
    """Those of its files."""

    @property
    def graph(self) -> Path:
        """Return the exported graph's file."""
        return self.path / GRAPH

    @property
    def insight_graph(self) -> Path:
        """Return the second graph's file, which is there unless `facts.insight` says why it is missing."""
        return self.path / INSIGHT

    def seal(self) -> GraphSeal:
        """Check every file against its sum; return what tells from now on whether the graph was written to.

        Raises BrokenModelError where a file is not as it was built.
        """
        try:
            graph = GraphSeal(self.graph)
            wrong = wrong_sums(self.path, files_of(self.facts))
        except OSError as error:
            raise BrokenModelError("The bundle's files cannot be read; it will be built again.") from error
        if wrong:
            raise BrokenModelError(f"The bundle is not as it was built ({', '.join(wrong)}); it will be built again.")
        return graph

    def insight_seal(self) -> GraphSeal:
        """Return what tells from now on whether the second graph was written to.

        Raises BrokenModelError where it is not as it was built.
        """
        try:
            graph = GraphSeal(self.insight_graph)
            is_wrong = not self.is_untouched() and wrong_sums(self.path, [INSIGHT])
        except OSError as error:
            raise BrokenModelError("The second graph of the model cannot be read.") from error
        if is_wrong:
            raise BrokenModelError("The second graph of the model is not as it was built.")
        return graph

    def is_untouched(self) -> bool:
        """Return whether every file is still the very one that was there when the bundle was found."""
        return _stamp(self.path) == self.stamp

    def probes(self) -> Probes:
        """Return the stored probes; raises BrokenModelError where they cannot be read."""
        return read_probes(self.path)


class BundleStore:
    """Finds, adds and prunes bundles."""

    def __init__(self, cache_dir: Path, *, read_only: Path | None = None) -> None:
        self._cache = cache_dir
        self._read_only = read_only
        self._read: dict[Path, Bundle] = {}
        self._shunned: dict[Path, tuple[Stamp, ...]] = {}

    @property
    def build_lock(self) -> Path:
        """Return the file whose lock a builder holds; one build at a time on one cache."""
        return self._cache / ".build.lock"

    def find(self, name: str, fingerprint: str) -> Bundle | None:
        """Return the bundle, or None where there is none that can be read."""
        for store in filter(None, (self._read_only, self._cache)):
            bundle = self._usable(store / name / fingerprint)
            if bundle is not None:
                return bundle
        return None

    def shun(self, bundle: Bundle) -> None:
        """Have `find` pass over a damaged bundle for as long as its files stay as they are."""
        self._shunned[bundle.path] = bundle.stamp

    def _usable(self, path: Path) -> Bundle | None:
        stamp = _stamp(path)
        if stamp is None or self._shunned.get(path) == stamp:
            return None
        held = self._read.get(path)
        if held is None or held.stamp != stamp:
            held = _read(path, stamp)
        if held is not None:
            self._read[path] = held
        return held

    @contextmanager
    def staging(self, name: str) -> Iterator[Path]:
        """Yield an empty folder to build in; it is gone afterwards unless `add` took it.

        Raises BuildInterruptedError where the cache cannot be written.
        """
        try:
            (self._cache / name).mkdir(parents=True, exist_ok=True)
            folder = Path(tempfile.mkdtemp(prefix=_STAGING, dir=self._cache / name))
        except OSError as error:
            raise BuildInterruptedError(f"The cache folder cannot be written: {error.strerror}.") from error
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def add(self, staged: Path, name: str, fingerprint: str) -> Bundle:
        """Move a finished staging folder into its place by rename, replacing one that could not be read."""
        target = self._cache / name / fingerprint
        if self._usable(target) is None:
            shutil.rmtree(target, ignore_errors=True)
            try:
                staged.chmod(0o755)
                staged.rename(target)
            except OSError as error:
                raise BuildInterruptedError(f"The bundle could not be put in place: {error.strerror}.") from error
        bundle = self._usable(target)
        if bundle is None:
            raise BuildInterruptedError("The bundle that was just built cannot be read back.")
        return bundle

    def diagnosis(self, name: str, fingerprint: str) -> str | None:
        """Return why this very file could not be built by this version of Convoy, if that is known."""
        try:
            data = json.loads((self._cache / name / f"{fingerprint}{_DIAGNOSIS}").read_text("utf-8"))
            return str(data["diagnosis"]) if data["convoy"] == service.__version__ else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def remember_diagnosis(self, name: str, fingerprint: str, diagnosis: str) -> None:
        """Keep a diagnosis, so that the same file is not built in vain after a restart."""
        data = {"diagnosis": diagnosis, "convoy": service.__version__}
        try:
            path = self._cache / name / f"{fingerprint}{_DIAGNOSIS}"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(data), encoding="utf-8")
        except OSError as error:
            log.warning("cannot keep a diagnosis of %s: %s", name, error.strerror)

    def mark_used(self, name: str, fingerprint: str) -> None:
        """Note that a bundle is in use, at most once an hour; pruning goes by that."""
        path = self._cache / name / fingerprint
        try:
            if time.time() - path.stat().st_mtime > _HOUR:
                os.utime(path)
        except OSError:
            return  # read-only, or in the read-only store: never pruned

    def sweep(self) -> None:
        """Delete what killed builds left; only whoever holds the build lock may call it."""
        for path in self._cache.glob(f"*/{_STAGING}*"):
            shutil.rmtree(path, ignore_errors=True)

    def prune(self, *, days: float, in_use: Collection[str] = ()) -> list[Path]:
        """Delete cached bundles, diagnoses and tuning tables, of any format, unused for `days`; return them.

        What belongs to a fingerprint that is `in_use` stays.
        """
        limit = time.time() - days * _DAY
        built = [path for path in self._cache.glob("*/*") if _BUILT.fullmatch(path.name)]
        old = [path for path in built if path.name.partition(".")[0] not in in_use and _last_used(path) < limit]
        for path in old:
            shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)
        return old


def _last_used(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except OSError:
        return time.time()


def _stamp(path: Path) -> tuple[Stamp, ...] | None:
    """Return the stamp of each file of a bundle; None where one is missing that every bundle has."""
    try:
        stamps = tuple(stamp_of(path / name) for name in NEEDED)
    except OSError:
        return None
    try:
        return (*stamps, stamp_of(path / INSIGHT))
    except OSError:
        return stamps


def _read(path: Path, stamp: tuple[Stamp, ...]) -> Bundle | None:
    try:
        facts = Description.from_json(json.loads((path / FACTS).read_text("utf-8")))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        log.warning("bundle %s cannot be read (%s); it will be built again", path.name, type(error).__name__)
        return None
    return Bundle(path, facts, stamp)
