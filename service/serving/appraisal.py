"""Owns the state of one version: is its file whole, is it built, can its bundle and its sidecar go live?"""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

from service.errors import BrokenModelError, ConvoyError, SidecarError
from service.image.decode import ImageLimits
from service.model.sidecar import VersionPolicy
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.golden import GoldenFolder, find_golden
from service.repository.saved import sha256_of
from service.repository.sidecar import parse_sidecar, read_model_toml, read_sidecar
from service.repository.sources import Source
from service.repository.stamp import Stamp
from service.serving.builds import Builds
from service.serving.golden import replayed
from service.serving.live import VersionState
from service.serving.live_model import LiveModel, load_model
from service.serving.supply import Refusal, Supply
from service.serving.tuning import Tuner

log = logging.getLogger(__name__)

_Proof = tuple[str, int, str, tuple[Stamp, ...], str, GoldenFolder | None]


class Appraiser:
    """Says of each source what it is worth; remembers hashes and proofs, so that a steady look costs little."""

    def __init__(
        self,
        store: BundleStore,
        builds: Builds,
        *,
        supply: Supply,
        limits: ImageLimits,
        tuner: Tuner | None = None,
    ) -> None:
        self._store = store
        self._builds = builds
        self._supply = supply
        self._limits = limits
        self._tuner = tuner
        self._stamps: dict[Path, Stamp] = {}
        self._hashes: dict[tuple[Path, Stamp], str] = {}
        self._golden: dict[Path, GoldenFolder | None] = {}
        self._proved: dict[_Proof, str | None] = {}
        self._rebuilt: set[tuple[str, str]] = set()

    def state(self, source: Source, before: VersionState | None, *, is_first_look: bool) -> VersionState:
        """Return the state of one version; what was live before stays live where its successor is not ready."""
        if source.problem:
            return VersionState("failed", diagnosis=source.problem)
        sidecar, sidecar_problem = _sidecar(source)
        golden, is_golden_whole = self._golden_of(source, is_first_look=is_first_look)
        held = before.fingerprint if before else None
        refusal = self._supply.refusal(source, held=held)  # what is not in the lock is not even read
        fingerprint = None if refusal else self._fingerprint(source, is_first_look=is_first_look)
        refusal = refusal or self._supply.refusal(source, fingerprint, held=held)
        if refusal:
            failed = VersionState("failed", fingerprint, sidecar, diagnosis=refusal.diagnosis)
            return self._refused(refusal, before, failed)
        if fingerprint is None or not is_golden_whole:
            return _keep_serving(before, VersionState("building", None, sidecar, step="waiting until it is copied"))
        found = self._built(source, fingerprint, sidecar)
        if isinstance(found, VersionState):
            return _keep_serving(before, found)
        try:
            problem = sidecar_problem or self._prove(found, source, fingerprint, sidecar, golden)
        except BrokenModelError:
            return _keep_serving(before, self._built_again(found, source, fingerprint, sidecar))
        if problem:
            return _keep_serving(before, VersionState("failed", fingerprint, sidecar, diagnosis=problem))
        self._rebuilt.discard((source.name, fingerprint))  # damaged again in a year, it is built again
        self._store.mark_used(source.name, fingerprint)
        choice = self._tuner.choice(found) if self._tuner else None
        return VersionState("live", fingerprint, sidecar, choice=choice)

    def _refused(self, refusal: Refusal, before: VersionState | None, failed: VersionState) -> VersionState:
        if self._supply.is_changing:
            waiting = VersionState("building", None, failed.sidecar, step="waiting until models.lock is written")
            return _keep_serving(before, waiting)
        return _keep_serving(before, failed) if refusal.may_stay else failed

    def remember(self, sources: list[Source]) -> None:
        """Note how the files looked, to tell at the next look whether they stood still; forget those that went."""
        self._stamps = {source.path: source.stamp for source in sources}
        self._hashes = {key: self._hashes[key] for key in self._stamps.items() if key in self._hashes}
        self._golden = {path: self._golden[path] for path in self._stamps if path in self._golden}
        known = {(source.name, source.version) for source in sources}
        self._proved = {proof: problem for proof, problem in self._proved.items() if proof[:2] in known}

    def _golden_of(self, source: Source, *, is_first_look: bool) -> tuple[GoldenFolder | None, bool]:
        """Return the golden samples of a source, and whether they stood still since the look before."""
        found, before = find_golden(source), self._golden.get(source.path)
        self._golden[source.path] = found
        return found, found is None or is_first_look or found == before

    def _fingerprint(self, source: Source, *, is_first_look: bool) -> str | None:
        """Return the fingerprint of a file that stood still over two looks, or has a bundle already at the first."""
        is_stable = self._stamps.get(source.path) == source.stamp
        if not is_stable and not is_first_look:
            return None
        fingerprint = self._hashed(source)
        if is_stable or fingerprint is None:
            return fingerprint
        return fingerprint if self._store.find(source.name, fingerprint) else None

    def _hashed(self, source: Source) -> str | None:
        key = (source.path, source.stamp)
        try:
            if key not in self._hashes:
                self._hashes[key] = fingerprint_of(sha256_of(source.saved))
            return self._hashes[key] if source.saved.stamp() == source.stamp else None
        except OSError:
            return None

    def _built(self, source: Source, fingerprint: str, sidecar: dict[str, Any]) -> Bundle | VersionState:
        bundle = self._store.find(source.name, fingerprint)
        if bundle is not None:
            return bundle
        diagnosis = self._builds.diagnosis(source.name, fingerprint)
        if diagnosis is not None:
            return VersionState("failed", fingerprint, sidecar, diagnosis=diagnosis)
        return VersionState("building", fingerprint, sidecar, step=self._builds.request(source, fingerprint))

    def _built_again(self, bundle: Bundle, source: Source, fingerprint: str, sidecar: dict[str, Any]) -> VersionState:
        self._store.shun(bundle)
        if (source.name, fingerprint) in self._rebuilt:
            diagnosis = "The bundle built from this file cannot be loaded, not even after it was built again."
            return VersionState("failed", fingerprint, sidecar, diagnosis=diagnosis)
        log.warning("the bundle of %s version %d is damaged; building it again", source.name, source.version)
        self._rebuilt.add((source.name, fingerprint))
        return VersionState("building", fingerprint, sidecar, step=self._builds.request(source, fingerprint))

    def _prove(
        self, bundle: Bundle, source: Source, fingerprint: str, sidecar: dict[str, Any], golden: GoldenFolder | None
    ) -> str | None:
        """Return why a bundle cannot go live with this sidecar and these golden samples, or None; tried once.

        Raises BrokenModelError where the bundle itself is damaged.
        """
        proof = (source.name, source.version, fingerprint, bundle.stamp, repr(sidecar), golden)
        if proof not in self._proved:
            self._proved[proof] = _problem_of(
                bundle, source.version, fingerprint, sidecar, golden=golden, limits=self._limits
            )
        return self._proved[proof]


