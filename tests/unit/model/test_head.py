"""The heads of DESIGN section 6: which one a model has, and the answer each gives."""

import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.model.head import Answer, Head, as_numbers, class_count, guess_head, interpret
from tests.fakes import softmax

NOT_FINITE = "The model's output is not finite (NaN or infinity); such values are given as null."
LABELS = ("cat", "dog", "owl")


def answer(
    row: list[float], head: Head, *, labels: tuple[str, ...] = LABELS, top_k: int = 5, threshold: float = 0.5
) -> Answer:
    outputs = np.array([row], np.float32)
    (found,) = interpret(outputs, head=head, labels=labels, top_k=top_k, threshold=threshold)
    return found


def sigmoid(logit: float) -> float:
    return 1 / (1 + math.exp(-logit))


def floats(*values: float) -> NDArray[np.float32]:
    return np.array(values, np.float32)


# ---------------------------------------------------------------------------------- which head a model has

GUESSES: dict[str, tuple[int, str | None, str | None, Head]] = {
    "softmax": (10, "softmax", None, "softmax"),
    "softmax, whatever the loss": (10, "softmax", "mse", "softmax"),
    "softmax of one unit is always 1": (1, "softmax", None, "scores"),
    "one sigmoid": (1, "sigmoid", "binary_crossentropy", "binary"),
    "one sigmoid, no loss": (1, "sigmoid", None, "binary"),
    "several sigmoids, no loss": (5, "sigmoid", None, "multi-label"),
    "several sigmoids, yes-or-no loss": (5, "sigmoid", "binary_crossentropy", "multi-label"),
    "several sigmoids, one-of-many loss": (5, "sigmoid", "categorical_crossentropy", "sigmoid-exclusive"),
    "several sigmoids, loss on indices": (5, "sigmoid", "sparse_categorical_crossentropy", "sigmoid-exclusive"),
    "several linear units": (10, "linear", None, "logits"),
    "several units, activation not known": (10, None, "sparse_categorical_crossentropy", "scores"),
    "one linear unit": (1, "linear", None, "binary-logit"),
    "one linear unit, yes-or-no loss": (1, "linear", "binary_crossentropy", "binary-logit"),
    "one unit, activation not known": (1, None, None, "scores"),
    "regression of one number": (1, "linear", "mean_squared_error", "scores"),
    "regression of several numbers": (4, "linear", "mse", "scores"),
    "regression, absolute error": (4, "linear", "mae", "scores"),
    "regression, Huber": (1, "linear", "huber", "scores"),
    "tanh": (10, "tanh", None, "scores"),
    "relu": (10, "relu", "categorical_crossentropy", "scores"),
}

LOSS_OBJECTS: dict[str, tuple[int, str, str, Head]] = {
    "one-of-many loss": (5, "sigmoid", "CategoricalCrossentropy", "sigmoid-exclusive"),
    "loss on indices": (5, "sigmoid", "SparseCategoricalCrossentropy", "sigmoid-exclusive"),
    "yes-or-no loss": (5, "sigmoid", "BinaryCrossentropy", "multi-label"),
    "squared error": (4, "linear", "MeanSquaredError", "scores"),
    "absolute error": (1, "linear", "MeanAbsoluteError", "scores"),
    "Huber": (1, "linear", "Huber", "scores"),
    "log cosh": (1, "linear", "LogCosh", "scores"),
}


@pytest.mark.parametrize(("units", "activation", "loss", "head"), GUESSES.values(), ids=GUESSES)
def test_the_head_follows_from_units_activation_and_loss(
    units: int, activation: str | None, loss: str | None, head: Head
) -> None:
    assert guess_head(units=units, activation=activation, loss=loss) == head


@pytest.mark.parametrize(("units", "activation", "loss", "head"), LOSS_OBJECTS.values(), ids=LOSS_OBJECTS)
def test_a_loss_compiled_as_an_object_counts_like_its_name(units: int, activation: str, loss: str, head: Head) -> None:
    assert guess_head(units=units, activation=activation, loss=loss) == head


@pytest.mark.parametrize(
    ("head", "units", "classes"),
    [
        ("softmax", 10, 10),
        ("logits", 10, 10),
        ("binary", 1, 2),
        ("binary-logit", 1, 2),
        ("sigmoid-exclusive", 5, 5),
        ("multi-label", 5, 5),
        ("scores", 4, 4),
        ("scores", 1, 1),
    ],
)
def test_a_head_stands_for_so_many_classes(head: Head, units: int, classes: int) -> None:
    assert class_count(head, units) == classes


