"""When two sets of numbers from the same model count as equal.

Allowed for one value: 1e-5 + 1e-3 of that value + 1e-4 of the largest value of the same example.
"""

import math
from typing import Any

import numpy as np
import pytest

from service.model.agreement import Difference, largest_difference


def difference(found: Any, expected: Any) -> Difference:
    return largest_difference({"out": np.array(found, np.float32)}, {"out": np.array(expected, np.float32)})


def test_equal_numbers_do_not_differ() -> None:
    assert difference([[1, 2, 3]], [[1, 2, 3]]) == Difference(0.0, 0.0)


def test_a_difference_is_measured_against_value_and_largest_of_its_example() -> None:
    found = difference([[1.5, 100]], [[1, 100]])
    assert found.absolute == 0.5
    assert found.of_allowed == pytest.approx(0.5 / (1e-5 + 1e-3 * 1 + 1e-4 * 100), rel=1e-12)


def test_each_example_has_its_own_largest_value() -> None:
    found = difference([[1.5, 1], [1000, 1000]], [[1, 1], [1000, 1000]])
    assert found.of_allowed == pytest.approx(0.5 / (1e-5 + 1e-3 + 1e-4), rel=1e-12)


def test_the_size_of_a_value_counts_whatever_its_sign() -> None:
    assert difference([[-100.5, 0]], [[-100, 0]]).of_allowed == difference([[100.5, 0]], [[100, 0]]).of_allowed


def test_the_two_largest_figures_may_come_from_different_values() -> None:
    found = difference([[0.5, 1000]], [[0, 1001]])
    assert found.absolute == 1.0
    assert found.of_allowed == pytest.approx(0.5 / (1e-5 + 1e-4 * 1001), rel=1e-12)


@pytest.mark.parametrize(
    ("found", "expected", "is_allowed"),
    [
        ([[0.0]], [[0.0]], True),
        ([[0.9e-5]], [[0.0]], True),
        ([[1.1e-5]], [[0.0]], False),
        ([[1.001]], [[1.0]], True),  # 0.00111 is allowed
        ([[1.0012]], [[1.0]], False),
        ([[0.009, 100]], [[0, 100]], True),  # 0.01001 is allowed
        ([[0.011, 100]], [[0, 100]], False),
    ],
)
def test_a_difference_passes_up_to_what_is_allowed(found: Any, expected: Any, is_allowed: bool) -> None:
    assert difference(found, expected).is_allowed is is_allowed


def test_the_output_that_differs_most_decides() -> None:
    same, other = np.array([[1.0]]), np.array([[2.0]])
    found = largest_difference({"a": same, "b": other}, {"a": same, "b": same})
    assert found.absolute == 1.0
    assert not found.is_allowed


def test_not_a_number_in_the_same_place_counts_as_equal() -> None:
    assert difference([[math.nan, 1.0]], [[math.nan, 1.0]]) == Difference(0.0, 0.0)


def test_a_value_beside_not_a_number_is_still_compared() -> None:
    assert not difference([[math.nan, 2.0]], [[math.nan, 1.0]]).is_allowed


def test_infinity_in_the_same_place_counts_as_equal() -> None:
    assert difference([[math.inf, 1.0]], [[math.inf, 1.0]]) == Difference(0.0, 0.0)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([[math.nan, 1]], [[1, 1]]),
        ([[1, 1]], [[math.nan, 1]]),
        ([[math.nan, 1]], [[1, math.nan]]),
        ([[math.inf, 1]], [[1, 1]]),
        ([[math.nan, 1]], [[math.inf, 1]]),
        ([[math.inf, 1]], [[-math.inf, 1]]),
    ],
    ids=["found NaN", "expected NaN", "elsewhere", "found infinity", "NaN for infinity", "other sign"],
)
def test_other_places_of_values_that_are_not_finite_are_infinitely_far_apart(found: Any, expected: Any) -> None:
    assert difference(found, expected) == Difference(math.inf, math.inf)


@pytest.mark.parametrize(
    ("found", "expected"),
    [([[1, 2]], [[1, 2, 3]]), ([[1], [1]], [[1]]), ([1], [[1]])],
    ids=["units", "batch", "rank"],
)
def test_other_shapes_are_infinitely_far_apart(found: Any, expected: Any) -> None:
    assert difference(found, expected) == Difference(math.inf, math.inf)


@pytest.mark.parametrize("names", [(), ("a", "b"), ("b",)], ids=["missing", "more", "other"])
def test_other_names_are_infinitely_far_apart(names: tuple[str, ...]) -> None:
    one = np.array([[1.0]])
    assert largest_difference(dict.fromkeys(names, one), {"a": one}) == Difference(math.inf, math.inf)


def test_no_examples_do_not_differ() -> None:
    empty = np.zeros((0, 3), np.float32)
    assert largest_difference({"out": empty}, {"out": empty}) == Difference(0.0, 0.0)


def test_the_worse_of_two_is_taken_figure_by_figure() -> None:
    assert Difference(1.0, 0.25).worse(Difference(0.5, 0.75)) == Difference(1.0, 0.75)
