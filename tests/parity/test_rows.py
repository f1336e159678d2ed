"""Every recipe gives the tensor of the function that it is named after, within the bound that the page states."""

from pathlib import Path

import pytest

from tests.parity.rows import DECODING, RESIZING, WHOLE, Row, Scope, measured
from tests.parity.scopes import quick

# What Keras and Pillow say while they do as they are asked.
pytestmark = [
    pytest.mark.filterwarnings("ignore:Palette images with Transparency:UserWarning"),
    pytest.mark.filterwarnings("ignore:This ImageDataGenerator specifies:UserWarning"),
]


@pytest.fixture(scope="module")
def scope(examples: Path) -> Scope:
    return quick(examples)


@pytest.mark.parametrize("row", [*DECODING, *RESIZING, *WHOLE], ids=str)
def test_a_recipe_gives_the_tensor_of_its_function(row: Row, scope: Scope) -> None:
    found = measured(row.pairs(scope))

    assert found.pairs > 0
    assert found.largest <= row.bound, found
