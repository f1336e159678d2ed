"""The curl commands of TensorFlow Serving's page on its REST API, and others like them, run as they stand.

The model has the signature of that page's: `x` of shape [N] gives `y`, half of it plus three. Each file in
`tests/data/tfserving` is a command with the answer that the page, or the format's description, gives.
"""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.prebuilt import prebuild
from tests.servers import Server

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = sorted((REPOSITORY / "tests/data/tfserving").glob("*.json"))
NAME = "saved_model_half_plus_three"

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="needs the command curl")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    keras = pytest.importorskip("keras")
    folder = tmp_path_factory.mktemp("tfserving")
    (folder / "models" / NAME / "123").mkdir(parents=True)
    x = keras.Input((), name="x")
    model = keras.Model(x, keras.layers.Rescaling(0.5, offset=3.0, name="y")(x))
    model.save(folder / "models" / NAME / "123" / "model.keras")
    (folder / "models" / NAME / "model.toml").write_text("[versions]\nlabels = { stable = 123 }\n")
    prebuild(folder / "models", folder / "cache")
    settings = {"cache_dir": folder / "cache", "poll_seconds": 0.2, "workers": 2}
    server = Server(folder / "models", log=folder / "server.log", settings=settings)
    try:
        server.start().wait_ready()
        yield server
    finally:
        server.stop()


def run(command: str, server: Server) -> tuple[int, str, str]:
    """Run a command of the page against `server`; return status, Content-Type and body."""
    command = command.replace("http://localhost:8501", server.url)
    words = [word for word in shlex.split(command) if word != "-i"]
    tail = "\n%{http_code} %{content_type}"
    done = subprocess.run([*words, "--silent", "--write-out", tail], capture_output=True, text=True, timeout=60)
    body, _, told = done.stdout.rpartition("\n")
    status, _, content_type = told.partition(" ")
    return int(status), content_type, body


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_a_command_gives_the_answer_of_tensorflow_serving(server: Server, path: Path) -> None:
    golden: dict[str, Any] = json.loads(path.read_text("utf-8"))

    status, content_type, body = run(golden["command"], server)

    assert (status, json.loads(body)) == (golden["status"], golden["answer"])
    assert content_type == "application/json"


def test_numbers_are_written_with_the_spaces_of_tensorflow_serving(server: Server) -> None:
    url = f"{server.url}/v1/models/{NAME}:predict"
    rows = run(f"curl -d '{{\"instances\": [1.0,2.0,5.0]}}' {url}", server)[2]
    columns = run(f"curl -d '{{\"inputs\": [1, 0.4]}}' {url}", server)[2]

    assert rows == '{\n    "predictions": [3.5, 4.0, 5.5\n    ]\n}'
    assert columns == '{\n    "outputs": [\n        3.5,\n        3.2\n    ]\n}'


def test_curls_form_type_and_its_chunks_are_read_as_json(server: Server) -> None:
    url = f"{server.url}/v1/models/{NAME}:predict"
    body = "-d '{\"instances\": [1]}'"

    for option in ("", "-H 'Content-Type: image/png'", "-H 'Transfer-Encoding: chunked'", "-H 'Content-Type:'"):
        status, _, answer = run(f"curl {option} {body} {url}", server)
        assert (status, json.loads(answer)) == (200, {"predictions": [3.5]}), option


def test_addresses_are_read_in_any_case_and_percent_encoded(server: Server) -> None:
    for path in (f"/V1/MODELS/{NAME}:PREDICT", f"/v1/models/{NAME.replace('_', '%5f')}/LABELS/st%61ble:predict"):
        status, _, answer = run(f"curl -d '{{\"instances\": [1]}}' {server.url}{path}", server)
        assert (status, json.loads(answer)) == (200, {"predictions": [3.5]}), path


def test_a_preflight_is_answered_where_it_says_its_origin(server: Server) -> None:
    url = f"{server.url}/v1/models/{NAME}:predict"

    assert run(f"curl -X OPTIONS {url}", server)[0] == 400
    status, _, body = run(f"curl -X OPTIONS -H 'Origin: http://page.example' {url}", server)
    assert (status, body) == (200, "")
    headers = subprocess.run(["curl", "-s", "-i", url], capture_output=True, text=True, timeout=60).stdout
    assert not re.search("access-control", headers, re.IGNORECASE)


def blocks(language: str) -> list[str]:
    page = (REPOSITORY / "docs/clients/tensorflow-serving.md").read_text("utf-8")
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_what_the_page_for_users_shows_works(serve: Callable[..., Server], models: Path) -> None:
    url = serve(models).wait_ready().url

    for language, command in (("sh", ["bash", "-euc"]), ("python", [sys.executable, "-c"])):
        assert blocks(language)
        for block in blocks(language):
            script = block.replace("http://127.0.0.1:8000", url).replace("curl ", "curl --silent --fail-with-body ")
            done = subprocess.run([*command, script], capture_output=True, text=True, cwd=REPOSITORY, timeout=60)
            assert done.returncode == 0, done.stdout + done.stderr
            assert done.stdout.strip()
