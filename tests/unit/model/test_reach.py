"""How far scales reach, against the pixels that they are applied to."""

from typing import Any

import pytest

from service.model.reach import is_near, reach_in_words, reach_of
from service.model.recipe import MeanStd, Rescale


@pytest.mark.parametrize(
    ("scale", "reach"),
    [
        ("0..255", (0, 255)),
        ("0..1", (0, 1)),
        ("-1..1", (-1, 1)),
        ("caffe", (0 - 123.68, 255 - 103.939)),
        ("torch", ((0 - 0.485) / 0.229, (1 - 0.406) / 0.225)),
        (MeanStd((0.5, 0.4), (0.5, 0.2)), (-2, 3)),
        (MeanStd((0.5,), (-0.5,)), (-1, 1)),
        (Rescale(1 / 127.5, -1), (-1, 1)),
        (Rescale(-1, 255), (0, 255)),
    ],
)
def test_a_scale_reaches_as_far_as_its_farthest_channel(scale: Any, reach: tuple[float, float]) -> None:
    assert reach_of(scale) == pytest.approx(reach, abs=1e-3)


def test_a_reach_has_a_name_or_two_ends() -> None:
    assert (reach_in_words("torch"), reach_in_words(Rescale(1 / 255, -0.5))) == ("torch", "-0.5..0.5")


@pytest.mark.parametrize(("one", "near"), [((0.05, 0.95), True), ((0, 2), False), ((-1, 1), False)])
def test_reaches_are_near_within_a_tenth(one: tuple[float, float], near: bool) -> None:
    assert is_near(one, (0, 1)) is near
