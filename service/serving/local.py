"""Owns using a model without a server: find it, build it if need be, load it, in this process."""

import time
from collections.abc import Callable
from pathlib import Path

from service.builder.process import BuildLimits, Progress, build_bundle
from service.errors import BuilderBusyError, ModelError, UnknownModelError
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.saved import is_program_folder, is_saved_model, sha256_of
from service.repository.sidecar import parse_sidecar, read_sidecar
from service.repository.sources import Source, find_sources
from service.serving.live_model import LiveModel, load_model

_PAUSE = 0.5


def source_of(target: str, models_dir: Path) -> Source:
    """Return the source that a file's path, or the name of a model in `models_dir`, stands for.

    A name may carry a version: `mnist/2`. Raises UnknownModelError, or ModelError for a source that clashes.
    """
    path = Path(target)
    is_one = (path.is_file() and is_saved_model(path)) or is_program_folder(path)
    found = find_sources(path) if is_one else _named(target, models_dir)
    if not found:
        known = ", ".join(sorted({one.name for one in _all(models_dir)})) or "none"
        raise UnknownModelError(f"{target!r} is no saved model file and no model of {models_dir} (known: {known}).")
    source = max(found, key=lambda one: one.version)
    if source.problem:
        raise ModelError(source.problem)
    return source


def _all(models_dir: Path) -> list[Source]:
    return find_sources(models_dir) if models_dir.exists() else []


def _named(target: str, models_dir: Path) -> list[Source]:
    name, _, version = target.partition("/")
    return [one for one in _all(models_dir) if one.name == name and version in ("", str(one.version))]


def bundle_of(
    source: Source, store: BundleStore, limits: BuildLimits, progress: Progress, *, trusted: Path | None = None
) -> tuple[Bundle, str]:
    """Return the bundle of a source and its fingerprint, built now where there is none yet.

    `trusted` is a Python file of the user's own layers, which a build may run. A bundle that was built with such a file
    is then built anew: the file may have changed.
    """
    fingerprint = fingerprint_of(sha256_of(source.saved))
    bundle = store.find(source.name, fingerprint)
    if bundle is not None and trusted is not None and bundle.facts.source.trusted_code is not None:
        store.shun(bundle)
        bundle = None
    if bundle is None:
        bundle = _when_free(
            lambda: build_bundle(source, fingerprint, store=store, limits=limits, progress=progress, trusted=trusted),
            progress,
        )
    return bundle, fingerprint


def _when_free(build: Callable[[], Bundle], progress: Progress) -> Bundle:
    """Return what `build` gives, once no other builder is at work on the cache."""
    is_told = False
    while True:
        try:
            return build()
        except BuilderBusyError:
            if not is_told:
                progress("waiting for another builder on this cache")
            is_told = True
            time.sleep(_PAUSE)


def open_model(
    source: Source, *, store: BundleStore, limits: BuildLimits, progress: Progress, trusted: Path | None = None
) -> LiveModel:
    """Build a source if need be, and load it; raises ModelError or BuildInterruptedError. See `bundle_of`."""
    bundle, fingerprint = bundle_of(source, store, limits, progress, trusted=trusted)
    return load_model(bundle, parse_sidecar(read_sidecar(source)), source.version, fingerprint)
