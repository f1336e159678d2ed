"""Numbers become the colours of the tables, and what is no number its own."""

import numpy as np

from service.explain.colour import INFERNO, NOT_FINITE, VIRIDIS, painted


def test_the_tables_begin_and_end_as_they_were_published() -> None:
    assert VIRIDIS[[0, -1]].tolist() == [[68, 1, 84], [253, 231, 37]]
    assert INFERNO[[0, -1]].tolist() == [[0, 0, 4], [252, 255, 164]]


def test_lightness_rises_all_the_way() -> None:
    weights = np.array([0.2126, 0.7152, 0.0722])
    for table in (VIRIDIS, INFERNO):
        assert (np.diff(table @ weights) > -0.75).all()


def test_the_least_value_has_the_first_colour_and_the_greatest_the_last() -> None:
    found = painted(np.array([[-2.0, 3.0, 0.5]]), VIRIDIS, low=-2, high=3)
    assert found.tolist() == [[VIRIDIS[0].tolist(), VIRIDIS[255].tolist(), VIRIDIS[128].tolist()]]


def test_what_is_not_finite_has_a_colour_of_its_own() -> None:
    found = painted(np.array([np.nan, np.inf, -np.inf, 1], np.float32), VIRIDIS, low=0, high=1)
    assert (found[:3] == NOT_FINITE).all()
    assert found[3].tolist() == VIRIDIS[255].tolist()


def test_values_that_are_all_alike_have_the_first_colour() -> None:
    assert (painted(np.full((2, 2), 7.0), VIRIDIS, low=7, high=7) == VIRIDIS[0]).all()
