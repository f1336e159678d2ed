"""The live models of one worker, with real bundles of a tiny model and no TensorFlow."""

import gc
import shutil
import threading
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.engine import litert
from service.engine.litert import LiteRtEngine
from service.errors import BrokenModelError, ModelFailedError, ModelNotReadyError, UnknownModelError
from service.model.sidecar import Sidecar
from service.repository.bundle_files import Probes
from service.repository.bundles import BundleStore
from service.serving import live_model
from service.serving import registry as registry_module
from service.serving.absence import RETRY_SECONDS
from service.serving.held import HeldModels
from service.serving.live import LIVE_FILE, LiveFile, LiveView, VersionState
from service.serving.live_model import LiveModel, load_model
from service.serving.registry import Registry
from tests.fakes import FakeClock, add_bundle, describe, softmax, true_probes, write_graph

LABELS = ["top left", "top right", "bottom left", "bottom right"]
PICTURE = np.array([[0.5, 0.0, 1.0, 0.25]], np.float32)
BUILDING = VersionState("building", step="exporting")
FAILED = VersionState("failed", "bad-1", diagnosis="It holds a Lambda.")


class Worker:
    """A registry, the store it loads from, and the watcher's hand on `live.json`."""

    def __init__(self, folder: Path) -> None:
        self.store = BundleStore(folder / "cache")
        self.registry = Registry(LiveFile(folder), self.store, held=HeldModels(folder))
        self._file = LiveFile(folder)

    def build(self, fingerprint: str, *, name: str = "brightest", beta: float = 1.0, probes: Any = None) -> None:
        add_bundle(self.store, fingerprint, facts=describe(name), beta=beta, probes=probes)

    def watcher_says(
        self, *, name: str = "brightest", labels: dict[str, int] | None = None, **versions: VersionState
    ) -> None:
        states = {int(key[1:]): state for key, state in versions.items()}
        self._file.write(LiveView({name: states}, ready=True, labels={name: labels or {}}))

    def go_live(self, fingerprint: str = "one-1", **sidecar: Any) -> LiveModel:
        """Build a version 1 and have it served."""
        self.build(fingerprint)
        self.watcher_says(v1=live(fingerprint, **sidecar))
        return self.registry.get("brightest")


@pytest.fixture
def worker(tmp_path: Path) -> Worker:
    return Worker(tmp_path)


def live(fingerprint: str, **sidecar: Any) -> VersionState:
    return VersionState("live", fingerprint, sidecar)


def corners(model: LiveModel) -> Any:
    outputs, _ = model.run({"pixels": PICTURE.reshape(1, 2, 2, 1)}, deadline=time.monotonic() + 10)
    return outputs["corners"]


# ----------------------------------------------------------------------------------------------- loading


def test_a_live_model_answers_with_the_numbers_of_its_bundle(worker: Worker) -> None:
    np.testing.assert_allclose(corners(worker.go_live()), softmax(PICTURE), rtol=1e-5)


def test_its_card_joins_the_bundle_with_the_sidecar(worker: Worker) -> None:
    card = worker.go_live(labels=LABELS, description="Corners").card
    assert (card.name, card.version, card.fingerprint, card.engine) == ("brightest", 1, "one-1", "litert")
    assert card.outputs[0].labels == tuple(LABELS)
    assert card.sidecar.description == "Corners"


def test_the_version_is_the_one_the_watcher_says_whatever_the_bundle_was_built_as(worker: Worker) -> None:
    worker.build("one-1")
    worker.watcher_says(v7=live("one-1"))
    assert worker.registry.get("brightest", 7).card.version == 7


def test_latest_is_the_highest_live_version(worker: Worker) -> None:
    for fingerprint in ("two-1", "ten-1"):
        worker.build(fingerprint)
    worker.watcher_says(v11=BUILDING, v10=live("ten-1"), v2=live("two-1"))
    assert worker.registry.get("brightest").card.version == 10
    assert [one.card.version for one in worker.registry.loaded("brightest")] == [10, 2]


def test_an_older_live_version_can_be_asked_for(worker: Worker) -> None:
    for fingerprint in ("one-1", "two-1"):
        worker.build(fingerprint)
    worker.watcher_says(v2=live("two-1"), v1=live("one-1"))
    assert worker.registry.get("brightest", 1).card.fingerprint == "one-1"


def test_a_label_of_the_sidecar_stands_for_a_version(worker: Worker) -> None:
    for fingerprint in ("one-1", "two-1"):
        worker.build(fingerprint)
    worker.watcher_says(v2=live("two-1"), v1=live("one-1"), labels={"stable": 1, "canary": 2})
    assert worker.registry.get("brightest", "stable").card.version == 1
    assert worker.registry.get("brightest", "canary").card.version == 2


