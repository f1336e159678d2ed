"""Owns running `convoy` as a user does."""

import os
import subprocess
import sys
from pathlib import Path


class Convoy:
    """The command in a folder of its own, with a cache of its own and no variables from outside."""

    def __init__(self, cache: Path, folder: Path, *, timeout: float = 120) -> None:
        self._environ = {name: value for name, value in os.environ.items() if not name.startswith("CONVOY_")}
        self._environ["CONVOY_CACHE_DIR"] = str(cache)
        self._folder = folder
        self._timeout = timeout

    def __call__(self, *words: object, **environ: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "service.cli", *map(str, words)]
        return subprocess.run(
            command,
            capture_output=True,
            text=True,
            cwd=self._folder,
            env=self._environ | environ,
            timeout=self._timeout,
            check=False,
        )
