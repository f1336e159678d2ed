"""The measures, against cases worked out by hand."""

import math

import numpy as np
import pytest

from service.offline import measures


def test_the_interval_of_a_share_is_wilsons() -> None:
    # 81 of 263: 0.255289 to 0.366207, from Newcombe (1998), table I, method 3.
    low, high = measures.wilson_interval(81, 263)

    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)


@pytest.mark.parametrize(("right", "count"), [(0, 0), (0, 5), (5, 5), (1, 1)])
def test_the_interval_stays_within_0_and_1_and_holds_the_share(right: int, count: int) -> None:
    low, high = measures.wilson_interval(right, count)

    assert 0 <= low < high <= 1
    assert count == 0 or low <= right / count <= high


def test_the_log_loss_is_that_of_the_true_class() -> None:
    values = np.array([[0.5, 0.5], [0.9, 0.1]], np.float32)

    losses = measures.log_losses(values, np.array([0, 1]))

    np.testing.assert_allclose(losses, [math.log(2), math.log(10)], rtol=1e-6)


def test_sigmoids_are_brought_to_a_sum_of_1_before_the_log_loss() -> None:
    values = np.array([[0.9, 0.9, 0.9], [0.0, 0.0, 0.0]], np.float32)

    losses = measures.log_losses(values, np.array([0, 2]))

    np.testing.assert_allclose(losses, [math.log(3), math.log(3)], rtol=1e-6)


def test_a_probability_of_0_costs_what_the_floor_says_and_one_of_1_is_not_free() -> None:
    values = np.array([[1.0, 0.0], [1.0, 0.0], [math.nan, 1.0]], np.float32)

    losses = measures.log_losses(values, np.array([0, 1, 0]), floor=0.01)

    np.testing.assert_allclose(losses, [-math.log(0.99), math.log(100), math.log(100)], rtol=1e-6)


def test_a_temperature_makes_answers_surer_and_leaves_their_order() -> None:
    values = np.array([[0.8, 0.2], [0.8, 0.2]], np.float32)

    losses = measures.tempered_losses(values, np.array([0, 1]), floor=1e-9)

    assert losses.shape == (len(measures.TEMPERATURES), 2)
    np.testing.assert_allclose(losses[measures.TEMPERATURES.index(1.0)], -np.log([0.8, 0.2]), rtol=1e-6)
    np.testing.assert_allclose(losses[measures.TEMPERATURES.index(0.5)], -np.log([16 / 17, 1 / 17]), rtol=1e-6)
    np.testing.assert_allclose(losses[-1], np.log(2), atol=0.01)


def test_the_calibration_error_weighs_each_bin_by_its_pictures() -> None:
    # Two bins hold pictures: 0.9 with half right, off by 0.4, and 0.3 all right, off by 0.7.
    confidence = np.array([0.9, 0.9, 0.9, 0.9, 0.3])
    right = np.array([True, True, False, False, True])

    assert measures.calibration_error(confidence, right) == pytest.approx((4 * 0.4 + 1 * 0.7) / 5)


def test_a_bin_holds_its_upper_edge() -> None:
    # With 2 bins, 0.5 belongs to the lower one: 0.2 and 0.5, one right of two, make |1 - 0.7| / 2.
    error = measures.calibration_error(np.array([0.2, 0.5]), np.array([True, False]), bins=2)

    assert error == pytest.approx(0.3 / 2)


@pytest.mark.parametrize("confidence", [0.0, 1.0])
def test_the_ends_of_the_range_have_a_bin(confidence: float) -> None:
    assert measures.calibration_error(np.array([confidence]), np.array([True])) == pytest.approx(1 - confidence)


def test_rows_of_the_confusion_are_true_classes() -> None:
    confusion = measures.confusion_matrix(np.array([0, 0, 1]), np.array([0, 2, 1]), 3)

    assert confusion.tolist() == [[1, 0, 1], [0, 1, 0], [0, 0, 0]]


def test_recall_and_precision_of_nothing_are_not_known() -> None:
    one, two, none = measures.class_measures(np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]]), ("a", "b", "c"))

    assert (one.recall, one.precision) == (0.5, 1.0)
    assert (two.recall, two.precision, two.answered) == (1.0, 2 / 3, 3)
    assert (none.recall, none.precision, none.pictures) == (None, None, 0)


def test_the_true_class_among_the_highest_counts_for_top_k() -> None:
    values = np.array([[0.1, 0.2, 0.7], [0.5, 0.3, 0.2], [math.nan, 0.4, 0.6]], np.float32)

    assert measures.is_among_top(values, np.array([1, 2, 0]), k=2).tolist() == [True, False, False]


def test_mcnemars_test_is_exact_and_two_sided() -> None:
    # 2 * (1 + 10 + 45) / 2**10
    assert measures.mcnemar_p(2, 8) == pytest.approx(112 / 1024)
    assert measures.mcnemar_p(8, 2) == pytest.approx(112 / 1024)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (5, 5)])
def test_an_even_split_proves_nothing(first: int, second: int) -> None:
    assert measures.mcnemar_p(first, second) == 1.0


def test_the_tail_of_guessing_is_that_of_the_binomial() -> None:
    assert measures.binomial_tail(2, 2, chance=0.5) == pytest.approx(0.25)
    assert measures.binomial_tail(3, 4, chance=0.5) == pytest.approx(5 / 16)
    assert measures.binomial_tail(0, 7, chance=0.1) == pytest.approx(1)
    assert measures.binomial_tail(3, 3, chance=1) == 1
