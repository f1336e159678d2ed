"""Every recipe gives the tensor of the function that it is named after, within the bound that the page states."""

from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.parity.decoding import DECODING
from tests.parity.resizing import RESIZING
from tests.parity.rows import Row, Scope, measured
from tests.parity.scopes import quick
from tests.parity.whole import WHOLE

PAGE = (ROOT / "docs/preprocessing.md").read_text("utf-8")

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


@pytest.mark.parametrize("row", [*DECODING, *RESIZING, *WHOLE], ids=str)
def test_the_page_states_the_bound_that_is_tested(row: Row) -> None:
    (line,) = (one for one in PAGE.splitlines() if one.startswith(f"| `{row.recipe}` | {row.what} |"))

    *_, largest, _, allowed = (cell.strip() for cell in line.strip("|").split("|"))
    assert float(allowed) == row.bound
    assert float(largest) <= row.bound
