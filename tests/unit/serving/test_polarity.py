"""Reversed polarity: which way round a picture is, which way round a model learned, and when that is warned of."""

import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.description import InputFacts, OutputFacts
from service.model.sidecar import OutputSettings, Sidecar
from service.model.tensors import TensorSpec
from service.serving import polarity
from service.serving.live_model import LiveModel
from service.serving.polarity import (
    LearnedPolarity,
    learned_polarity,
    polarity_of_answers,
    polarity_of_picture,
    polarity_warnings,
    told_by,
)
from service.serving.stimuli import PER_KIND, stimuli
from tests.fakes import FakeEngine, card_of, describe, softmax

SIDE = 28


def drawn(*, ground: float = 0.0, ink: float = 1.0, side: int = SIDE) -> NDArray[np.float32]:
    picture = np.full((side, side), ground, np.float32)
    picture[side // 4 : -side // 4, side // 2 - 2 : side // 2 + 2] = ink
    return picture


# -------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize(
    ("picture", "seen"),
    [
        (drawn(), "light on dark"),
        (1 - drawn(), "dark on light"),
        (drawn(ground=0.92, ink=0.15), "dark on light"),
        (drawn(ground=0.6, ink=0.2), "dark on light"),
        (drawn(ground=0.3, ink=0.9, side=128), "light on dark"),
    ],
    ids=["a digit", "an inverted one", "a scan", "a dull scan", "a large one"],
)
def test_a_picture_on_an_even_ground_shows_its_polarity(picture: NDArray[np.float32], seen: str) -> None:
    assert polarity_of_picture(picture) == seen


def noise(seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random((SIDE, SIDE), np.float32)


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((SIDE, SIDE), np.float32),
        np.ones((SIDE, SIDE), np.float32),
        noise(),
        np.tile(np.linspace(0, 1, SIDE, dtype=np.float32), (SIDE, 1)),
        np.maximum(drawn(ground=0.5), drawn(ground=0.5, ink=0.0).T),
        drawn(ground=0.1, ink=0.2),
    ],
    ids=["black", "white", "noise", "a slope", "grey ground", "hardly anything"],
)
def test_other_pictures_have_none(picture: NDArray[np.float32]) -> None:
    assert polarity_of_picture(picture) is None


# -------------------------------------------------------------------------------------------------------- answers


def test_answers_tell_nothing_where_they_are_all_the_same_or_all_unsure() -> None:
    one_class = np.tile(np.array([1, 0, 0, 0], np.float32), (8, 1))
    unsure = np.full((8, 4), 0.25, np.float32)
    assert told_by(one_class, "softmax") == pytest.approx(0, abs=1e-5)
    assert told_by(unsure, "softmax") == pytest.approx(0, abs=1e-5)


def test_sure_answers_of_all_classes_tell_the_most() -> None:
    assert told_by(np.eye(4, dtype=np.float32), "softmax") == pytest.approx(np.log(4), abs=1e-4)


def test_sigmoids_tell_one_by_one() -> None:
    yes_and_no = np.array([[1, 1], [0, 1]], np.float32)
    assert told_by(yes_and_no, "multi-label") == pytest.approx(np.log(2), abs=1e-4)
    assert told_by(np.zeros((4, 3), np.float32), "sigmoid-exclusive") == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("told", "learned"),
    [
        ([(1.6, 0.7), (0.75, 0.46), (1.7, 0.6)], "light on dark"),
        ([(0.6, 1.0), (0.4, 0.75), (0.76, 0.74)], "dark on light"),
        ([(1.18, 1.13), (0.41, 0.36), (1.31, 1.29)], None),
        ([(0.03, 0.01), (0.07, 0.04)], None),
        ([(1.6, 0.7), (0.3, 0.9)], None),
        ([], None),
    ],
    ids=["clear", "clear the other way", "both learned", "two noises", "kinds that disagree", "nothing asked"],
)
def test_the_way_round_that_tells_clearly_more_was_learned(told: list[tuple[float, float]], learned: str) -> None:
    assert polarity_of_answers(told) == learned


# --------------------------------------------------------------------------------------------------------- models

FORMS: dict[str, tuple[tuple[int | None, ...], dict[str, Any]]] = {
    "channels last": ((SIDE, SIDE, 1), {}),
    "channels first": ((1, SIDE, SIDE), {"order": "channels_first"}),
    "no channel axis": ((SIDE, SIDE), {}),
    "flat": ((SIDE * SIDE,), {}),
}


