"""Builds bundles in the test's own process, which imports TensorFlow once."""

from dataclasses import replace
from pathlib import Path

from service.builder.order import BuildOrder
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources


def prebuild(models: Path, cache: Path) -> None:
    """Build every saved file of a models folder into a cache, as the builder's child process would."""
    store = BundleStore(cache)
    for source in find_sources(models):
        prebuild_source(source, store)


def prebuild_source(source: Source, store: BundleStore) -> None:
    """Build one source into a store, with the first loader that takes it; raises ModelError where none does."""
    fingerprint = fingerprint_of(sha256_of(source.saved))
    if store.find(source.name, fingerprint):
        return
    order = BuildOrder(
        saved=source.saved,
        staged=Path(),
        name=source.name,
        version=source.version,
        fingerprint=fingerprint,
        memory=0,
    )
    from service.builder.load import NextLoader

    try:
        _build(order, store)
    except NextLoader as refusal:
        _build(replace(order, loader="tf_keras", tried=refusal.reason), store)


def _build(order: BuildOrder, store: BundleStore) -> None:
    from service.builder.build import build

    with store.staging(order.name) as staged:
        build(replace(order, staged=staged), progress=lambda step: None)
        store.add(staged, order.name, order.fingerprint)
