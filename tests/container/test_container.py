"""The image as its users run it: `make test-image` builds it and runs this; elsewhere the tests skip.

They need a Docker engine on this machine, for they bind-mount folders and ask published ports, and the name of an
image in CONVOY_TEST_IMAGE.
"""

import json
import os
import re
import shutil
import subprocess
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from tests import toys
from tests.conftest import ROOT
from tests.servers import wait_for

IMAGE = os.environ.get("CONVOY_TEST_IMAGE", "")
USER = 10001
WARM_SECONDS = 5.0
STOP_SECONDS = 5.0

if not IMAGE:
    pytest.skip("needs an image to test (CONVOY_TEST_IMAGE, or `make test-image`)", allow_module_level=True)


def docker(*words: str, check: bool = True) -> str:
    """Run the engine's client; return what it printed on both streams."""
    done = subprocess.run(["docker", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    assert not check or done.returncode == 0, f"docker {' '.join(words)}: {done.stdout}"
    return done.stdout.strip()


class Container:
    """A container of one's own, its port 8000 published on a free port of the loopback address."""

    def __init__(self, *options: str, command: tuple[str, ...] = ()) -> None:
        self.name = f"convoy-test-{uuid.uuid4().hex[:12]}"
        self.began = time.monotonic()
        docker("run", "--detach", "--name", self.name, "--publish", "127.0.0.1::8000", *options, IMAGE, *command)
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


Run = Callable[..., Container]


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    if shutil.which("docker") is None:
        pytest.skip("needs the docker command")
    answer = subprocess.run(["docker", "version", "--format", "{{.Server.Version}}"], capture_output=True, text=True)
    if answer.returncode != 0:
        pytest.skip("needs a Docker engine that can be reached")


@pytest.fixture
def volume() -> Iterator[Callable[[], str]]:
    """Return names of new named volumes."""
    made: list[str] = []

    def new() -> str:
        made.append(docker("volume", "create"))
        return made[-1]

    yield new
    for name in made:
        docker("volume", "rm", "--force", name, check=False)


@pytest.fixture
def run(volume: Callable[[], str]) -> Iterator[Run]:
    """Run the image: `run("--init", command=("serve",))`; removed at the end. Depends on `volume`: gone before it."""
    started: list[Container] = []

    def start(*options: str, command: tuple[str, ...] = ()) -> Container:
        started.append(Container(*options, command=command))
        return started[-1]

    yield start
    for container in reversed(started):
        container.remove()


@pytest.fixture(scope="module")
def built() -> Iterator[str]:
    """A cache volume in which the bundled models are built."""
    cache = docker("volume", "create")
    docker("run", "--rm", "--volume", f"{cache}:/cache", IMAGE, "build")
    yield cache
    docker("volume", "rm", "--force", cache, check=False)


@pytest.fixture
def seven(examples: Path) -> bytes:
    return (examples / "seven-light-on-dark.png").read_bytes()


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A saved model that takes the example pictures, not owned by the user of the image, readable by all."""
    pytest.importorskip("keras")
    path = tmp_path / "toy.keras"
    toys.save_small_cnn(path, shape=(28, 28, 1))
    path.chmod(0o644)
    assert path.stat().st_uid != USER
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of this machine that the image's user may read and not write."""
    path = tmp_path / "models"
    path.mkdir()
    path.chmod(0o755)
    return path


def predict(name: str) -> str:
    return f"/api/models/{name}/predict"


def test_a_fresh_container_answers_the_curl_line_of_the_readme(run: Run) -> None:
    line = re.search(r"\$ curl --data-binary @(\S+) 'http://127\.0\.0\.1:8000(\S+)'", (ROOT / "README.md").read_text())
    assert line
    container = run()

    answer = container.until(line[2], data=(ROOT / line[1]).read_bytes()).json()

    assert answer["predictions"][0]["label"] == "7"
    assert answer["predictions"][0]["probability"] > 0.99
    assert [one["output_shape"] for one in answer["layers"]][-1] == [1, 10]
    assert "Convoy listens on http://127.0.0.1:8000." in container.log
    assert "built mnist version 1" in container.log


def test_the_image_runs_as_a_numeric_user_in_exec_form() -> None:
    config = json.loads(docker("inspect", "--format", "{{json .Config}}", IMAGE))

    assert re.fullmatch(r"[1-9]\d*(:[1-9]\d*)?", config["User"])
    assert config["Entrypoint"] == ["convoy"]
    assert config["Cmd"] == ["serve"]
    assert config["Healthcheck"]["Test"][0] == "CMD"
    assert "curl" not in config["Healthcheck"]["Test"]
    assert not (ROOT / "Dockerfile").read_text().startswith("# syntax=")


def test_a_container_turns_healthy(run: Run, built: str) -> None:
    container = run("--volume", f"{built}:/cache")

    wait_for(lambda: container.inspect(".State.Health.Status") == "healthy", what="healthy")


def test_a_file_dropped_into_an_empty_read_only_folder_goes_live(
    run: Run, folder: Path, toy: Path, seven: bytes
) -> None:
    container = run("--volume", f"{folder}:/models:ro")
    assert container.until("/api/models").json() == {"models": []}
    assert "/models holds no model yet: drop one into it." in container.log

    shutil.copy(toy, folder)

    answer = container.until(predict("toy"), data=seven).json()
    assert len(answer["predictions"][0]["probabilities"]) == 3


def test_a_file_copied_into_a_named_volume_goes_live_beside_the_bundled_models(
    run: Run, volume: Callable[[], str], built: str, toy: Path, seven: bytes
) -> None:
    container = run("--volume", f"{volume()}:/models", "--volume", f"{built}:/cache")
    container.until(predict("mnist"), data=seven)

    docker("cp", str(toy), f"{container.name}:/models/toy.keras")

    container.until(predict("toy"), data=seven)


@pytest.mark.parametrize("options", [(), ("--init",)], ids=["as process 1", "with an init"])
def test_a_stop_right_after_the_first_answer_is_quick_and_clean(
    run: Run, built: str, seven: bytes, options: tuple[str, ...]
) -> None:
    container = run("--volume", f"{built}:/cache", *options)
    container.until(predict("mnist"), data=seven)

    status, seconds = container.stop()

    assert (status, seconds < STOP_SECONDS) == (0, True), f"{seconds:.1f} s\n{container.log}"
    assert "Traceback" not in container.log


def test_a_stop_in_the_middle_of_a_build_is_quick_and_clean(run: Run) -> None:
    container = run()
    wait_for(lambda: "loading with Keras" in container.log, what="a build at work")

    status, seconds = container.stop()

    assert (status, seconds < STOP_SECONDS) == (0, True), f"{seconds:.1f} s\n{container.log}"
    assert "Traceback" not in container.log


def test_another_container_on_the_same_cache_answers_at_once_without_a_build(
    run: Run, built: str, seven: bytes
) -> None:
    container = run("--volume", f"{built}:/cache")

    container.until(predict("mnist"), data=seven)

    assert time.monotonic() - container.began < WARM_SECONDS
    assert "building" not in container.log


def test_a_restarted_container_keeps_what_it_built(run: Run, seven: bytes) -> None:
    container = run()
    container.until(predict("mnist"), data=seven)

    docker("restart", container.name)
    container.url = ""  # a published free port is another one after a restart
    container.until(predict("mnist"), data=seven)

    assert container.log.count("built mnist version 1") == 1


def test_nothing_but_the_cache_and_tmp_need_be_writable(run: Run, seven: bytes) -> None:
    container = run(
        "--read-only", "--tmpfs", "/tmp:noexec", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"
    )  # fmt: skip

    container.until(predict("mnist"), data=seven)


def test_any_other_user_can_build_into_a_new_cache(run: Run, volume: Callable[[], str], seven: bytes) -> None:
    container = run("--user", "4321:4321", "--volume", f"{volume()}:/cache")

    container.until(predict("mnist"), data=seven)


def test_a_build_that_runs_out_of_memory_leaves_the_server_standing(run: Run) -> None:
    container = run("--memory", "256m", "--memory-swap", "256m")

    wait_for(lambda: "memory ran out" in container.log, what="a build ended for want of memory")

    assert container.until("/healthz").status_code == 200
    assert container.inspect(".State.Running")


def test_the_other_commands_run_in_the_image(built: str) -> None:
    cache = ("--volume", f"{built}:/cache")

    listed = json.loads(docker("run", "--rm", *cache, IMAGE, "models", "--json"))["models"]
    assert {"name": "mnist", "version": 1, "file": "model.keras", "state": "built"} in listed
    assert "1,290" in docker("run", "--rm", *cache, IMAGE, "layers", "mnist")
    docker("run", "--rm", *cache, IMAGE, "build")