# ------------------------------------------------------------------------------------- what each head answers


def test_softmax_outputs_are_the_probabilities_untouched() -> None:
    found = answer([0.2, 0.7, 0.1], "softmax")
    np.testing.assert_array_equal(found.values, floats(0.2, 0.7, 0.1))
    assert (found.best.label, found.best.index, found.best.value) == ("dog", 1, float(np.float32(0.7)))
    assert found.warnings == ()


def test_logits_become_their_softmax() -> None:
    found = answer([2.0, 1.0, 0.1], "logits")
    np.testing.assert_allclose(found.values, softmax([[2.0, 1.0, 0.1]])[0], rtol=1e-6)
    assert found.best.label == "cat"


def test_logits_say_that_softmax_was_applied() -> None:
    assert answer([2.0, 1.0, 0.1], "logits").warnings == ("The model ends in logits; softmax was applied to them.",)


def test_large_logits_do_not_overflow() -> None:
    found = answer([1000.0, 999.0, -1000.0], "logits")
    np.testing.assert_allclose(found.values, [sigmoid(1), sigmoid(-1), 0], rtol=1e-6)


def test_one_sigmoid_gives_two_classes() -> None:
    found = answer([0.75], "binary", labels=("cat", "dog"))
    np.testing.assert_array_equal(found.values, floats(0.25, 0.75))
    assert [(one.label, one.value) for one in found.top] == [("dog", 0.75), ("cat", 0.25)]
    assert found.best == found.top[0]
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("probability", "threshold", "label"),
    [(0.5, 0.5, "dog"), (0.4375, 0.5, "cat"), (0.75, 0.875, "cat"), (0.25, 0.125, "dog"), (0.875, 0.875, "dog")],
)
def test_the_threshold_decides_between_two_classes(probability: float, threshold: float, label: str) -> None:
    found = answer([probability], "binary", labels=("cat", "dog"), threshold=threshold)
    assert found.best.label == label
    assert found.best.value == (probability if label == "dog" else 1 - probability)


def test_one_linear_unit_becomes_the_sigmoid_of_it() -> None:
    found = answer([0.8], "binary-logit", labels=("cat", "dog"))
    np.testing.assert_allclose(found.values, [1 - sigmoid(0.8), sigmoid(0.8)], rtol=1e-6)
    assert found.best.label == "dog"


def test_one_linear_unit_says_that_sigmoid_was_applied() -> None:
    found = answer([0.8], "binary-logit", labels=("cat", "dog"))
    assert found.warnings == ("The model ends in a logit; sigmoid was applied to it.",)


@pytest.mark.parametrize(("logit", "values"), [(-500.0, [1, 0]), (500.0, [0, 1])])
def test_a_large_logit_does_not_overflow(logit: float, values: list[float]) -> None:
    np.testing.assert_array_equal(answer([logit], "binary-logit", labels=("cat", "dog")).values, values)


def test_exclusive_sigmoids_give_one_label_with_its_own_sigmoid() -> None:
    found = answer([0.75, 0.875, 0.25], "sigmoid-exclusive")
    np.testing.assert_array_equal(found.values, floats(0.75, 0.875, 0.25))
    assert (found.best.label, found.best.value) == ("dog", 0.875)
    assert found.chosen is None


def test_multi_label_chooses_every_class_at_or_over_the_threshold() -> None:
    found = answer([0.75, 0.25, 0.5], "multi-label")
    assert found.chosen is not None
    assert [(one.label, one.index, one.value) for one in found.chosen] == [("cat", 0, 0.75), ("owl", 2, 0.5)]


def test_multi_label_may_choose_none() -> None:
    assert answer([0.75, 0.25, 0.5], "multi-label", threshold=0.875).chosen == ()


def test_scores_are_the_numbers_themselves_and_no_probabilities() -> None:
    found = answer([-3.0, 12.5, 0.0], "scores")
    np.testing.assert_array_equal(found.values, floats(-3, 12.5, 0))
    assert (found.best.label, found.best.value) == ("dog", 12.5)
    assert not found.is_probability


@pytest.mark.parametrize("head", ["softmax", "logits", "sigmoid-exclusive", "multi-label"])
def test_other_heads_give_probabilities(head: Head) -> None:
    assert answer([0.5, 0.25, 0.25], head).is_probability


