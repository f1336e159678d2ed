"""A model is timed in the background once it is live, and run as its table says; nobody notices by the answers."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.engine.engines import installed_engines
from service.model.tuning import Timing, Tuning
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from service.repository.sources import find_sources
from service.repository.tunings import TuningStore
from tests.commands import Convoy
from tests.pictures import noise, npy
from tests.prebuilt import prebuild
from tests.servers import Server, serving_mnist, wait_for

pytest.importorskip("keras")

DIGITS = npy((noise(41, 28, 28) / 255).astype("float32"))


@pytest.fixture
def own_cache(tmp_path: Path, cache: Path, bundled_models: Path) -> Path:
    """A cache of one's own that holds the bundle of `mnist`, and no table."""
    models = tmp_path / "only"
    shutil.copytree(bundled_models / "mnist", models / "mnist")
    prebuild(models, cache)
    (name,) = [one.name for one in find_sources(models)]
    bundle = bundle_of(models, cache)
    shutil.copytree(bundle.path, tmp_path / "cache" / name / bundle.path.name)
    return tmp_path / "cache"


def bundle_of(models: Path, cache: Path) -> Bundle:
    (source,) = find_sources(models)
    found = BundleStore(cache).find(source.name, fingerprint_of(sha256_of(source.saved)))
    assert found is not None
    return found


def answers(server: Server) -> Any:
    return server.predict("mnist", DIGITS).json()["predictions"]


def batches(server: Server) -> list[int]:
    """Return the sizes of the batches that were run, as the statistics extension counts them."""
    stats = server.get("/v2/models/mnist/stats").json()["model_stats"][0]
    return [int(stats["inference_count"]), int(stats["execution_count"])]


def test_a_live_model_is_timed_and_swapped_without_a_change_of_its_answers(
    own_cache: Path, bundled_models: Path, tmp_path: Path
) -> None:
    settings = {"workers": 2, "poll_seconds": 0.2, "tune": 1}
    with serving_mnist(tmp_path / "first", bundled_models, own_cache, **settings) as server:
        before = answers(server)
        table = wait_for(lambda: list(own_cache.glob("mnist/*.tuning.json")), what="a tuning table")[0]
        wait_for(lambda: "timed mnist" in server.log, what="the choice")
        after = [answers(server) for _ in range(4)]

    assert after == [before] * 4
    assert {one["engine"] for one in json.loads(table.read_text())["timings"]} == {"litert"}


def test_bench_prints_the_table_and_a_server_goes_by_it(own_cache: Path, bundled_models: Path, tmp_path: Path) -> None:
    convoy = Convoy(own_cache, tmp_path)
    printed = convoy("bench", "mnist", "--models-dir", tmp_path / "only")
    assert printed.returncode == 0, printed.stderr
    assert "ms/example" in printed.stdout
    assert "profile throughput: litert, 1 thread" in printed.stdout
    held = json.loads(convoy("bench", "mnist", "--models-dir", tmp_path / "only", "--json").stdout)
    assert held["choices"]["throughput"]["threads"] == 1
    forge(own_cache, tmp_path / "only", ("litert", 1, 1, 2.0), ("litert", 1, 8, 1.0))

    with serving_mnist(tmp_path / "one", bundled_models, own_cache, workers=1) as server:
        assert len(answers(server)) == 41
        assert batches(server) == [41, 6]  # five of 8 and the rest


def test_the_card_says_which_engine_was_chosen(own_cache: Path, bundled_models: Path, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    with serving_mnist(tmp_path / "first", bundled_models, own_cache, workers=1) as server:
        before = answers(server)
    forge(own_cache, tmp_path / "only", ("litert", 1, 1, 9.0), ("openvino", 1, 1, 1.0))
    with serving_mnist(tmp_path / "second", bundled_models, own_cache, workers=1) as server:
        assert server.get("/api/models/mnist").json()["engine"] == "openvino"
        assert server.predict("mnist", DIGITS).json()["model"]["engine"] == "openvino"
        after = answers(server)

    assert [one["label"] for one in after] == [one["label"] for one in before]


def forge(cache: Path, models: Path, *timings: tuple[str, int, int, float]) -> None:
    """Put a table in place that says what a test wants to see."""
    store = TuningStore(cache, engines=installed_engines())
    store.write(bundle_of(models, cache), Tuning(tuple(Timing(*one, processor=one[3]) for one in timings), cores=1))


def test_latency_has_one_worker(serve: Callable[..., Server], models: Path) -> None:
    server = serve(models, profile="latency").wait_ready()

    assert len(server.workers()) == 1