def test_nothing_is_loaded_before_it_is_live(worker: Worker) -> None:
    worker.registry.refresh()
    assert worker.registry.loaded("brightest") == []
    assert not worker.registry.view.ready


def test_the_view_is_what_the_watcher_wrote_last(worker: Worker) -> None:
    worker.watcher_says(v1=BUILDING)
    worker.registry.refresh()
    assert worker.registry.view == LiveView({"brightest": {1: BUILDING}}, ready=True, labels={"brightest": {}})


def test_a_model_is_loaded_once(worker: Worker) -> None:
    assert worker.go_live() is worker.registry.get("brightest")


def test_what_this_worker_holds_is_said_again_where_it_was_tidied_away(worker: Worker, tmp_path: Path) -> None:
    worker.go_live()
    said = worker.registry.workers()
    shutil.rmtree(tmp_path / "held")
    assert worker.registry.workers() == []
    worker.registry.refresh()
    assert worker.registry.workers() == said != []


# ------------------------------------------------------------------------------------------ while another one loads


class SlowLoad:
    """Holds up the load of every model until it is let go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.has_begun = threading.Event()
        self.may_go_on = threading.Event()
        monkeypatch.setattr(registry_module, "load_model", self)

    def __call__(self, *args: Any) -> LiveModel:
        self.has_begun.set()
        assert self.may_go_on.wait(20)
        return load_model(*args)


@pytest.fixture
def slow(worker: Worker, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlowLoad]:
    """A thread is loading version 2 of `brightest`; version 1 is live, version 3 building, version 4 failed."""
    worker.go_live()
    worker.build("two-1")
    load = SlowLoad(monkeypatch)
    worker.watcher_says(v4=FAILED, v3=BUILDING, v2=live("two-1"), v1=live("one-1"))
    thread = threading.Thread(target=worker.registry.refresh)
    thread.start()
    assert load.has_begun.wait(20)
    yield load
    load.may_go_on.set()
    thread.join(20)


@pytest.mark.parametrize(
    ("name", "version", "error"),
    [
        ("nobody", "latest", UnknownModelError),
        ("brightest", 9, UnknownModelError),
        ("brightest", "nightly", UnknownModelError),
        ("brightest", 3, ModelNotReadyError),
        ("brightest", 4, ModelFailedError),
    ],
)
def test_a_load_holds_up_nobody_who_asks_for_another_model(
    worker: Worker,
    slow: SlowLoad,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    version: int | str,
    error: type[Exception],
) -> None:
    monkeypatch.setattr(registry_module, "LOAD_SECONDS", 60.0)  # longer than the load is held up
    with pytest.raises(error):
        worker.registry.get(name, version)
    assert not slow.may_go_on.is_set()
    assert worker.registry.get("brightest").card.version == 1


def test_who_asks_for_the_one_that_is_loaded_waits_for_it(worker: Worker, slow: SlowLoad) -> None:
    threading.Timer(0.05, slow.may_go_on.set).start()
    assert worker.registry.get("brightest", 2).card.version == 2


def test_who_asks_for_the_one_that_is_loaded_waits_only_so_long(
    worker: Worker, slow: SlowLoad, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(registry_module, "LOAD_SECONDS", 0.01)
    with pytest.raises(ModelNotReadyError) as caught:
        worker.registry.get("brightest", 2)
    assert caught.value.retry_after == RETRY_SECONDS
    assert not slow.may_go_on.is_set()


# ------------------------------------------------------------------------------------------ swap and unload


def test_a_new_bundle_takes_the_place_of_the_old_one(worker: Worker) -> None:
    worker.go_live()
    worker.build("new-1", beta=3.0, probes=true_probes(beta=3.0))
    worker.watcher_says(v1=live("new-1"))
    worker.registry.refresh()
    np.testing.assert_allclose(corners(worker.registry.get("brightest")), softmax(PICTURE, beta=3.0), rtol=1e-5)


def test_a_request_that_holds_the_old_model_is_still_answered_by_it(worker: Worker) -> None:
    old = worker.go_live()
    worker.build("new-1", beta=3.0, probes=true_probes(beta=3.0))
    worker.watcher_says(v1=live("new-1"))
    worker.registry.refresh()
    np.testing.assert_allclose(corners(old), softmax(PICTURE), rtol=1e-5)


def test_the_old_model_is_let_go_of_once_nobody_holds_it(worker: Worker) -> None:
    engine = weakref.ref(worker.go_live().engine)
    worker.watcher_says(v1=BUILDING)
    worker.registry.refresh()
    gc.collect()
    assert engine() is None


def test_another_sidecar_is_live_without_loading_the_model_again(worker: Worker) -> None:
    before = worker.go_live()
    worker.watcher_says(v1=live("one-1", labels=LABELS))
    worker.registry.refresh()
    after = worker.registry.get("brightest")
    assert after.card.outputs[0].labels == tuple(LABELS)
    assert (after.engine, after.lock) == (before.engine, before.lock)


def test_a_model_that_is_not_touched_stays_the_same_object(worker: Worker) -> None:
    before = worker.go_live()
    worker.build("two-1")
    worker.watcher_says(v2=live("two-1"), v1=live("one-1"))
    worker.registry.refresh()
    assert worker.registry.get("brightest", 1) is before


def test_a_version_that_is_gone_is_unloaded(worker: Worker) -> None:
    worker.go_live()
    worker.watcher_says(v2=BUILDING)
    worker.registry.refresh()
    assert worker.registry.loaded("brightest") == []


# ---------------------------------------------------------------------------------------- what cannot be loaded


@pytest.mark.parametrize(
    "sidecar",
    [{"labels": ["one"]}, {"nonsense": 1}, {"preprocessing": {"color": "rgb"}}],
    ids=["wrong count", "unknown key", "misfit"],
)
def test_a_sidecar_that_does_not_fit_leaves_the_model_as_it_was(worker: Worker, sidecar: dict[str, Any]) -> None:
    before = worker.go_live()
    worker.watcher_says(v1=live("one-1", **sidecar))
    worker.registry.refresh()
    assert worker.registry.get("brightest") is before


def test_a_bundle_that_gives_other_numbers_leaves_the_model_as_it_was(worker: Worker) -> None:
    before = worker.go_live()
    worker.build("new-1", beta=3.0, probes=true_probes(beta=1.0))
    worker.watcher_says(v1=live("new-1"))
    worker.registry.refresh()
    assert worker.registry.get("brightest") is before


def damage_graph(worker: Worker) -> None:
    worker.build("new-1")
    bundle = worker.store.find("brightest", "new-1")
    assert bundle is not None
    bundle.graph.write_bytes(b"no graph at all")


def damage_probes(worker: Worker) -> None:
    worker.build("new-1", probes=Probes({"pixels": np.zeros((1, 3, 5, 7), np.float32)}, {}))


def test_a_graph_that_is_replaced_while_it_is_loaded_is_not_taken(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Replacing(LiteRtEngine):
        """Finds another graph in the place of the one whose sum was right."""

        def __init__(self, graph: Path, **options: Any) -> None:
            write_graph(graph.with_name("other"), beta=1.0)
            graph.with_name("other").replace(graph)
            super().__init__(graph, **options)

    worker.build("one-1")
    bundle = worker.store.find("brightest", "one-1")
    assert bundle is not None
    monkeypatch.setattr(litert, "LiteRtEngine", Replacing)
    with pytest.raises(BrokenModelError, match="changed while it was loaded"):
        load_model(bundle, Sidecar(), 1, "one-1")


def no_bundle(worker: Worker) -> None:
    """Leave it out."""


@pytest.mark.parametrize("damage", [damage_graph, damage_probes, no_bundle])
def test_a_bundle_that_cannot_be_loaded_leaves_the_model_as_it_was(
    worker: Worker, damage: Any, caplog: pytest.LogCaptureFixture
) -> None:
    before = worker.go_live()
    damage(worker)
    worker.watcher_says(v1=live("new-1"))
    worker.registry.refresh()
    assert worker.registry.get("brightest") is before
    assert "cannot load brightest version 1: " in caplog.text


def test_a_mapped_graph_that_is_written_to_gives_no_answer_until_it_is_built_again(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_model, "HELD_BYTES", 0)
    before = worker.go_live()
    assert before.seal is not None
    answer, graph = corners(before), before.seal.path
    graph.write_bytes(b"damage " + graph.read_bytes())
    with pytest.raises(ModelNotReadyError, match="damaged on the server's disk"):
        corners(before)
    worker.registry.refresh()
    with pytest.raises(ModelNotReadyError):
        corners(worker.registry.get("brightest"))
    worker.build("one-1")
    worker.registry.refresh()
    np.testing.assert_array_equal(corners(worker.registry.get("brightest")), answer)


def test_a_graph_in_memory_answers_whatever_befalls_its_file(worker: Worker) -> None:
    before = worker.go_live()
    answer = corners(before)
    bundle = worker.store.find("brightest", "one-1")
    assert bundle is not None
    bundle.graph.write_bytes(b"damage")
    worker.registry.refresh()
    np.testing.assert_array_equal(corners(worker.registry.get("brightest")), answer)


def test_a_view_that_is_gone_or_damaged_leaves_the_models_as_they_were(worker: Worker, tmp_path: Path) -> None:
    before = worker.go_live()
    for spoil in ((tmp_path / LIVE_FILE).unlink, lambda: (tmp_path / LIVE_FILE).write_text('{"models": 3}')):
        spoil()
        worker.registry.refresh()
        assert worker.registry.get("brightest") is before


def test_one_model_that_cannot_be_loaded_leaves_the_others_be(worker: Worker) -> None:
    worker.build("two-1")
    worker.watcher_says(v2=live("two-1"), v1=live("missing-1"))
    worker.registry.refresh()
    assert [one.card.version for one in worker.registry.loaded("brightest")] == [2]


def test_a_model_that_is_live_and_could_not_be_loaded_here_is_not_ready(worker: Worker) -> None:
    worker.watcher_says(v1=live("missing-1"))
    with pytest.raises(ModelNotReadyError) as caught:
        worker.registry.get("brightest")
    assert caught.value.retry_after == 2


def test_a_bundle_that_turns_up_late_is_loaded_by_a_request_soon_after(
    worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = FakeClock()
    monkeypatch.setattr(registry_module, "time", clock)
    worker.watcher_says(v1=live("one-1"))
    with pytest.raises(ModelNotReadyError):
        worker.registry.get("brightest")
    worker.build("one-1")
    with pytest.raises(ModelNotReadyError):
        worker.registry.get("brightest")
    clock.now += RETRY_SECONDS
    assert worker.registry.get("brightest").card.fingerprint == "one-1"


# -------------------------------------------------------------------------------------------------- why there is none


def test_a_model_nobody_has_is_unknown(worker: Worker) -> None:
    worker.go_live()
    with pytest.raises(UnknownModelError) as caught:
        worker.registry.get("brihgtest")
    assert caught.value.message == "There is no model 'brihgtest'; known: brightest."


def test_where_there_are_no_models_none_is_known(worker: Worker) -> None:
    with pytest.raises(UnknownModelError) as caught:
        worker.registry.get("mnist")
    assert caught.value.message == "There is no model 'mnist'; known: none."


@pytest.mark.parametrize("version", [9, "nightly"])
def test_a_version_nobody_has_is_unknown(worker: Worker, version: int | str) -> None:
    worker.go_live()
    with pytest.raises(UnknownModelError) as caught:
        worker.registry.get("brightest", version)
    assert caught.value.message == (
        f"There is no version {version!r} of 'brightest'; live: 1. Leave it out for the latest."
    )


def test_a_label_of_a_version_that_is_not_there_says_which_and_the_others_answer(worker: Worker) -> None:
    worker.build("one-1")
    worker.watcher_says(v1=live("one-1"), labels={"stable": 9, "old": 1})
    with pytest.raises(UnknownModelError) as caught:
        worker.registry.get("brightest", "stable")
    assert caught.value.message == "The label 'stable' of 'brightest' names version 9, which is not there; live: 1."
    assert worker.registry.get("brightest", "old") is worker.registry.get("brightest")


@pytest.mark.parametrize("version", ["latest", 1])
def test_a_model_that_is_being_built_is_not_ready_and_says_when_to_come_back(
    worker: Worker, version: int | str
) -> None:
    worker.watcher_says(v1=BUILDING)
    with pytest.raises(ModelNotReadyError) as caught:
        worker.registry.get("brightest", version)
    assert caught.value.message == "The model 'brightest' is being built; try again in a moment."
    assert caught.value.retry_after == 2


@pytest.mark.parametrize("version", ["latest", 1])
def test_a_model_that_failed_gives_its_diagnosis_and_no_time_to_come_back(worker: Worker, version: int | str) -> None:
    worker.watcher_says(v1=FAILED)
    with pytest.raises(ModelFailedError) as caught:
        worker.registry.get("brightest", version)
    assert caught.value.message == "The model 'brightest' cannot be served: It holds a Lambda."
    assert caught.value.retry_after is None


def test_a_failed_version_beside_one_that_builds_is_not_the_last_word(worker: Worker) -> None:
    worker.watcher_says(v2=FAILED, v1=BUILDING)
    with pytest.raises(ModelNotReadyError):
        worker.registry.get("brightest")


def test_a_failed_version_is_failed_though_another_is_live(worker: Worker) -> None:
    worker.build("one-1")
    worker.watcher_says(v2=FAILED, v1=live("one-1"))
    with pytest.raises(ModelFailedError):
        worker.registry.get("brightest", 2)


@pytest.mark.parametrize(("state", "error"), [(BUILDING, ModelNotReadyError), (FAILED, ModelFailedError)])
def test_a_label_of_a_version_that_is_not_live_says_why(
    worker: Worker, state: VersionState, error: type[Exception]
) -> None:
    worker.build("one-1")
    worker.watcher_says(v2=state, v1=live("one-1"), labels={"canary": 2})
    with pytest.raises(error):
        worker.registry.get("brightest", "canary")
    assert worker.registry.number_of("brightest", "canary") == 2