def live(
    *shape: int | None, learned: str | None = "light on dark", sidecar: Sidecar | None = None, **facts: Any
) -> LiveModel:
    """Return a model that tells by where the ink is, where the ground is as it `learned`; else always one class."""
    shape = shape or (SIDE, SIDE, 1)
    described = describe(
        inputs=[InputFacts(TensorSpec("digit", (None, *shape), facts.pop("dtype", "float32")), **facts)],
        outputs=[OutputFacts(TensorSpec("classes", (None, 4)), "softmax")],
    )

    def answer(fed: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        pictures = fed["digit"].reshape(len(fed["digit"]), -1).astype(np.float64)
        way = pictures[:, :1].round()
        ink = np.abs(pictures - way).reshape(len(pictures), 4, -1).sum(2)
        is_learned = (way == 0) if learned == "light on dark" else (way == 1)
        if learned is None:
            is_learned = np.ones_like(way, bool)
        return {"classes": softmax(np.where(is_learned, ink, np.array([9, 0, 0, 0]))).astype(np.float32)}

    return LiveModel(card_of(described, sidecar), FakeEngine(answer))


@pytest.mark.parametrize(("shape", "facts"), FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("learned", ["light on dark", "dark on light", None])
def test_a_model_is_asked_in_whatever_form_it_takes_pictures(
    shape: tuple[int | None, ...], facts: dict[str, Any], learned: str | None
) -> None:
    assert learned_polarity(live(*shape, learned=learned, **facts)) == learned


@pytest.mark.parametrize(("shape", "facts"), FORMS.values(), ids=FORMS)
def test_a_picture_the_other_way_round_is_warned_of(shape: tuple[int, ...], facts: dict[str, Any]) -> None:
    model = live(*shape, **facts)
    batch = np.stack([drawn(), 1 - drawn(), noise()]).reshape(3, *shape)

    assert polarity_warnings(batch, model, LearnedPolarity()) == [
        None,
        "The picture looks dark on light and the model answers as one trained on light on dark; if so, send it "
        "inverted or set `invert = true` in model.toml.",
        None,
    ]


def test_a_light_digit_is_warned_of_by_a_model_of_dark_ones() -> None:
    (warning,) = polarity_warnings(
        drawn()[np.newaxis, ..., np.newaxis], live(learned="dark on light"), LearnedPolarity()
    )
    assert warning is not None
    assert warning.startswith("The picture looks light on dark and the model answers as one trained on dark on light;")


def test_a_recipe_that_inverts_is_told_to_be_dropped() -> None:
    model = live(sidecar=Sidecar(preprocessing={"": {"invert": True}}))
    (warning,) = polarity_warnings(1 - drawn()[np.newaxis, ..., np.newaxis], model, LearnedPolarity())
    assert warning is not None
    assert warning.endswith("send it inverted or take `invert = true` out of model.toml.")


def test_a_model_without_polarity_warns_of_nothing() -> None:
    batch = np.stack([drawn(), 1 - drawn()])[..., np.newaxis]
    assert polarity_warnings(batch, live(learned=None), LearnedPolarity()) == [None, None]


UNASKED = {
    "colours": live(SIDE, SIDE, 3),
    "whole numbers": live(dtype="uint8"),
    "large pictures": live(224, 224, 1),
    "any size": live(None, None, 1),
    "pictures scaled one by one": live(sidecar=Sidecar(preprocessing={"": {"samplewise_center": True}})),
    "plain numbers out": live(sidecar=Sidecar(outputs={"": OutputSettings("scores")})),
}


@pytest.mark.parametrize("model", UNASKED.values(), ids=UNASKED)
def test_other_models_are_not_asked(model: LiveModel) -> None:
    assert learned_polarity(model) is None
    assert model.engine.asked == []  # type: ignore[attr-defined]


def test_a_model_of_any_size_is_asked_in_the_size_of_its_recipe() -> None:
    model = live(None, None, 1, sidecar=Sidecar(preprocessing={"": {"size": (SIDE, SIDE)}}))
    assert learned_polarity(model) == "light on dark"


def test_a_model_is_asked_once_and_only_where_a_picture_shows_a_way_round() -> None:
    model, learned = live(), LearnedPolarity()
    engine: Any = model.engine

    polarity_warnings(noise()[np.newaxis, ..., np.newaxis], model, learned)
    assert engine.asked == []
    for _ in range(2):
        polarity_warnings(drawn()[np.newaxis, ..., np.newaxis], model, learned)
    assert sum(len(one["digit"]) for one in engine.asked) == 2 * sum(map(len, stimuli(SIDE, SIDE)))


@pytest.mark.parametrize("limit", ["SECONDS", "LONGEST"])
def test_a_slow_model_is_given_up(monkeypatch: pytest.MonkeyPatch, limit: str) -> None:
    monkeypatch.setattr(polarity, limit, -1.0)
    assert learned_polarity(live()) is None


def test_others_go_without_while_one_asks() -> None:
    learned = LearnedPolarity()
    learned._lock.acquire()
    began = time.monotonic()
    assert learned.of(live()) is None
    assert time.monotonic() - began < 1


# -------------------------------------------------------------------------------------------------------- stimuli


def test_stimuli_are_light_on_dark_and_the_same_each_time() -> None:
    kinds = stimuli(20, 30)
    for kind, again in zip(kinds, stimuli(20, 30), strict=True):
        assert kind.shape == (PER_KIND, 20, 30)
        assert np.array_equal(kind, again)
        assert 0 <= kind.min() <= kind.max() <= 1
        assert np.median(kind[:, 0]) == np.median(kind[:, -1]) == 0
        assert kind.max(axis=(1, 2)).min() > 0.1
    assert len({one.tobytes() for kind in kinds for one in kind}) == PER_KIND * len(kinds)
