"""Other people's clients, unchanged, against a real server: `tests/conformance`, in an environment of their own."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.servers import Server

ROOT = Path(__file__).resolve().parents[2]
SUITES = ROOT / "tests" / "conformance"
CLIENTS = ROOT / ".venv-clients" / "bin" / "python"

pytestmark = pytest.mark.skipif(not CLIENTS.exists(), reason="needs the clients' environment; make test-clients")


@pytest.mark.timeout(400)
@pytest.mark.parametrize("suite", sorted(one.name for one in SUITES.glob("test_*.py")))
def test_clients_work_unchanged(suite: str, mnist_server: Server) -> None:
    # NOTE: rootdir and confcutdir keep our own conftest.py out, which imports what the clients' environment lacks.
    command = [
        str(CLIENTS), "-m", "pytest", suite, "-q", "-rs", "-c", os.devnull, "-p", "no:cacheprovider",
        f"--rootdir={SUITES}", f"--confcutdir={SUITES}",
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=SUITES,
        env=os.environ | {"CONVOY_URL": mnist_server.url, "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=380,
        check=False,
    )

    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
