"""Occlusion finds what a model looks at, on any engine, within its budget and its time."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import DeadlineExceededError
from service.explain import occlusion
from service.explain.blur import blurred
from service.explain.canvas import Canvas
from service.explain.occlusion import Question, budget_of, is_fine, levels_within, occluded, patches
from service.explain.target import Target
from service.model.description import InputFacts, OutputFacts
from service.model.layers import Layer
from service.model.tensors import TensorSpec
from service.serving.live_model import LiveModel
from tests.fakes import FakeEngine, card_of, describe

SIDE = 28
SPOT = (slice(6, 10), slice(18, 22))


def spot_model(*, channels: int = 1, shape: tuple[int, ...] = (SIDE, SIDE, 1), macs: int | None = None) -> LiveModel:
    """Return a model whose second class is the mean of one spot of the input, and whose first is 0."""

    def answer(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        pixels = inputs["pixels"].reshape(-1, SIDE, SIDE, channels).astype(np.float32)
        means = pixels[:, *SPOT].mean((1, 2, 3))
        return {"kind": np.stack([np.zeros_like(means), means], 1)}

    facts = describe(
        inputs=[InputFacts(TensorSpec("pixels", (None, *shape)))],
        outputs=[OutputFacts(TensorSpec("kind", (None, 2)), "relu")],
        layers=(Layer("one", "Conv2D", (None, 2), 0, macs=macs),),
    )
    return LiveModel(card_of(facts), FakeEngine(answer))


def canvas(array: NDArray[Any]) -> Canvas:
    places = np.arange(array.size, dtype=np.intp).reshape(SIDE, SIDE, -1)
    return Canvas("pixels", array, places)


def question(model: LiveModel, array: NDArray[Any], *, index: int = 1, seconds: float = 30) -> Question:
    target = Target(model.card.outputs[0], index, 0.0)
    return Question(model, {"pixels": array[np.newaxis]}, target, time.monotonic() + seconds)


def spotted(dtype: str = "float32") -> NDArray[Any]:
    array = np.zeros((SIDE, SIDE, 1), dtype)
    array[SPOT] = 1 if dtype == "float32" else 200
    return array


@pytest.mark.parametrize("dtype", ["float32", "uint8"])
@pytest.mark.parametrize("passes", [40, 250, 20_000])
def test_the_hottest_pixels_are_those_the_model_looks_at(passes: int, dtype: str) -> None:
    found = occluded(question(spot_model(), spotted(dtype)), canvas(spotted(dtype)), passes=passes)

    row, column = np.unravel_index(found.heat.argmax(), found.heat.shape)
    assert 4 <= row < 12
    assert 16 <= column < 24
    assert found.passes <= passes
    assert found.heat[SPOT].min() > found.heat[18:, :12].max()
    assert not found.is_cut_short


def test_a_flat_input_is_covered_where_its_pixels_lie() -> None:
    flat = spotted().reshape(-1)
    found = occluded(question(spot_model(shape=(SIDE * SIDE,)), flat), canvas(flat), passes=250)
    square = occluded(question(spot_model(), spotted()), canvas(spotted()), passes=250)
    assert np.array_equal(found.heat, square.heat)


def test_what_speaks_against_a_class_is_below_zero() -> None:
    def answer(inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        means = inputs["pixels"][:, *SPOT].mean((1, 2, 3))
        return {"kind": np.stack([means, -means], 1)}

    model = LiveModel(spot_model().card, FakeEngine(answer))
    found = occluded(question(model, spotted()), canvas(spotted()), passes=250)
    assert found.heat.min() < 0
    assert abs(found.heat.max()) < abs(found.heat.min()) / 10


def test_outputs_that_are_not_finite_leave_no_trace() -> None:
    engine = FakeEngine(lambda inputs: {"kind": np.full((len(inputs["pixels"]), 2), np.nan, np.float32)})
    model = LiveModel(spot_model().card, engine)
    assert not occluded(question(model, spotted()), canvas(spotted()), passes=40).heat.any()


def test_a_blur_is_the_mean_around_and_ends_in_time() -> None:
    planes = np.zeros((24, 1, 2), np.float32)
    planes[12] = 1
    found = blurred(planes, deadline=time.monotonic() + 30)
    assert found.sum(axis=(0, 1)) == pytest.approx([1, 1])
    assert found[:, 0, 0].argmax() == 12
    with pytest.raises(DeadlineExceededError):
        blurred(planes, deadline=time.monotonic() - 1)


def test_every_pixel_is_covered_at_every_level() -> None:
    for size in ((28, 28), (1, 100), (7, 3), (1, 1), (224, 160)):
        for part in occlusion.PARTS:
            seen = np.zeros(size)
            for top, left, bottom, right in patches(size, part):
                seen[top:bottom, left:right] += 1
            assert seen.min() >= 1


def test_small_patches_are_for_what_can_afford_them() -> None:
    assert [len(levels_within((224, 224), passes)) for passes in (1, 204, 205, 9_000, 10_000)] == [1, 1, 2, 2, 3]
    assert not is_fine((224, 224), 204)
    assert is_fine((224, 224), 205)


def test_a_plane_too_small_for_several_levels_has_one() -> None:
    assert len(levels_within((2, 2), 1000)) == 1


def test_the_budget_comes_from_the_models_cost_and_else_from_its_time() -> None:
    assert budget_of(spot_model(macs=300_000_000), seconds=99) == 333
    assert budget_of(spot_model(), seconds=0.01) == 300


def test_where_time_is_short_there_is_a_coarse_map() -> None:
    model = spot_model()
    plain = model.engine.run

    class Slow:
        name = "slow"

        def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            time.sleep(0.02 * len(inputs["pixels"]))
            return plain(inputs)

        def release(self) -> None:
            pass

    slow = LiveModel(model.card, Slow())
    found = occluded(question(slow, spotted(), seconds=2.5), canvas(spotted()), passes=250)
    assert found.is_cut_short
    assert found.passes == 36

    with pytest.raises(DeadlineExceededError):
        occluded(question(slow, spotted(), seconds=0.2), canvas(spotted()), passes=250)
