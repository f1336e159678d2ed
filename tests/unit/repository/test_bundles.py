"""The bundle store: whole or not at all, read-only first, pruned by age."""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import service
from service.errors import BrokenModelError, BuildInterruptedError
from service.model.insight import Insight, LayerTap, without_insight
from service.repository.bundle_files import GRAPH, INSIGHT, Probes, add_insight, write_bundle
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from tests.fakes import add_bundle, describe, true_probes, write_graph

PRINT = "ab12-1"
DAY = 86_400


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "cache")


def age(path: Path, *, days: float) -> None:
    then = time.time() - days * DAY
    os.utime(path, (then, then))


# ---------------------------------------------------------------------------------------------- add and find


def test_a_fingerprint_is_the_hash_and_the_bundle_format() -> None:
    assert fingerprint_of("c0ffee") == "c0ffee-5"


def test_a_bundle_is_found_after_it_was_added(store: BundleStore) -> None:
    add_bundle(store, PRINT)
    found = store.find("brightest", PRINT)
    assert found is not None
    assert found.facts == describe()
    assert found.graph.is_file()


def test_a_bundle_lies_under_name_and_fingerprint(store: BundleStore, tmp_path: Path) -> None:
    assert add_bundle(store, PRINT).path == tmp_path / "cache" / "brightest" / PRINT


@pytest.mark.parametrize(("name", "fingerprint"), [("brightest", "other-1"), ("other", PRINT)])
def test_what_was_not_added_is_not_found(store: BundleStore, name: str, fingerprint: str) -> None:
    add_bundle(store, PRINT)
    assert store.find(name, fingerprint) is None


def test_probes_come_back_as_they_were_stored(store: BundleStore) -> None:
    stored, found = true_probes(), add_bundle(store, PRINT).probes()
    assert set(found.inputs) == {"pixels"}
    assert set(found.outputs) == {"corners"}
    np.testing.assert_array_equal(found.inputs["pixels"], stored.inputs["pixels"])
    np.testing.assert_array_equal(found.outputs["corners"], stored.outputs["corners"])


def test_probes_keep_apart_an_input_and_an_output_of_one_name(store: BundleStore) -> None:
    probes = Probes({"a/b": np.zeros((1, 2), np.uint8)}, {"a/b": np.ones((1, 3), np.float32)})
    found = add_bundle(store, PRINT, probes=probes).probes()
    assert (str(found.inputs["a/b"].dtype), found.outputs["a/b"].shape) == ("uint8", (1, 3))


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 half a file"], ids=["empty", "cut short"])
def test_probes_that_cannot_be_read_mean_a_broken_bundle(store: BundleStore, damage: bytes) -> None:
    bundle = add_bundle(store, PRINT)
    (bundle.path / "probes.npz").write_bytes(damage)
    with pytest.raises(BrokenModelError, match=r"^The bundle's probes cannot be read; it will be built again\.$"):
        bundle.probes()


def test_a_bundle_that_is_there_already_is_not_replaced(store: BundleStore) -> None:
    first = add_bundle(store, PRINT)
    inode = first.graph.stat().st_ino
    add_bundle(store, PRINT, beta=3.0)
    assert first.graph.stat().st_ino == inode


def test_a_bundle_can_be_read_by_other_users(store: BundleStore) -> None:
    assert add_bundle(store, PRINT).path.stat().st_mode & 0o055 == 0o055


def test_a_shunned_bundle_is_passed_over_until_its_files_change(store: BundleStore) -> None:
    bundle = add_bundle(store, PRINT)
    store.shun(bundle)
    assert store.find("brightest", PRINT) is None
    (bundle.path / "model.tflite").write_bytes(b"another graph")
    assert store.find("brightest", PRINT) is not None


def test_a_shunned_bundle_is_replaced_by_one_built_anew(store: BundleStore) -> None:
    store.shun(add_bundle(store, PRINT))
    add_bundle(store, PRINT)
    assert store.find("brightest", PRINT) is not None


