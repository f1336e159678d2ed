"""Builds bundles in the test's own process, which imports TensorFlow once."""

from dataclasses import replace
from pathlib import Path

from service.builder.order import BuildOrder
from service.repository.bundle_files import INSIGHT, add_insight
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.sources import Source, find_sources


def prebuild(models: Path, cache: Path, *, insight: bool = True) -> None:
    """Build every saved file of a models folder into a cache, as the builder's child process would.

    Without `insight` no second graph is built, which takes as long as the first.
    """
    store = BundleStore(cache)
    for source in find_sources(models):
        prebuild_source(source, store, insight=insight)


def prebuild_source(source: Source, store: BundleStore, *, insight: bool = True) -> None:
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
        _build(order, store, insight=insight)
    except NextLoader as refusal:
        _build(replace(order, loader="tf_keras", tried=refusal.reason), store, insight=insight)


def _build(order: BuildOrder, store: BundleStore, *, insight: bool) -> None:
    from service.builder.build import build
    from service.builder.insight import look_inside

    with store.staging(order.name) as staged:
        built = build(replace(order, staged=staged), progress=lambda step: None)
        if insight:
            graph = staged / INSIGHT
            add_insight(staged, look_inside(built.program, built.facts, graph, progress=lambda step: None))
        store.add(staged, order.name, order.fingerprint)
