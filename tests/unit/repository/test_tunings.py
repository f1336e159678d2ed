"""Tuning tables: kept beside the bundles, one for each bundle and machine."""

import os
import time
from pathlib import Path

import pytest

from service.model.tuning import Timing, Tuning
from service.repository import tunings
from service.repository.bundles import Bundle, BundleStore
from service.repository.tunings import TuningStore
from tests.fakes import add_bundle

TABLE = Tuning((Timing("litert", 1, 1, 0.05, 0.04),), versions={"litert": "2.3.0"})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def bundle(cache: Path) -> Bundle:
    return add_bundle(BundleStore(cache), "ab-5")


def store(cache: Path, **engines: str) -> TuningStore:
    return TuningStore(cache, engines=engines or {"litert": "2.3.0"})


def test_a_table_is_found_again(cache: Path, bundle: Bundle) -> None:
    assert store(cache).find(bundle) is None
    store(cache).write(bundle, TABLE)

    assert store(cache).find(bundle) == TABLE


def test_a_new_table_takes_the_place_of_the_old_one(cache: Path, bundle: Bundle) -> None:
    held = store(cache)
    held.write(bundle, TABLE)
    assert held.find(bundle) == TABLE
    held.write(bundle, Tuning(()))

    assert held.find(bundle) == Tuning(())


@pytest.mark.parametrize("change", ["cpu_name", "usable_cores"])
def test_a_table_belongs_to_its_machine(
    cache: Path, bundle: Bundle, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(cache).write(bundle, TABLE)
    monkeypatch.setattr(tunings, change, lambda: 77)

    assert store(cache).find(bundle) is None


def test_a_table_belongs_to_the_versions_of_the_engines(cache: Path, bundle: Bundle) -> None:
    store(cache).write(bundle, TABLE)

    assert store(cache, litert="9.9").find(bundle) is None
    assert store(cache, litert="2.3.0", openvino="1").find(bundle) is None


@pytest.mark.parametrize("text", [b"", b"[]", b"{}", b'{"timings": 3}', b'{"timings": [{"x": 1}], "left_out": {}}'])
def test_a_damaged_table_is_none(cache: Path, bundle: Bundle, text: bytes) -> None:
    held = store(cache)
    held.path(bundle).write_bytes(text)

    assert held.find(bundle) is None


def test_tables_are_pruned_with_what_nobody_uses(cache: Path, bundle: Bundle) -> None:
    held, bundles = store(cache), BundleStore(cache)
    held.write(bundle, TABLE)
    path, old = held.path(bundle), time.time() - 100 * 86_400
    os.utime(path, (old, old))

    assert bundles.prune(days=30, in_use=["ab-5"]) == []
    assert bundles.prune(days=30) == [path]
    assert not path.exists()
