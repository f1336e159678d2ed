"""The user's own Python file becomes custom objects; what is wrong with it is said in its words."""

import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from service.builder.trusted import custom_objects
from service.errors import TrustedCodeError

# What `get_registered_name` of Keras does for a class that is registered and for anything else.
REGISTERING = SimpleNamespace(
    utils=SimpleNamespace(get_registered_name=lambda one: getattr(one, "registered_as", one.__name__))
)


@pytest.fixture
def code(tmp_path: Path) -> Iterator[Path]:
    modules, path = dict(sys.modules), list(sys.path)
    yield tmp_path / "my_own_layers.py"
    for name in set(sys.modules) - set(modules):
        del sys.modules[name]
    sys.path[:] = path


def objects(code: Path, text: str) -> dict[str, Any]:
    code.write_text(text)
    return custom_objects(code, library=REGISTERING)


def test_without_a_file_there_are_none() -> None:
    assert custom_objects(None, library=REGISTERING) == {}


def test_classes_and_functions_of_the_file_are_known_by_their_names(code: Path) -> None:
    found = objects(code, "from pathlib import Path\nSIZE = 3\nclass Scale: ...\ndef bump(x): return x")

    assert set(found) == {"Scale", "bump"}
    assert found["bump"](7) == 7


def test_a_registered_class_is_known_by_its_package_too(code: Path) -> None:
    found = objects(code, "class Scale:\n    registered_as = 'mine>Scale'")

    assert set(found) == {"Scale", "mine>Scale"}
    assert found["Scale"] is found["mine>Scale"]


def test_it_may_import_what_lies_beside_it(code: Path) -> None:
    code.with_name("factors_of_mine.py").write_text("FACTOR = 3")
    found = objects(code, "from factors_of_mine import FACTOR\ndef scale(x): return FACTOR * x")

    assert found["scale"](2) == 6


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 / 0", "my_own_layers.py does not run: ZeroDivisionError: division by zero"),
        ("def bump(:", "my_own_layers.py does not run: SyntaxError: invalid syntax (my_own_layers.py, line 1)"),
        ("import nowhere", "my_own_layers.py does not run: ModuleNotFoundError: No module named 'nowhere'"),
    ],
)
def test_a_file_that_does_not_run_says_why(code: Path, text: str, message: str) -> None:
    with pytest.raises(TrustedCodeError) as caught:
        objects(code, text)

    assert caught.value.message == message
