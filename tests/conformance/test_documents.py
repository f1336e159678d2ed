"""The Python on the pages for clients runs as it stands, and prints what the page says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "clients").glob("*.md"))]
SNIPPETS = [
    pytest.param(code, id=f"{page.stem}-{number}")
    for page in PAGES
    for number, code in enumerate(re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL))
]


@pytest.mark.parametrize("code", SNIPPETS)
def test_a_snippet_prints_what_the_page_says(url: str, code: str) -> None:
    expected = re.findall(r"^# (.*)$", code, re.MULTILINE)[-1]
    here = code.replace("127.0.0.1:8000", url.removeprefix("http://"))

    done = subprocess.run(
        [sys.executable, "-c", here], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] == expected
