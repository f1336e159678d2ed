"""Owns starting a real server as a user does, and asking the machine about its processes."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

DEADLINE = 120.0


def wait_for(condition: Callable[[], Any], *, seconds: float = DEADLINE, what: str = "condition") -> Any:
    """Return the first true value of `condition`; fail after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true within {seconds:.0f} s")


class Server:
    """A `convoy serve` process of one's own."""

    def __init__(
        self, models: Path, *, log: Path, settings: Mapping[str, Any], python: str | Path = sys.executable
    ) -> None:
        self._models = models
        self._log = log
        self._settings = settings
        self._python = str(python)
        self._process: subprocess.Popen[bytes] | None = None
        self.url = ""
        self.verify: bool | str = True
        """The certificate to be trusted, where the server has one of its own."""

    def start(self, *, port: int = 0) -> "Server":
        """Start the server at a free port, or at the one that it had before."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("CONVOY_")}
        environ["CONVOY_TUNE"] = "0"  # on two cores, beside other tests, it would only take their time
        environ |= {f"CONVOY_{name.upper()}": str(value) for name, value in self._settings.items()}
        command = [self._python, "-m", "service.cli", "serve", str(self._models), "--port", str(port)]
        self._out = self._log.open("wb")
        self._process = subprocess.Popen(
            command, stdout=self._out, stderr=subprocess.STDOUT, env=environ, cwd=self._log.parent
        )
        self.url = wait_for(self._address, what="the server's address")
        return self

    def _address(self) -> str | None:
        assert self._process is not None
        if self._process.poll() is not None:
            raise AssertionError(f"the server ended with {self._process.returncode}:\n{self.log}")
        found = re.search(r"Convoy listens on (https?://\S+?)\.? ", self.log)
        return found.group(1) if found else None

    @property
    def log(self) -> str:
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def workers(self) -> list[int]:
        """Return the process ids of the web workers."""
        return sorted(pid for pid in children(self.pid) if "service.builder" not in command_line(pid))

    def wait_ready(self, *, seconds: float = DEADLINE) -> "Server":
        wait_for(self.is_ready, seconds=seconds, what="/readyz")
        return self

    def is_ready(self) -> bool:
        try:
            return self.get("/readyz").status_code == 200
        except requests.ConnectionError:
            return False

    def get(self, path: str, **kwargs: Any) -> requests.Response:
        return requests.get(self.url + path, timeout=60, verify=self.verify, **kwargs)

    def post(self, path: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return requests.post(self.url + path, data=data, timeout=60, verify=self.verify, **kwargs)

    def predict(self, model: str, data: Any = None, **kwargs: Any) -> requests.Response:
        return self.post(f"/api/models/{model}/predict", data, **kwargs)

    def states(self) -> dict[str, dict[int, str]]:
        """Return the state of every version by model name."""
        listed = self.get("/api/models").json()["models"]
        return {one["name"]: {v["version"]: v["state"] for v in one["versions"]} for one in listed}

    def wait_state(self, name: str, version: int, state: str, *, seconds: float = DEADLINE) -> None:
        wait_for(
            lambda: self.states().get(name, {}).get(version) == state,
            seconds=seconds,
            what=f"{name} version {version} {state}",
        )

    def ended(self) -> int:
        """Wait for the end of a server that was told to stop; return its exit status."""
        assert self._process is not None
        return self._process.wait(40)

    def stop(self) -> int:
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(40)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._out.close()
        return self._process.returncode


class Remote(Server):
    """A server that somebody else started; a test that wants its processes or its log skips."""

    def __init__(self, url: str) -> None:
        super().__init__(Path(), log=Path(), settings={})
        self.url = url

    @property
    def log(self) -> str:
        pytest.skip("needs the server's log")

    @property
    def pid(self) -> int:
        pytest.skip("needs the server's processes")


@contextmanager
def serving_mnist(folder: Path, bundled_models: Path, cache: Path, **settings: Any) -> Iterator[Server]:
    """Serve a copy of the bundled `mnist` in `folder` while the block runs."""
    shutil.copytree(bundled_models / "mnist", folder / "models/mnist")
    server = Server(folder / "models", log=folder / "server.log", settings={"cache_dir": cache, **settings})
    try:
        yield server.start().wait_ready()
    finally:
        server.stop()


def children(pid: int) -> list[int]:
    """Return the direct children of a process (Linux)."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(one) for one in path.read_text().split()] if path.exists() else []


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except OSError:
        return ""


def resident_mib(pid: int) -> float:
    """Return the resident memory of a process in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    assert found
    return int(found.group(1)) / 1024


def maps_tensorflow(pid: int) -> bool:
    """Return whether a process has a library of TensorFlow mapped."""
    return "tensorflow" in Path(f"/proc/{pid}/maps").read_text()
