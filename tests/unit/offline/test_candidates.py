"""Which recipes are tried, and in which of them the inputs differ."""

from dataclasses import replace

import pytest

from service.model.card import ModelCard, compose_card
from service.model.description import InputFacts, OutputFacts
from service.model.sidecar import Sidecar
from service.model.tensors import TensorSpec
from service.offline import candidates
from service.offline.candidates import Candidate
from tests import fakes


def card(*shapes: tuple[int | None, ...], **preprocessing: object) -> ModelCard:
    inputs = tuple(InputFacts(TensorSpec(f"input_{place}", shape)) for place, shape in enumerate(shapes))
    outputs = (OutputFacts(TensorSpec("answers", (None, 3)), activation="softmax"),)
    facts = replace(fakes.describe(), inputs=inputs, outputs=outputs)
    sidecar = Sidecar(preprocessing={"": preprocessing})
    return compose_card(facts, sidecar, version=1, fingerprint="0", engine="fake")


GRAY, COLOUR = (None, 8, 8, 1), (None, 8, 8, 3)


def test_colour_pictures_are_tried_in_every_scale_order_and_polarity() -> None:
    tried = candidates.finishing_candidates(card(COLOUR))

    assert len(tried) == len(set(tried)) == 5 * 2 * 2
    assert {one.scale for one in tried} == {"0..1", "-1..1", "0..255", "torch", "caffe"}


@pytest.mark.parametrize("shapes", [(GRAY,), (GRAY, GRAY)])
def test_gray_pictures_have_no_order_and_no_scale_of_three_channels(shapes: tuple[tuple[int | None, ...], ...]) -> None:
    tried = candidates.finishing_candidates(card(*shapes))

    assert {(one.scale, one.color) for one in tried} == {(scale, "rgb") for scale in ("0..1", "-1..1", "0..255")}


def test_an_order_counts_for_inputs_in_colour_alone() -> None:
    both = card(GRAY, COLOUR)
    gray, colour = both.inputs
    candidate = Candidate(scale="0..1", color="bgr")

    assert gray.recipe is not None
    assert colour.recipe is not None
    assert candidate.recipe_for(gray, gray.recipe).color == "grayscale"
    assert candidate.recipe_for(colour, colour.recipe).color == "bgr"


def test_what_is_in_force_is_among_those_tried() -> None:
    own = candidates.in_force(card(COLOUR, scale="torch", color="bgr", resize="nearest", exif=True))

    assert (own.scale, own.color, own.resize, own.exif) == ("torch", "bgr", "nearest", True)
    assert own in candidates.finishing_candidates(card(COLOUR, scale="torch", color="bgr", resize="nearest", exif=True))
    assert candidates.fitting_candidates(own)[0] == own


def test_other_fittings_keep_the_scale_and_vary_the_rest_alone() -> None:
    tried = candidates.fitting_candidates(Candidate(scale="-1..1", color="bgr", invert=True))

    assert len(tried) == len({one.fitting for one in tried}) + 1  # the one in force is among those that are tried
    assert {(one.scale, one.color, one.invert) for one in tried} == {("-1..1", "bgr", True)}


def test_inputs_with_recipes_of_their_own_are_noticed() -> None:
    assert candidates.is_one_for_all(card(GRAY, COLOUR))
    other = replace(card(GRAY, COLOUR), inputs=(card(GRAY).inputs[0], card(COLOUR, scale="caffe").inputs[0]))
    assert not candidates.is_one_for_all(other)


def test_the_plainest_comes_first() -> None:
    plain = Candidate(scale="0..1")
    others = [
        replace(plain, invert=True),
        replace(plain, color="bgr"),
        replace(plain, scale="caffe"),
        replace(plain, recipe="opencv"),
        replace(plain, recipe="teachable-machine"),
        replace(plain, fit="crop"),
        replace(plain, resize="lanczos"),
    ]

    assert all(candidates.plainness(plain) < candidates.plainness(one) for one in others)