# --------------------------------------------------------------------------------------- whole or not at all

DAMAGE = {
    "empty": b"",
    "cut short": json.dumps(describe().to_json()).encode()[:100],
    "not text": b"\xff\xfe\x00",
    "null": b"null",
    "a list": b"[]",
    "without layers": json.dumps({"name": "brightest"}).encode(),
    "inputs of another kind": json.dumps(describe().to_json() | {"inputs": 5}).encode(),
    "layers of another kind": json.dumps(describe().to_json() | {"layers": ["x"]}).encode(),
    "source of another kind": json.dumps(describe().to_json() | {"source": {"path": "x"}}).encode(),
    "nested too deeply": b"[" * 100_000,
}


@pytest.mark.parametrize("content", DAMAGE.values(), ids=DAMAGE)
def test_a_bundle_whose_facts_are_damaged_is_not_found(store: BundleStore, content: bytes) -> None:
    bundle = add_bundle(store, PRINT)
    (bundle.path / "bundle.json").write_bytes(content)
    assert store.find("brightest", PRINT) is None


@pytest.mark.parametrize("member", ["bundle.json", "model.tflite"])
def test_a_bundle_that_lacks_a_part_is_not_found(store: BundleStore, member: str) -> None:
    bundle = add_bundle(store, PRINT)
    (bundle.path / member).unlink()
    assert store.find("brightest", PRINT) is None


def test_a_damaged_bundle_is_replaced_by_the_next_one(store: BundleStore) -> None:
    bundle = add_bundle(store, PRINT)
    (bundle.path / "bundle.json").write_bytes(b"")
    add_bundle(store, PRINT)
    assert store.find("brightest", PRINT) is not None


def test_a_file_in_the_place_of_a_bundle_is_not_found(store: BundleStore, tmp_path: Path) -> None:
    (tmp_path / "cache" / "brightest").mkdir(parents=True)
    (tmp_path / "cache" / "brightest" / PRINT).write_text("no folder")
    assert store.find("brightest", PRINT) is None


def test_nothing_is_found_while_a_bundle_is_being_staged(store: BundleStore) -> None:
    with store.staging("brightest") as staged:
        write_bundle(staged, describe(), true_probes())
        assert store.find("brightest", PRINT) is None


def test_a_staging_folder_begins_empty(store: BundleStore) -> None:
    with store.staging("brightest") as staged:
        assert list(staged.iterdir()) == []


def test_a_staging_folder_is_gone_after_an_error(store: BundleStore, tmp_path: Path) -> None:
    def build() -> None:
        with store.staging("brightest") as staged:
            (staged / "half").write_text("done")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        build()
    assert list((tmp_path / "cache" / "brightest").iterdir()) == []


def test_a_staging_folder_nobody_added_is_gone(store: BundleStore) -> None:
    with store.staging("brightest") as staged:
        (staged / "half").write_text("done")
    assert not staged.exists()


def test_adding_a_bundle_leaves_nothing_else_behind(store: BundleStore, tmp_path: Path) -> None:
    add_bundle(store, PRINT)
    assert [path.name for path in (tmp_path / "cache" / "brightest").iterdir()] == [PRINT]


def test_an_unfinished_bundle_cannot_be_added(store: BundleStore) -> None:
    with store.staging("brightest") as staged:
        write_bundle(staged, describe(), true_probes())  # and no graph
        with pytest.raises(BuildInterruptedError, match=r"^The bundle that was just built cannot be read back\.$"):
            store.add(staged, "brightest", PRINT)
    assert store.find("brightest", PRINT) is None


