"""Builds bundles in the test's own process, which imports TensorFlow once."""

from pathlib import Path

from service.builder.order import BuildOrder
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.sources import find_sources


def prebuild(models: Path, cache: Path) -> None:
    """Build every saved file of a models folder into a cache, as the builder's child process would."""
    from service.builder.build import build

    store = BundleStore(cache)
    for source in find_sources(models):
        fingerprint = fingerprint_of(sha256_of(source.saved))
        if store.find(source.name, fingerprint):
            continue
        with store.staging(source.name) as staged:
            order = BuildOrder(
                saved=source.saved,
                staged=staged,
                name=source.name,
                version=source.version,
                fingerprint=fingerprint,
                memory=0,
            )
            build(order, progress=lambda step: None)
            store.add(staged, source.name, fingerprint)
