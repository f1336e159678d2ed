"""A class is found by its label or its index, and its odds are those of the head."""

import math

import numpy as np
import pytest

from service.errors import MisfitError
from service.explain.target import Target, class_called, output_called, target_of
from service.model.card import OutputCard
from service.model.description import OutputFacts
from service.model.head import Head, class_count, to_class_values
from service.model.tensors import TensorSpec
from tests.fakes import card_of, describe

UNITS: dict[Head, int] = {
    "softmax": 3,
    "logits": 3,
    "binary": 1,
    "binary-logit": 1,
    "sigmoid-exclusive": 3,
    "multi-label": 3,
    "scores": 3,
}


def output(head: Head = "softmax", labels: tuple[str, ...] = ("cat", "dog", "7")) -> OutputCard:
    units = UNITS[head]
    return OutputCard(TensorSpec("kind", (None, units)), head, "graph", labels[: class_count(head, units)], "sidecar")


def test_a_label_wins_over_an_index() -> None:
    numbered = output(labels=("2", "1", "0"))
    assert [class_called(numbered, text) for text in ("2", "1", "0")] == [0, 1, 2]
    assert class_called(output(), "1") == 1


@pytest.mark.parametrize("text", ["3", "-1", "99999999999999", "²", "", "1.0"])
def test_a_class_that_is_not_there_is_refused(text: str) -> None:
    with pytest.raises(MisfitError, match=r"There is no class .* from 0 to 2"):
        class_called(output(), text)


def test_the_nearest_label_is_named() -> None:
    with pytest.raises(MisfitError, match="Did you mean 'dog'"):
        class_called(output(), "dogs")


@pytest.mark.parametrize("head", ["softmax", "logits", "sigmoid-exclusive", "multi-label", "binary", "binary-logit"])
def test_odds_are_the_logarithm_of_the_odds_of_the_probability(head: Head) -> None:
    raw = {
        "softmax": [[0.2, 0.7, 0.1]],
        "logits": [[0.3, 2.0, -1.0]],
        "sigmoid-exclusive": [[0.2, 0.7, 0.6]],
        "multi-label": [[0.2, 0.7, 0.6]],
        "binary": [[0.3]],
        "binary-logit": [[-2.0]],
    }
    rows = np.array(raw[head], np.float32)
    values = to_class_values(rows, head)[0]
    for index, value in enumerate(values):
        found = Target(output(head), index, float(value)).odds(rows)
        assert found == pytest.approx([math.log(value / (1 - value))], rel=1e-4)


def test_the_odds_of_scores_are_the_score() -> None:
    assert Target(output("scores"), 1, 5.0).odds(np.array([[1, 5, 2]], np.float32)).tolist() == [5.0]


def test_odds_still_move_where_the_probability_does_not() -> None:
    surer = np.array([[1, 1e-20, 1e-25], [1, 1e-12, 1e-25]], np.float32)
    first, second = Target(output(), 0, 1.0).odds(surer)
    assert first > second + 10


def test_the_weights_are_one_hot_and_of_a_binary_head_the_sign() -> None:
    assert Target(output(), 2, 0.1).weights(1).tolist() == [[0, 0, 1]]
    assert [Target(output("binary"), index, 0.5).weights(1).tolist() for index in (0, 1)] == [[[-1]], [[1]]]


def test_without_a_class_it_is_the_predicted_one() -> None:
    assert target_of(output(), np.array([[0.2, 0.7, 0.1]], np.float32), None).label == "dog"
    assert target_of(output("binary"), np.array([[0.2]], np.float32), None).label == "cat"


def test_an_output_that_is_a_map_has_nothing_to_explain() -> None:
    card = card_of(describe(outputs=[OutputFacts(TensorSpec("map", (None, 2, 2, 3)))]))
    with pytest.raises(MisfitError, match="answers in maps"):
        output_called(card, None)


def test_an_output_that_is_not_there_is_refused() -> None:
    with pytest.raises(MisfitError, match="'kind' is no output with classes; this model has corners"):
        output_called(card_of(describe()), "kind")