def test_a_cache_that_cannot_be_written_interrupts_the_build(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with (
        pytest.raises(BuildInterruptedError, match=r"^The cache folder cannot be written: .+\.$"),
        BundleStore(tmp_path / "cache").staging("brightest"),
    ):
        pytest.fail("there is nothing to build in")


# ------------------------------------------------------------------------------------------ the read-only store


@pytest.fixture
def both(tmp_path: Path) -> BundleStore:
    """A store whose read-only part calls the model version 7, and its cache version 1."""
    add_bundle(BundleStore(tmp_path / "baked"), PRINT, facts=describe(version=7))
    add_bundle(BundleStore(tmp_path / "cache"), PRINT)
    return BundleStore(tmp_path / "cache", read_only=tmp_path / "baked")


def version_of(store: BundleStore) -> int | None:
    found = store.find("brightest", PRINT)
    return found.facts.version if found else None


def test_the_read_only_store_is_looked_up_first(both: BundleStore) -> None:
    assert version_of(both) == 7


@pytest.mark.parametrize("damage", ["missing", "damaged"])
def test_the_cache_is_looked_up_where_the_read_only_store_has_none(
    both: BundleStore, tmp_path: Path, damage: str
) -> None:
    facts = tmp_path / "baked" / "brightest" / PRINT / "bundle.json"
    facts.unlink() if damage == "missing" else facts.write_text("{")
    assert version_of(both) == 1


def test_the_cache_is_looked_up_where_the_read_only_bundle_is_shunned(both: BundleStore) -> None:
    bundle = both.find("brightest", PRINT)
    assert bundle is not None
    both.shun(bundle)
    assert version_of(both) == 1


def test_pruning_never_touches_the_read_only_store(both: BundleStore, tmp_path: Path) -> None:
    age(tmp_path / "baked" / "brightest" / PRINT, days=100)
    both.prune(days=1)
    assert version_of(both) == 7


def test_use_of_a_bundle_in_the_read_only_store_is_not_noted(both: BundleStore, tmp_path: Path) -> None:
    shutil.rmtree(tmp_path / "cache")
    both.mark_used("brightest", PRINT)
    assert not (tmp_path / "cache").exists()


# ------------------------------------------------------------------------------------------------------ pruning


def test_a_bundle_nobody_used_for_so_many_days_is_pruned(store: BundleStore) -> None:
    bundle = add_bundle(store, PRINT)
    age(bundle.path, days=31)
    assert store.prune(days=30) == [bundle.path]
    assert store.find("brightest", PRINT) is None


def test_a_bundle_in_use_is_kept(store: BundleStore) -> None:
    bundle = add_bundle(store, PRINT)
    age(bundle.path, days=29)
    assert store.prune(days=30) == []
    assert store.find("brightest", PRINT) is not None


def test_using_a_bundle_makes_it_young_again(store: BundleStore) -> None:
    bundle = add_bundle(store, PRINT)
    age(bundle.path, days=31)
    store.mark_used("brightest", PRINT)
    assert store.prune(days=30) == []


def test_a_bundle_of_an_older_format_is_pruned_like_any_other(store: BundleStore, tmp_path: Path) -> None:
    old = tmp_path / "cache" / "brightest" / "ab12-0"
    old.mkdir(parents=True)
    age(old, days=31)
    assert store.prune(days=30) == [old]


def test_what_killed_builds_left_is_swept_and_bundles_stay(store: BundleStore, tmp_path: Path) -> None:
    bundle = add_bundle(store, PRINT)
    left = tmp_path / "cache/brightest/.staging-left"
    left.mkdir()
    (left / "model.keras").touch()
    store.sweep()
    assert not left.exists()
    assert bundle.path.is_dir()


def test_an_old_diagnosis_is_pruned(store: BundleStore, tmp_path: Path) -> None:
    store.remember_diagnosis("brightest", PRINT, "No.")
    (file,) = (tmp_path / "cache" / "brightest").iterdir()
    age(file, days=31)
    assert store.prune(days=30) == [file]
    assert store.diagnosis("brightest", PRINT) is None


def test_files_that_are_not_convoys_are_never_pruned(store: BundleStore, tmp_path: Path) -> None:
    mine = tmp_path / "cache" / "brightest" / "notes"
    mine.mkdir(parents=True)
    age(mine, days=1000)
    assert store.prune(days=1) == []


def test_a_cache_that_is_not_there_has_nothing_to_prune(store: BundleStore) -> None:
    assert store.prune(days=30) == []


# ---------------------------------------------------------------------------------------------------- diagnoses


def test_a_diagnosis_is_remembered_by_the_next_store_on_the_same_cache(store: BundleStore, tmp_path: Path) -> None:
    store.remember_diagnosis("brightest", PRINT, "It holds a Lambda.")
    assert BundleStore(tmp_path / "cache").diagnosis("brightest", PRINT) == "It holds a Lambda."


@pytest.mark.parametrize(("name", "fingerprint"), [("brightest", "other-1"), ("other", PRINT)])
def test_a_diagnosis_is_of_one_file_alone(store: BundleStore, name: str, fingerprint: str) -> None:
    store.remember_diagnosis("brightest", PRINT, "It holds a Lambda.")
    assert store.diagnosis(name, fingerprint) is None


def test_a_diagnosis_of_another_version_of_convoy_does_not_count(
    store: BundleStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.remember_diagnosis("brightest", PRINT, "It holds a Lambda.")
    monkeypatch.setattr(service, "__version__", "99.0.0")
    assert store.diagnosis("brightest", PRINT) is None


@pytest.mark.parametrize("content", ["", "[]", "{}", "null", "\x00"])
def test_a_damaged_diagnosis_does_not_count(store: BundleStore, tmp_path: Path, content: str) -> None:
    store.remember_diagnosis("brightest", PRINT, "It holds a Lambda.")
    (file,) = (tmp_path / "cache" / "brightest").iterdir()
    file.write_text(content)
    assert store.diagnosis("brightest", PRINT) is None


def test_a_diagnosis_that_cannot_be_kept_is_logged_and_no_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    BundleStore(tmp_path / "cache").remember_diagnosis("brightest", PRINT, "It holds a Lambda.")
    assert "cannot keep a diagnosis of brightest" in caplog.text


def test_the_facts_of_a_bundle_are_plain_json(store: BundleStore) -> None:
    facts = replace(describe(), name="shown")
    bundle = add_bundle(store, PRINT, facts=facts)
    stored = json.loads((bundle.path / "bundle.json").read_text("utf-8"))
    assert stored["source"] == facts.source.to_json()
    assert stored["inputs"][0]["spec"]["shape"] == [None, 2, 2, 1]


# ---------------------------------------------------------------------------------------------- the second graph


def with_insight(store: BundleStore, insight: Insight) -> Bundle:
    with store.staging("brightest") as staged:
        write_graph(staged / GRAPH)
        write_bundle(staged, describe(), true_probes())
        write_graph(staged / INSIGHT)
        add_insight(staged, insight)
        return store.add(staged, "brightest", PRINT)


def test_a_second_graph_is_sealed_with_the_rest(store: BundleStore) -> None:
    bundle = with_insight(store, Insight(taps=(LayerTap("flatten"),)))
    bundle.seal()
    assert not bundle.insight_seal().is_broken()

    bundle.insight_graph.write_bytes(b"another")

    with pytest.raises(BrokenModelError, match=r"insight\.tflite"):
        bundle.seal()
    with pytest.raises(BrokenModelError, match="second graph"):
        bundle.insight_seal()


def test_what_is_left_of_a_second_graph_that_was_not_finished_is_deleted(store: BundleStore) -> None:
    bundle = with_insight(store, without_insight("Memory ran out."))
    bundle.seal()
    assert bundle.facts.insight.missing == "Memory ran out."
    assert not bundle.insight_graph.exists()


def test_a_second_graph_that_is_gone_shows(store: BundleStore) -> None:
    bundle = with_insight(store, Insight(taps=(LayerTap("flatten"),)))
    bundle.insight_graph.unlink()

    assert not bundle.is_untouched()
    with pytest.raises(BrokenModelError):
        bundle.seal()
