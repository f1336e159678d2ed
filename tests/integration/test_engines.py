"""Engines on real nets: the same numbers from each, timed in a child, and chosen by the table."""

import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

keras = pytest.importorskip("keras")
pytest.importorskip("openvino")

from service.builder.timing import time_engines  # noqa: E402
from service.builder.tuner import tune_bundle  # noqa: E402
from service.engine.engines import open_engine  # noqa: E402
from service.errors import BrokenModelError, BuildInterruptedError  # noqa: E402
from service.model.agreement import largest_difference  # noqa: E402
from service.model.tuning import Choice  # noqa: E402
from service.repository.bundles import Bundle, BundleStore  # noqa: E402
from service.serving.live_model import LiveModel, load_model  # noqa: E402
from tests.fakes import add_bundle, true_probes  # noqa: E402
from tests.served import served  # noqa: E402

layers = keras.layers
MEMORY = 8 * 2**30


def plain() -> Any:
    inputs = keras.Input((96, 96, 3))
    found = layers.Conv2D(32, 3, activation="relu")(inputs)
    found = layers.Conv2D(32, 3, activation="relu")(layers.BatchNormalization()(found))
    found = layers.GlobalAveragePooling2D()(layers.DepthwiseConv2D(3)(found))
    return keras.Model(inputs, layers.Dense(5, activation="softmax")(found))


def two_by_two() -> Any:
    """Two inputs and two outputs, of which the names sort the other way round."""
    first, second = keras.Input((12, 12, 1), name="zebra"), keras.Input((8, 8, 3), name="ant")
    left, right = layers.Flatten()(layers.Conv2D(3, 3)(first)), layers.Flatten()(layers.Conv2D(2, 3)(second))
    both = layers.Concatenate()([left, right])
    outputs = [layers.Dense(3, activation="softmax", name="yolk")(both), layers.Dense(2, name="bone")(both)]
    return keras.Model([first, second], outputs)


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Callable[[], Any]], LiveModel]:
    """Build a net and load it, once."""
    held: dict[str, LiveModel] = {}

    def load(make: Callable[[], Any]) -> LiveModel:
        if make.__name__ not in held:
            keras.utils.set_random_seed(1)
            held[make.__name__] = served(make(), tmp_path_factory.mktemp(make.__name__))
        return held[make.__name__]

    return load


def bundle_of(model: LiveModel) -> Bundle:
    assert model.bundle is not None
    return model.bundle


