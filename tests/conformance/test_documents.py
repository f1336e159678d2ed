"""The Python, JavaScript and shell on the pages for clients run as they stand, and print what the page says."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
PAGES = [README, *sorted((ROOT / "docs" / "clients").glob("*.md"))]


def snippets(language: str, pages: list[Path]) -> list[object]:
    return [
        pytest.param(code, id=f"{page.stem}-{number}")
        for page in pages
        for number, code in enumerate(re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
    ]


def printed(command: list[str], code: str, url: str) -> str:
    """Return the last line that a snippet prints when it asks the server at `url`."""
    here = code.replace("127.0.0.1:8000", url.removeprefix("http://"))
    done = subprocess.run([*command, here], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip().splitlines()[-1]


def promised(code: str, mark: str) -> str:
    return str(re.findall(rf"^{mark} (.*)$", code, re.MULTILINE)[-1])


@pytest.mark.parametrize("code", snippets("python", PAGES))
def test_python_prints_what_the_page_says(url: str, code: str) -> None:
    assert printed([sys.executable, "-c"], code, url) == promised(code, "#")


@pytest.mark.skipif(shutil.which("node") is None, reason="needs Node.js")
@pytest.mark.parametrize("code", snippets("js", [README]))
def test_javascript_prints_what_the_page_says(url: str, code: str) -> None:
    assert printed(["node", "--input-type=module", "-e"], code, url) == promised(code, "//")


@pytest.mark.parametrize("code", snippets("bash", [README]))
def test_curl_is_answered_with_the_models_own_outputs(url: str, code: str) -> None:
    command = ["bash", "-euo", "pipefail", "-c"]
    body = code.replace("127.0.0.1:8000", url.removeprefix("http://"))

    done = subprocess.run([*command, body], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 0, done.stderr
    (outputs,) = json.loads(done.stdout)["predictions"]
    assert outputs.index(max(outputs)) == 7
