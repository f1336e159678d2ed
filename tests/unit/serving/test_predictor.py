"""The predictor over a fake engine: how much one request may be answered."""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.errors import MisfitError, TooLargeError
from service.image.decode import ImageLimits
from service.model.description import InputFacts, OutputFacts
from service.model.head import PlainNumbers
from service.model.tensors import TensorSpec
from service.serving.examples import Example, Numbers, Result
from service.serving.live_model import LiveModel
from service.serving.predictor import MAP_NUMBERS, MAP_ROWS, Predictor
from tests.fakes import FakeEngine, card_of, describe

SIDE = 1024
"""A map of so many pixels a side: ten of them are more numbers than one request may have."""


def maps_of(side: int) -> LiveModel:
    """Return a model that answers a number with a map of this many pixels a side, filled with it."""
    facts = describe(
        inputs=[InputFacts(TensorSpec("number", (None, 1)))],
        outputs=[OutputFacts(TensorSpec("map", (None, None, None)))],
    )
    engine = FakeEngine(
        lambda fed: {"map": np.broadcast_to(fed["number"][..., np.newaxis], (len(fed["number"]), side, side))}
    )
    return LiveModel(card_of(facts), engine)


def ask(model: LiveModel, numbers: NDArray[Any]) -> Result:
    limits = ImageLimits(max_bytes=1, max_pixels=1, max_side=1)
    examples = [Example.of(Numbers(numbers))]
    return Predictor(limits=limits, max_examples=1000).predict(model, examples, top_k=1, deadline=time.monotonic() + 60)


def test_each_example_gets_its_own_map_however_many_are_run_at_a_time() -> None:
    numbers = np.arange(3 * MAP_ROWS + 1, dtype=np.float32)[:, np.newaxis]
    answers = [one.answers["map"] for one in ask(maps_of(2), numbers).predictions]
    assert [one.values.tolist() for one in answers if isinstance(one, PlainNumbers)] == [
        [[number, number], [number, number]] for number in range(3 * MAP_ROWS + 1)
    ]


def test_a_request_for_more_maps_than_an_answer_can_hold_is_refused() -> None:
    too_many = MAP_NUMBERS // SIDE**2 + MAP_ROWS + 1
    with pytest.raises(TooLargeError, match="more than 10,000,000 numbers in all; send fewer examples"):
        ask(maps_of(SIDE), np.zeros((too_many, 1), np.float32))


def test_one_map_is_answered_however_large_it_is() -> None:
    side = round(MAP_NUMBERS**0.5) + 1
    assert ask(maps_of(side), np.zeros((1, 1), np.float32)).answered == 1


def test_a_size_the_model_cannot_run_on_is_told_of_its_own_example_alone() -> None:
    def run(fed: Any) -> dict[str, NDArray[Any]]:
        if fed["picture"].shape[1] < 4:
            raise RuntimeError("the pool has nothing to look at")
        return {"map": np.zeros((len(fed["picture"]), 2, 2), np.float32)}

    facts = describe(
        inputs=[InputFacts(TensorSpec("picture", (None, None, None, 1)))],
        outputs=[OutputFacts(TensorSpec("map", (None, None, None)))],
    )
    sizes = (8, 2, 8)
    examples = [Example.of(Numbers(np.zeros((1, side, side, 1), np.float32))) for side in sizes]
    predictor = Predictor(limits=ImageLimits(max_bytes=1, max_pixels=1, max_side=1), max_examples=9)
    result = predictor.predict(
        LiveModel(card_of(facts), FakeEngine(run)), examples, top_k=1, deadline=time.monotonic() + 60
    )

    assert [type(one.error) for one in result.predictions] == [type(None), MisfitError, type(None)]