def random_inputs(bundle: Bundle, count: int) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(2)
    shapes = {one.spec.name: (count, *(axis or 1 for axis in one.spec.item_shape)) for one in bundle.facts.inputs}
    return {name: random.random(shape).astype(np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize("make", [plain, two_by_two])
@pytest.mark.parametrize("count", [1, 5])
def test_openvino_gives_the_numbers_of_litert(
    live: Callable[..., LiveModel], make: Callable[[], Any], count: int
) -> None:
    bundle = bundle_of(live(make))
    given, wanted = ([one.spec.name for one in side] for side in (bundle.facts.inputs, bundle.facts.outputs))
    inputs = random_inputs(bundle, count)
    found, expected = (
        open_engine(name, bundle.graph, inputs=given, outputs=wanted).run(inputs) for name in ("openvino", "litert")
    )

    assert list(found) == wanted
    assert largest_difference(found, expected).is_allowed


def test_what_an_engine_answers_stays_as_it_is_when_it_is_asked_again(live: Callable[..., LiveModel]) -> None:
    bundle = bundle_of(live(two_by_two))
    model = load_model(bundle, live(two_by_two).card.sidecar, 1, "ab-5", Choice("openvino", 1, 1))
    first, _ = model.run(random_inputs(bundle, 1), deadline=time.monotonic() + 60)
    kept = {name: array.copy() for name, array in first.items()}
    model.run({name: array * 0 for name, array in random_inputs(bundle, 1).items()}, deadline=time.monotonic() + 60)

    assert all(np.array_equal(first[name], kept[name]) for name in kept)


def test_a_net_is_run_by_the_engine_that_was_chosen_whatever_the_chunk(live: Callable[..., LiveModel]) -> None:
    bundle = bundle_of(live(plain))
    inputs = random_inputs(bundle, 9)
    answers = {}
    for engine in ("litert", "openvino"):
        model = load_model(bundle, live(plain).card.sidecar, 1, "ab-5", Choice(engine, threads=2, chunk=1))
        assert model.card.engine == engine
        answers[engine], _ = model.run(inputs, deadline=time.monotonic() + 60)

    assert largest_difference(answers["openvino"], answers["litert"]).is_allowed


def test_neither_the_chunk_nor_the_threads_change_a_bit_of_what_litert_answers(live: Callable[..., LiveModel]) -> None:
    bundle = bundle_of(live(plain))
    inputs = random_inputs(bundle, 41)
    answers = []
    for choice in (Choice(), Choice(chunk=1), Choice(chunk=8), Choice(threads=2), Choice(threads=2, chunk=7)):
        model = load_model(bundle, live(plain).card.sidecar, 1, "ab-5", choice)
        found, _ = model.run(inputs, deadline=time.monotonic() + 60)
        answers.append(next(iter(found.values())))

    assert all(np.array_equal(one, answers[0]) for one in answers)


def test_a_graph_that_openvino_cannot_read_is_told(tmp_path: Path) -> None:
    graph = tmp_path / "model.tflite"
    graph.write_bytes(b"TFL3 of another kind")

    with pytest.raises(BrokenModelError, match="OpenVINO cannot read"):
        open_engine("openvino", graph, inputs=["x"], outputs=["y"])


def test_openvino_is_loaded_without_what_reports_its_use(live: Callable[..., LiveModel]) -> None:
    bundle = bundle_of(live(two_by_two))
    code = (
        "import sys; from pathlib import Path; from service.engine.openvino import OpenVinoEngine as Engine\n"
        f"Engine(Path({str(bundle.graph)!r}), inputs=['zebra', 'ant'], outputs=['yolk', 'bone'])\n"
        "print([one for one in sys.modules if 'telemetry' in one or one.startswith('openvino.tools')])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert found.stdout.strip() == "[]"


def test_a_child_times_every_engine_that_verifies(live: Callable[..., LiveModel]) -> None:
    bundle = bundle_of(live(plain))
    found = tune_bundle(bundle, cores=2, memory=MEMORY, seconds=0.2)

    ways = {(one.engine, one.threads, one.batch) for one in found.timings}
    assert {("litert", 1, 1), ("litert", 2, 1)} <= ways
    assert ("openvino", 1, 1) in ways or "under a millisecond" in found.left_out["openvino"]
    assert all(one.milliseconds > 0 for one in found.timings)
    assert found.choice(bundle.facts, profile="throughput").threads == 1


def test_an_engine_that_gives_other_numbers_is_left_out(tmp_path: Path) -> None:
    bundle = add_bundle(BundleStore(tmp_path), "ab-5", probes=true_probes(beta=2.0))
    found = time_engines(bundle, cores=1, seconds=0.01)

    assert found.timings == ()
    assert "differ from Keras" in found.left_out["litert"]


def test_a_small_net_is_not_worth_another_engine(tmp_path: Path) -> None:
    found = time_engines(add_bundle(BundleStore(tmp_path), "ab-5"), cores=1, seconds=0.01)

    assert {one.batch for one in found.timings} == {1, 8, 32}
    assert "under a millisecond" in found.left_out["openvino"]


def test_a_bundle_that_is_gone_gives_no_table(tmp_path: Path) -> None:
    bundle = add_bundle(BundleStore(tmp_path), "ab-5")
    bundle.graph.unlink()

    with pytest.raises(BuildInterruptedError, match="could not be timed"):
        tune_bundle(bundle, cores=1, memory=MEMORY)
