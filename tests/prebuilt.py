"""Builds bundles in the test's own process, which imports TensorFlow once."""

from pathlib import Path

from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.sources import find_sources, sha256_of


def prebuild(models: Path, cache: Path) -> None:
    """Build every saved file of a models folder into a cache, as the builder's child process would."""
    from service.builder.build import build

    store = BundleStore(cache)
    for source in find_sources(models):
        fingerprint = fingerprint_of(sha256_of(source.path))
        with store.staging(source.name) as staged:
            build(
                source.path,
                staged,
                name=source.name,
                version=source.version,
                fingerprint=fingerprint,
                progress=lambda step: None,
            )
            store.add(staged, source.name, fingerprint)
