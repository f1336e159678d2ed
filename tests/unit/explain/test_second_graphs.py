"""Second graphs in a worker: loaded when somebody asks, few at a time, let go again, watched."""

import threading
import time
import weakref
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.errors import DeadlineExceededError, MisfitError, ModelFailedError, TooLargeError, UnknownLayerError
from service.explain.insight import Insights
from service.explain.second_graphs import MOST, SecondGraphs
from service.model.insight import Insight, LayerTap
from service.model.sidecar import Sidecar
from service.repository.bundle_files import GRAPH, INSIGHT, add_insight, write_bundle
from service.repository.bundles import BundleStore
from service.serving.live_model import LiveModel, load_model
from tests.fakes import describe, softmax, true_probes, write_graph

PIXELS = np.array([[0, 0.25, 0.5, 1], [1, 0, 0, 0]], np.float32).reshape(2, 2, 2, 1)
TAP = LayerTap("corners")
Load = Callable[..., LiveModel]


def soon() -> float:
    return time.monotonic() + 30


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load the tiny model, whose second graph gives its last layer alone."""
    store = BundleStore(tmp_path)

    def load_one(name: str = "brightest", **fields: Any) -> LiveModel:
        with store.staging(name) as staged:
            write_graph(staged / GRAPH)
            write_bundle(staged, describe(name), true_probes())
            write_graph(staged / INSIGHT)
            add_insight(staged, replace(Insight(taps=(TAP,)), **fields))
            bundle = store.add(staged, name, "ab-1")
        return load_model(bundle, Sidecar(), 1, "ab-1")

    return load_one


def test_a_layer_gives_its_output_for_each_example(load: Load) -> None:
    pixels, corners = Insights().activations(load(), {"pixels": PIXELS}, [LayerTap("pixels"), TAP], deadline=soon())
    np.testing.assert_array_equal(pixels, PIXELS)
    np.testing.assert_allclose(corners, softmax(PIXELS.reshape(2, 4)), rtol=1e-6)


def test_a_bundle_without_a_second_graph_says_why(load: Load) -> None:
    live = load(missing="Memory ran out.", no_gradient="Memory ran out.")
    with pytest.raises(MisfitError, match="Memory ran out"):
        Insights().activations(live, {"pixels": PIXELS}, [TAP], deadline=soon())
    with pytest.raises(MisfitError, match="Memory ran out"):
        Insights().gradients(live, {"pixels": PIXELS}, {}, deadline=soon())


def test_a_layer_that_gives_nothing_to_show_is_told_from_an_unknown_one(load: Load) -> None:
    with pytest.raises(MisfitError, match="it has none"):
        Insights().activations(load(), {"pixels": PIXELS}, [LayerTap("flatten")], deadline=soon())
    with pytest.raises(UnknownLayerError, match="no layer 'dense'"):
        Insights().activations(load(), {"pixels": PIXELS}, [LayerTap("dense")], deadline=soon())


def test_nothing_is_run_after_the_deadline(load: Load) -> None:
    with pytest.raises(DeadlineExceededError):
        Insights().activations(load(), {"pixels": PIXELS}, [TAP], deadline=time.monotonic() - 1)


def test_a_picture_whose_layers_would_fill_the_memory_is_refused(load: Load) -> None:
    with pytest.raises(TooLargeError, match="would take 4,096 MiB"):
        Insights().activations(load(bytes_per_number=2.0**30), {"pixels": PIXELS}, [TAP], deadline=soon())


def test_a_graph_is_loaded_once_and_few_are_held(load: Load) -> None:
    graphs = SecondGraphs()
    models = [load(f"model-{number}") for number in range(MOST + 1)]
    first = graphs.of(models[0], deadline=soon())
    assert graphs.of(models[0], deadline=soon()) is first

    gone = weakref.ref(first.engine)
    del first
    for model in models[1:]:
        graphs.of(model, deadline=soon())
    assert gone() is None


def test_a_graph_that_nobody_asks_for_is_let_go(load: Load) -> None:
    graphs = SecondGraphs(idle_seconds=0.1)
    gone = weakref.ref(graphs.of(load(), deadline=soon()).engine)

    deadline = soon()
    while gone() is not None and time.monotonic() < deadline:
        time.sleep(0.02)
    assert gone() is None


@pytest.mark.parametrize(("mebibytes", "is_held"), [(60, True), (70, False)])
def test_a_graph_whose_outputs_take_much_memory_is_let_go_after_each_run(
    load: Load, mebibytes: int, is_held: bool
) -> None:
    graphs = SecondGraphs()
    live = load(bytes_per_number=mebibytes * 2.0**20 / 4)
    before = graphs.of(live, deadline=soon())
    Insights(graphs).activations(live, {"pixels": PIXELS}, [TAP], deadline=soon())
    assert (graphs.of(live, deadline=soon()) is before) == is_held


def test_what_is_closed_holds_no_graph_and_waits_for_none(load: Load) -> None:
    before = set(threading.enumerate())
    graphs = SecondGraphs()
    gone = weakref.ref(graphs.of(load(), deadline=soon()).engine)
    (timer,) = set(threading.enumerate()) - before

    Insights(graphs).close()

    timer.join(10)
    assert not timer.is_alive()
    assert gone() is None


def test_a_graph_that_was_damaged_on_disk_is_not_used(load: Load) -> None:
    live = load()
    assert live.bundle is not None
    live.bundle.insight_graph.write_bytes(b"another")
    with pytest.raises(ModelFailedError, match="second graph of the model 'brightest' was damaged"):
        Insights().activations(live, {"pixels": PIXELS}, [TAP], deadline=soon())
