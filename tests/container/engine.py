"""Owns what tests of containers share: the engine's client, and a container of one's own."""

import json
import os
import subprocess
import time
import uuid
from typing import Any

import requests

from tests.servers import wait_for

IMAGE = os.environ.get("CONVOY_TEST_IMAGE", "")
SLIM = os.environ.get("CONVOY_TEST_SLIM_IMAGE", "")
WITHOUT = "needs images to test (CONVOY_TEST_IMAGE and CONVOY_TEST_SLIM_IMAGE, or `make test-image`)"


def docker(*words: str, check: bool = True) -> str:
    """Run the engine's client; return what it printed on both streams."""
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}"
    return done.stdout.strip()


class Container:
    """A container of one's own, its port 8000 published on a free port of the loopback address."""

    def __init__(self, *options: str, command: tuple[str, ...] = (), image: str = IMAGE) -> None:
        self.name = f"convoy-test-{uuid.uuid4().hex[:12]}"
        self.began = time.monotonic()
        docker("run", "--detach", "--name", self.name, "--publish", "127.0.0.1::8000", *options, image, *command)
        self.url = ""

    @property
    def log(self) -> str:
        return docker("logs", self.name)

    def inspect(self, what: str) -> Any:
        return json.loads(docker("inspect", "--format", f"{{{{json {what}}}}}", self.name))

    def _ask(self, method: str, path: str, **kwargs: Any) -> requests.Response | None:
        """Ask once; return None while nobody listens (the engine's proxy accepts before the server does)."""
        try:
            self.url = self.url or f"http://{docker('port', self.name, '8000/tcp')}"
            return requests.request(method, self.url + path, timeout=60, **kwargs)
        except requests.ConnectionError:
            assert self.inspect(".State.Running"), self.log
            return None

    def until(self, path: str, *, data: bytes | None = None) -> requests.Response:
        """Ask (POST where there is `data`) until the answer is 200; return it."""

        def good() -> requests.Response | None:
            answer = self._ask("GET" if data is None else "POST", path, data=data)
            return answer if answer is not None and answer.status_code == 200 else None

        found: requests.Response = wait_for(good, what=f"200 from {path}")
        return found

    def stop(self) -> tuple[int, float]:
        """Stop as `docker stop` does; return the exit status and the seconds it took."""
        began = time.monotonic()
        docker("stop", self.name)
        seconds = time.monotonic() - began
        return int(self.inspect(".State.ExitCode")), seconds

    def remove(self) -> None:
        docker("rm", "--force", "--volumes", self.name, check=False)
