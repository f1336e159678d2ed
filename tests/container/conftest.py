"""Fixtures of the tests of containers, which skip where there is no engine."""

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests import toys
from tests.container.engine import IMAGE, Container, docker

USER = 10001
Run = Callable[..., Container]


@pytest.fixture(scope="session", autouse=True)
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

    def start(*options: str, command: tuple[str, ...] = (), image: str = IMAGE) -> Container:
        started.append(Container(*options, command=command, image=image))
        return started[-1]

    yield start
    for container in reversed(started):
        container.remove()


@pytest.fixture(scope="module")
def unbuilt(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    """Options that mount a folder with one model that takes the example pictures, `toy`, which is not built yet."""
    pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("unbuilt") / "models"
    toys.save_small_cnn(folder / "toy.keras", shape=(28, 28, 1))
    folder.chmod(0o755)
    (folder / "toy.keras").chmod(0o644)
    return "--volume", f"{folder}:/models:ro"


@pytest.fixture(scope="module")
def built(unbuilt: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Options that mount the same folder, and a cache in which the model is built."""
    cache = docker("volume", "create")
    options = (*unbuilt, "--volume", f"{cache}:/cache")
    docker("run", "--rm", *options, IMAGE, "build")
    yield options
    docker("volume", "rm", "--force", cache, check=False)


@pytest.fixture
def seven(examples: Path) -> bytes:
    return (examples / "seven-light-on-dark.png").read_bytes()


@pytest.fixture
def toy(unbuilt: tuple[str, ...]) -> Path:
    """A saved model that takes the example pictures, not owned by the user of the image, readable by all."""
    path = Path(unbuilt[1].partition(":")[0]) / "toy.keras"
    assert path.stat().st_uid != USER
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty folder of this machine that the image's user may read and not write."""
    path = tmp_path / "models"
    path.mkdir()
    path.chmod(0o755)
    return path
