"""Fills in README.md what the running program says: `python docs/readme.py`, while `make run` serves."""

import re
import sys
import tomllib
import urllib.request
from dataclasses import fields
from pathlib import Path
from typing import Any

import orjson

from service.settings import Settings

ROOT = Path(__file__).resolve().parent.parent
README = ROOT / "README.md"
PICTURE = ROOT / "examples/seven-light-on-dark.png"
URL = "http://127.0.0.1:8000/api/models/mnist/predict?top_k=2"
_SERVED = [one for one in fields(Settings) if one.name != "models_dir"]


def settings_table() -> str:
    """Return one row per setting: option, variable, default, meaning."""
    rows = [
        f"| {_option(one)} | `CONVOY_{one.name.upper()}` | {_default(one)} | {one.metadata['help']} |"
        for one in _SERVED
    ]
    head = "| option | variable | default | |\n|---|---|---|---|\n"
    first = "| first argument | `CONVOY_MODELS_DIR` | `models` | Folder with saved models, or one saved file. |\n"
    return head + first + "\n".join(rows)


def _option(one: Any) -> str:
    # What must not be seen in a list of processes is no option.
    return f"`--{one.name.replace('_', '-')}`" if one.repr else "the variable alone"


def _default(one: Any) -> str:
    named = {
        "workers": "one per core",
        "build_memory": "half of it",
        "cache_dir": "`~/.cache/convoy`",
        "runtime_dir": "temporary",
    }
    if one.name in named or one.default in (None, ()):
        return named.get(one.name, "none")
    return f"`{_shown(one.default)}`"


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(int(value))
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if isinstance(value, int) and value % size == 0 and value:
            return f"{value // size}{unit}"
    return f"{value:g}" if isinstance(value, float) else str(value)


def models_table() -> str:
    """Return one row per bundled model, from its sidecar: what it tells apart, accuracy on pictures held out, size."""
    rows = []
    for sidecar in sorted((ROOT / "models").glob("*/1/model.toml")):
        said = tomllib.loads(sidecar.read_text("utf-8"))
        size = sidecar.with_name("model.keras").stat().st_size
        name = sidecar.parent.parent.name
        accuracy = f"{100 * said['provenance']['accuracy']:.2f} %"
        rows.append(
            f"| [`{name}`](models/{name}/README.md) | {said['description']} | {accuracy} | {size / 1e6:.2f} MB |"
        )
    return "| model | tells apart | accuracy | file |\n|---|---|---|---|\n" + "\n".join(rows)


def answer(body: bytes) -> str:
    """Return an answer as README shows it: one line per part that fits one, every number as the server wrote it."""
    text = orjson.dumps(orjson.loads(body), option=orjson.OPT_INDENT_2).decode()
    text = re.sub(r"\[\s+([-\d.,e\s]+?)\s+\]", lambda found: "[" + " ".join(found.group(1).split()) + "]", text)
    text = re.sub(r"\{\s+([^{}]*?)\s+\}", lambda found: "{" + " ".join(found.group(1).split()) + "}", text)
    return f"```json\n{text}\n```"


def filled(readme: str, parts: dict[str, str]) -> str:
    """Return the README with what stands between its markers replaced."""
    for name, text in parts.items():
        begin, end = f"<!-- {name}:begin -->", f"<!-- {name}:end -->"
        before, _, rest = readme.partition(begin)
        readme = f"{before}{begin}\n{text}\n{end}{rest.partition(end)[2]}"
    return readme


def main() -> None:
    request = urllib.request.Request(URL, data=PICTURE.read_bytes(), method="POST")
    with urllib.request.urlopen(request, timeout=30) as response:
        body = response.read()
    parts = {"answer": answer(body), "models": models_table(), "settings": settings_table()}
    README.write_text(filled(README.read_text("utf-8"), parts), "utf-8")


if __name__ == "__main__":
    sys.exit(main())
