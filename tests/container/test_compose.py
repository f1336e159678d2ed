"""`docker-compose.yml` as it lies there: two replicas behind nginx. `make test-image` runs this; elsewhere it skips."""

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from tests.conftest import ROOT
from tests.container.engine import IMAGE, SLIM, WITHOUT, docker
from tests.load import clients_of, outcomes_of, wait_until_answered
from tests.pictures import encoded, noise
from tests.servers import Remote, wait_for

if not IMAGE or not SLIM:
    pytest.skip(WITHOUT, allow_module_level=True)

CLIENTS = ROOT / ".venv-clients/bin/python"
_RUNNING = "{{.State.Running}}"
# The suites that ask a server of the bundled models; tests that look at its processes skip.
SUITES = [
    "test_bad_input", "test_explain", "test_main_job", "test_openapi_examples", "test_preview", "test_zoo_models",
]  # fmt: skip


class Composed:
    """The composed service, under a project name of its own and on a free port."""

    def __init__(self, models: Path) -> None:
        self._name = f"convoytest{uuid4().hex[:8]}"
        self._environ = os.environ | {
            "CONVOY_IMAGE": IMAGE, "CONVOY_MODELS": str(models), "CONVOY_PUBLISH": "127.0.0.1:",
        }  # fmt: skip
        self.models = models
        self.server = Remote("")

    def compose(self, *words: str) -> str:
        command = ["docker-compose"] if shutil.which("docker-compose") else ["docker", "compose"]
        done = subprocess.run(
            [*command, "--project-name", self._name, *words],
            cwd=ROOT, env=self._environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert done.returncode == 0, f"{' '.join(words)}: {done.stdout}"
        return done.stdout.strip()

    def up(self, replicas: int = 2) -> "Composed":
        self.compose("up", "--detach", "--no-build", "--scale", f"convoy={replicas}")
        self.server.url = f"http://{self.compose('port', 'nginx', '8080')}"
        wait_for(lambda: [self.is_healthy(one) for one in self.replicas()] == [True] * replicas, what="replicas")
        self.server.wait_ready()
        return self

    def containers(self, service: str) -> list[str]:
        return self.compose("ps", "--quiet", service).split()

    def replicas(self) -> list[str]:
        return [
            one for one in self.containers("convoy") if docker("inspect", "-f", "{{.State.Running}}", one) == "true"
        ]

    @staticmethod
    def is_healthy(container: str) -> bool:
        return docker("inspect", "--format", "{{.State.Health.Status}}", container) == "healthy"

    def are_all_asked(self) -> bool:
        return all("POST /api/models/<name>/predict 200" in docker("logs", one) for one in self.replicas())

    def down(self) -> None:
        self.compose("down", "--volumes", "--timeout", "5")


@pytest.fixture(scope="module")
def composed(bundled_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Composed]:
    models = tmp_path_factory.mktemp("composed") / "models"
    shutil.copytree(bundled_models, models)
    models.chmod(0o755)
    composed = Composed(models)
    try:
        yield composed.up()
    finally:
        composed.down()


def test_every_container_is_locked_down(composed: Composed) -> None:
    for one in (*composed.replicas(), *composed.containers("nginx")):
        form = "{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}}"
        assert docker("inspect", "--format", form, one) == "true [ALL] [no-new-privileges:true]"
        assert docker("exec", one, "sh", "-c", "id -u") != "0"
        assert "Read-only file system" in docker("exec", one, "sh", "-c", "touch /etc/mine", check=False)


@pytest.mark.timeout(900)
def test_the_end_to_end_suite_passes_through_nginx(composed: Composed) -> None:
    suites = [f"tests/e2e/{name}.py" for name in SUITES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *suites],
        cwd=ROOT, env=os.environ | {"CONVOY_TEST_URL": composed.server.url}, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-20_000:]


@pytest.mark.skipif(not CLIENTS.exists(), reason="needs the clients' environment; make test-clients")
@pytest.mark.parametrize("suite", ["test_kserve.py", "test_huggingface.py"])
def test_clients_of_others_talk_to_it(composed: Composed, suite: str) -> None:
    folder = ROOT / "tests/conformance"
    done = subprocess.run(
        [CLIENTS, "-m", "pytest", suite, "-q", "-c", os.devnull, "-p", "no:cacheprovider",
         f"--rootdir={folder}", f"--confcutdir={folder}"],
        cwd=folder, env=os.environ | {"CONVOY_URL": composed.server.url}, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout[-20_000:]


def test_a_body_over_the_limit_is_refused(composed: Composed) -> None:
    assert composed.server.predict("mnist", b"\0" * (64 * 2**20 + 1)).status_code == 413


def test_a_dropped_model_is_live_on_every_replica(composed: Composed, toy: Path) -> None:
    picture = encoded(noise(28, 28))
    shutil.copy(toy, composed.models / "toy.keras")

    composed.server.wait_state("toy", 1, "live")
    wait_for(lambda: all(composed.server.predict("toy", picture).ok for _ in range(20)), what="twenty answers in a row")


@pytest.mark.parametrize("verb", ["stop", "kill"])
def test_a_replica_that_goes_under_load_loses_no_request_and_its_successor_gets_some(
    composed: Composed, verb: str
) -> None:
    stopping = threading.Event()
    clients = clients_of(composed.up().server, stopping)
    wait_for(composed.are_all_asked, what="requests to both")

    docker(verb, composed.replicas()[-1])
    wait_until_answered(clients, times=20)
    assert len(composed.replicas()) == 1
    composed.up()
    wait_for(lambda: len(composed.replicas()) == 2 and composed.are_all_asked(), what="requests to the new one")
    stopping.set()

    assert set(outcomes_of(clients)) == {"200"}
