"""How heat lies over the picture: about the middle of what a cell looks at, which a unit's region tells."""

import numpy as np
import pytest

from service.explain.spread import spread_of
from service.model.insight import CamTap
from tests.fakes import card_of, describe


def test_without_a_layer_to_ask_cells_lie_evenly() -> None:
    rows, columns = spread_of(card_of(describe()), CamTap("v", "gone", ()), "pixels", cells=(2, 4), size=(8, 8))

    assert rows.shape == (8, 2)
    assert columns.shape == (8, 4)
    assert rows.sum(axis=1) == pytest.approx(1)
    assert columns @ np.array([0.5, 2.5, 4.5, 6.5]) == pytest.approx([0.5, 1, 2, 3, 4, 5, 6, 6.5])


def test_what_sees_the_whole_picture_lies_evenly() -> None:
    rows, _ = spread_of(card_of(describe()), CamTap("corners", "flatten", ()), "pixels", cells=(1, 1), size=(2, 2))

    assert rows == pytest.approx(np.ones((2, 1)))