# ------------------------------------------------------------------------------------------------- ranking


def test_classes_are_ranked_in_falling_order() -> None:
    assert [one.index for one in answer([0.25, 0.125, 0.625], "softmax").top] == [2, 0, 1]


def test_equal_classes_are_ranked_in_class_order() -> None:
    assert [one.index for one in answer([0.25, 0.375, 0.375], "softmax").top] == [1, 2, 0]


@pytest.mark.parametrize(("top_k", "ranked"), [(0, 0), (1, 1), (2, 2), (3, 3), (99, 3)])
def test_top_k_ranks_so_many_classes_and_never_more_than_there_are(top_k: int, ranked: int) -> None:
    assert len(answer([0.25, 0.125, 0.625], "softmax", top_k=top_k).top) == ranked


def test_the_best_class_is_known_even_where_none_is_ranked() -> None:
    assert answer([0.25, 0.125, 0.625], "softmax", top_k=0).best.label == "owl"


def test_each_example_gets_its_own_answer() -> None:
    outputs = np.array([[0.75, 0.25, 0], [0, 0.25, 0.75]], np.float32)
    answers = interpret(outputs, head="softmax", labels=LABELS, top_k=1)
    assert [one.best.label for one in answers] == ["cat", "owl"]


def test_outputs_of_several_axes_count_as_one_row_of_classes() -> None:
    outputs = np.array([[[[0.25, 0.75, 0.0]]]], np.float32)
    (found,) = interpret(outputs, head="softmax", labels=LABELS, top_k=3)
    assert found.best.label == "dog"


# ---------------------------------------------------------------------------------------- not finite outputs


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf], ids=["NaN", "infinity", "minus infinity"])
@pytest.mark.parametrize("head", ["softmax", "sigmoid-exclusive", "multi-label", "scores"])
def test_a_value_that_is_not_finite_is_none_ranks_last_and_is_warned_of(head: Head, bad: float) -> None:
    found = answer([0.25, bad, 0.5], head)
    assert [(one.label, one.value) for one in found.top] == [("owl", 0.5), ("cat", 0.25), ("dog", None)]
    assert found.warnings == (NOT_FINITE,)


@pytest.mark.parametrize("bad", [math.nan, math.inf], ids=["NaN", "infinity"])
def test_a_logit_that_is_not_finite_leaves_no_class_a_probability(bad: float) -> None:
    found = answer([0.25, bad, 0.5], "logits")
    assert [one.value for one in found.top] == [None, None, None]
    assert found.warnings == ("The model ends in logits; softmax was applied to them.", NOT_FINITE)


@pytest.mark.parametrize("head", ["binary", "binary-logit"])
def test_one_unit_that_is_not_a_number_leaves_neither_class_a_probability(head: Head) -> None:
    found = answer([math.nan], head, labels=("cat", "dog"))
    assert [one.value for one in (found.best, *found.top)] == [None, None, None]
    assert found.warnings[-1] == NOT_FINITE


def test_a_class_that_is_not_a_number_is_never_chosen() -> None:
    found = answer([math.nan, 0.75, 0.25], "multi-label")
    assert found.chosen is not None
    assert [one.label for one in found.chosen] == ["dog"]


def test_one_bad_example_leaves_the_others_without_a_warning() -> None:
    outputs: Any = np.array([[math.nan, 0, 1], [0.25, 0.25, 0.5]], np.float32)
    bad, good = interpret(outputs, head="softmax", labels=LABELS, top_k=1)
    assert (bad.warnings, good.warnings) == ((NOT_FINITE,), ())


# --------------------------------------------------------------------------------------- outputs without classes


@pytest.mark.parametrize("dtype", ["float32", "float16", "int64", "bool"])
def test_an_output_without_classes_is_answered_by_its_numbers_in_their_own_shape(dtype: str) -> None:
    outputs = np.arange(12).reshape(2, 3, 2).astype(dtype)
    answers = as_numbers(outputs)
    np.testing.assert_array_equal([one.values for one in answers], outputs)
    assert [(one.values.shape, str(one.values.dtype), one.warnings) for one in answers] == [((3, 2), dtype, ())] * 2


def test_numbers_that_are_not_finite_are_warned_of_in_their_own_example_alone() -> None:
    bad, good = as_numbers(np.array([[[1, math.nan]], [[1, 2]]], np.float32))
    assert (bad.warnings, good.warnings) == ((NOT_FINITE,), ())
