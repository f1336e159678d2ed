"""Other people's clients, unchanged, against a real server: `tests/conformance`, in an environment of their own."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.prebuilt import prebuild
from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "tests" / "conformance"
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"
KEY = "let-me-load-and-unload"

pytestmark = pytest.mark.skipif(not CLIENTS.exists(), reason="needs the clients' environment; make test-clients")


@pytest.fixture(scope="module")
def server(cache: Path, bundled_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A server of the bundled models that may be told to unload them, which the shared one may not."""
    prebuild(bundled_models, cache)
    log = tmp_path_factory.mktemp("server") / "server.log"
    settings = {"cache_dir": cache, "poll_seconds": 0.2, "workers": 2, "admin_key": KEY}
    server = Server(bundled_models, log=log, settings=settings)
    try:
        yield server.start().wait_ready()
    finally:
        server.stop()


@pytest.mark.timeout(400)
@pytest.mark.parametrize("suite", sorted(one.name for one in SUITES.glob("test_*.py")))
def test_clients_work_unchanged(suite: str, server: Server) -> None:
    # NOTE: rootdir and confcutdir keep our own conftest.py out, which imports what the clients' environment lacks.
    command = [
        str(CLIENTS), "-m", "pytest", suite, "-q", "-rs", "-c", os.devnull, "-p", "no:cacheprovider",
        f"--rootdir={SUITES}", f"--confcutdir={SUITES}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=SUITES,
        env=os.environ | {"CONVOY_URL": server.url, "CONVOY_ADMIN_KEY": KEY, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
