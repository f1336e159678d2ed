"""The examples of the API's description, and the README's answer, are what the server answers."""

import importlib.util
import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
_VARY = {"built_with", "verification", "held_by", "workers"}  # with the releases of libraries, and the machine


def generator() -> Any:
    spec = importlib.util.spec_from_file_location("openapi", ROOT / "docs/openapi.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(found: Any, written: Any, where: str) -> None:
    """Fail where the two differ by more than the last digits of a float."""
    assert type(found) is type(written), where
    if isinstance(written, dict):
        assert found.keys() == written.keys(), where
        for key in written.keys() - _VARY:
            compare(found[key], written[key], f"{where}.{key}")
    elif isinstance(written, list):
        assert len(found) == len(written), where
        for index, pair in enumerate(zip(found, written, strict=True)):
            compare(*pair, f"{where}[{index}]")
    elif isinstance(written, float):
        assert found == pytest.approx(written, rel=1e-3, abs=1e-6), where
    else:
        assert found == written, where


def test_the_examples_are_what_the_server_answers(mnist_server: Server) -> None:
    module = generator()
    written = json.loads(module.EXAMPLES.read_text("utf-8"))
    compare(module.examples(mnist_server.url), written, "examples")


def test_the_readmes_command_gets_the_readmes_answer(mnist_server: Server) -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    picture, path = re.search(r"--data-binary @(\S+) 'http://127\.0\.0\.1:8000(\S+)'", readme).groups()  # type: ignore[union-attr]
    written = readme.partition("<!-- answer:begin -->\n```json\n")[2].partition("```")[0]

    found = mnist_server.post(path, (ROOT / picture).read_bytes()).json()

    compare(found, json.loads(written), "README.md")