def policy_of(source: Source) -> VersionPolicy | None:
    """Return which versions a model's sidecar wants served and labels; None where it cannot be read."""
    try:
        return parse_sidecar(read_model_toml(source)).versions
    except SidecarError:
        return None


def _sidecar(source: Source) -> tuple[dict[str, Any], str | None]:
    try:
        return read_sidecar(source), None
    except SidecarError as error:
        return {}, error.message


def _keep_serving(before: VersionState | None, found: VersionState) -> VersionState:
    """Return the version as it was where it is live (with the new diagnosis beside it), else as it was found."""
    if before is None or before.state != "live":
        return found
    return replace(before, diagnosis=found.diagnosis, step=found.step)


def _problem_of(
    bundle: Bundle,
    version: int,
    fingerprint: str,
    sidecar: dict[str, Any],
    *,
    golden: GoldenFolder | None,
    limits: ImageLimits,
) -> str | None:
    try:
        model = load_model(bundle, parse_sidecar(sidecar), version, fingerprint)
    except BrokenModelError:
        raise
    except ConvoyError as error:
        return error.message
    except Exception as error:
        log.exception("a bundle cannot be loaded")
        raise BrokenModelError("The bundle cannot be loaded.") from error
    return None if golden is None else _problem_with(model, golden, limits)


def _problem_with(model: LiveModel, golden: GoldenFolder, limits: ImageLimits) -> str | None:
    try:
        return replayed(model, golden, limits=limits).problem
    except Exception:
        log.exception("golden samples cannot be replayed")
        return "The golden samples could not be replayed; the server's log says why."
