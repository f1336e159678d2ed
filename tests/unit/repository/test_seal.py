"""Bundles that are not as they were built, and graphs that are written to while an engine maps them."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from service.errors import BrokenModelError
from service.repository.bundles import BundleStore
from service.repository.seal import SUMS, GraphSeal
from tests.fakes import add_bundle

FILES = ["bundle.json", "model.tflite", "probes.npz", SUMS]


def flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def test_a_bundle_as_it_was_built_is_sealed(tmp_path: Path) -> None:
    assert not add_bundle(BundleStore(tmp_path), "ab-1").seal().is_broken()


@pytest.mark.parametrize("damage", [flipped, cut, Path.unlink], ids=["one bit", "cut short", "gone"])
@pytest.mark.parametrize("name", FILES)
def test_damage_to_any_file_of_a_bundle_is_seen(tmp_path: Path, name: str, damage: Callable[[Path], None]) -> None:
    bundle = add_bundle(BundleStore(tmp_path), "ab-1")
    damage(bundle.path / name)
    with pytest.raises(BrokenModelError, match="built again"):
        bundle.seal()


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "model.tflite"
    path.write_bytes(b"graph")
    return path


def test_a_graph_that_was_written_to_breaks_the_seal_for_good(graph: Path) -> None:
    seal, before = GraphSeal(graph), graph.stat()
    graph.write_bytes(b"other")
    os.utime(graph, ns=(0, before.st_mtime_ns + 1))
    assert seal.is_broken()
    graph.write_bytes(b"graph")
    os.utime(graph, ns=(0, before.st_mtime_ns))
    assert seal.is_broken()


def test_a_graph_that_is_gone_or_replaced_leaves_the_seal_whole(graph: Path) -> None:
    seal = GraphSeal(graph)
    other = graph.with_suffix(".new")
    other.write_bytes(b"another")
    other.replace(graph)
    assert not seal.is_broken()
    graph.unlink()
    assert not seal.is_broken()
