"""Models of free size: what would take too much memory is refused, and what a large run took is let go of."""

import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.errors import TooLargeError
from service.image.decode import ImageLimits
from service.model.card import ModelCard
from service.model.description import InputFacts
from service.model.insight import Insight
from service.model.tensors import TensorSpec
from service.serving import free_size, live_model, preparation
from service.serving.examples import Example, Numbers, Picture
from service.serving.live_model import LiveModel
from service.serving.preparation import prepare, told_items
from tests.fakes import FakeEngine, card_of, describe
from tests.pictures import encoded

INPUT = InputFacts(TensorSpec("pixels", (None, None, None, 1)), order="channels_last")
LIMITS = ImageLimits()
NOISE = np.random.default_rng(3).integers(0, 255, (90, 100), np.uint8)
"""As PNG it is a file of 9 kB."""


class Counting(FakeEngine):
    """Counts how often it let go of its memory."""

    def __init__(self) -> None:
        super().__init__(lambda inputs: {"corners": np.zeros((len(inputs["pixels"]), 4), np.float32)})
        self.released = 0

    def release(self) -> None:
        self.released += 1


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> ModelCard:
    """Return a model that takes 10 bytes a number, where 8,000 are allowed for one example and 1,000 are kept."""
    for name, value in {"MOST_BYTES": 8000, "KEPT_BYTES": 1000}.items():
        for module in (free_size, live_model):
            monkeypatch.setattr(module, name, value)
    return card_of(replace(describe(inputs=(INPUT,)), layers=None, insight=Insight(bytes_per_number=10.0)))


def run(card: ModelCard, *shape: int) -> Counting:
    engine = Counting()
    array = np.zeros(shape, np.float32)
    outputs, _ = LiveModel(card, engine).run({"pixels": array}, deadline=time.monotonic() + 60)
    assert len(outputs["corners"]) == len(array)
    return engine


def test_what_a_large_run_took_is_let_go_of(card: ModelCard) -> None:
    assert run(card, 1, 10, 10, 1).released == 0
    assert run(card, 1, 20, 20, 1).released == 1


def test_large_examples_are_run_fewer_at_a_time(card: ModelCard) -> None:
    assert [len(one["pixels"]) for one in run(card, 5, 20, 20, 1).asked] == [2, 2, 1]


def test_a_batch_too_large_is_refused_before_it_is_run(card: ModelCard) -> None:
    with pytest.raises(TooLargeError, match=r"this one \(30x30x1\) would take"):
        run(card, 1, 30, 30, 1)


def test_a_picture_too_large_is_refused_before_it_is_decoded(card: ModelCard, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preparation, "picture_to_input", lambda *_, **__: pytest.fail("it was decoded"))
    with pytest.raises(TooLargeError, match="90x100x1"):
        prepare(Example.of(Picture(encoded(NOISE))), card, limits=LIMITS)


@pytest.mark.parametrize(
    "part",
    [
        Numbers(np.zeros((90, 100, 1))),
        Picture(encoded(np.zeros((90, 100), np.uint8))),
        Picture(b"\x89PNG" + bytes(5000)),
    ],
    ids=["numbers", "a small file", "no picture"],
)
def test_nothing_is_told_of_what_has_no_header_to_tell(card: ModelCard, part: Any) -> None:
    assert told_items(Example.of(part), card, limits=LIMITS) == {}


def test_nothing_is_told_of_a_model_of_fixed_size() -> None:
    assert told_items(Example.of(Picture(encoded(NOISE))), card_of(describe()), limits=LIMITS) == {}
