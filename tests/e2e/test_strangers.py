"""Who gets in: keys that are wrong, missing, revoked or oversized, and requests that try to break out."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any

import orjson
import pytest
import requests

from service.access.keys import Key, Scope, digest_of
from tests.commands import Convoy
from tests.servers import Server, wait_for

pytest.importorskip("keras")

ADA, BOB, OPS = "convoy_ada-ada-ada", "convoy_bob-bob-bob", "convoy_ops-ops-ops"
APP = "https://app.example.org"
CANARY = "canary-that-nobody-may-read"
PICTURE = (Path(__file__).parents[2] / "examples/seven-light-on-dark.png").read_bytes()


def line(name: str, text: str, *scopes: Scope) -> str:
    return Key(name, frozenset(scopes), digest_of(text)).line() + "\n"


STAFF = line("ada", ADA, "predict") + line("ops", OPS, "predict", "admin", "metrics")


@pytest.fixture(scope="module")
def keys_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "keys"
    path.write_text(STAFF)
    return path


@pytest.fixture(scope="module")
def server(
    cache: Path, bundled_models: Path, keys_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    """One guarded server of `mnist` for all tests here; the folder above its models holds what nobody may read."""
    folder = tmp_path_factory.mktemp("guarded")
    models = folder / "models"
    models.mkdir()
    (models / "mnist").symlink_to(bundled_models / "mnist")
    (folder / "secret").mkdir()
    (folder / "secret/model.toml").write_text(f'description = "{CANARY}"')
    (folder / "secret.keras").write_text(CANARY)
    settings = {
        "cache_dir": cache, "poll_seconds": 0.2, "workers": 2, "keys_file": keys_file, "cors_origins": APP,
    }  # fmt: skip
    started = Server(models, log=folder / "server.log", settings=settings)
    try:
        yield started.start().wait_ready()
    finally:
        started.stop()


@pytest.fixture(autouse=True)
def staff(keys_file: Path) -> Iterator[None]:
    yield
    keys_file.write_text(STAFF)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def statuses(server: Server, text: str, *, times: int = 12) -> set[int]:
    """Ask often enough, over fresh connections, that both workers answer."""
    headers = bearer(text) | {"Connection": "close"}
    return {server.get("/api/models", headers=headers).status_code for _ in range(times)}


# ----------------------------------------------------------------------------------------------------------------- keys


def test_a_key_opens_what_its_scope_says(server: Server) -> None:
    answer = server.predict("mnist", PICTURE, headers=bearer(ADA))
    assert answer.json()["predictions"][0]["label"] == "7"
    assert server.predict("mnist", PICTURE, headers={"X-API-Key": ADA}).status_code == 200
    unload = server.post("/v2/repository/models/mnist/unload", headers=bearer(ADA))
    assert (unload.status_code, "the scope admin; ada has predict" in unload.json()["error"]) == (403, True)
    assert server.post("/v2/repository/models/none/load", headers=bearer(OPS)).status_code == 404


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/", "/v2/health/live", "/v2/health/ready", "/ping", "/docs"])
def test_probes_and_the_api_description_need_none(server: Server, path: str) -> None:
    assert server.get(path).status_code == 200


@pytest.mark.parametrize("headers", [{}, bearer("convoy_wrong-wrong"), bearer("a" * 2000), {"X-API-Key": "x" * 7000}])
def test_a_missing_wrong_or_oversized_key_is_refused_before_a_large_body_is_looked_at(
    server: Server, headers: dict[str, str]
) -> None:
    for path in ("/api/models/mnist/predict", "/nothing"):
        answer = server.post(path, b"\x00" * 2_000_000, headers=headers)
        assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
        assert answer.json()["title"] == "Key needed"


def test_a_key_larger_than_a_header_may_be_is_refused(server: Server) -> None:
    answer = sent(
        server, f"GET /api/models HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {'a' * 20_000}\r\n\r\n".encode()
    )

    assert answer.status in (400, 401, 431)
    assert answer.getheader("Content-Type") == "application/problem+json"


def test_a_change_of_the_file_holds_in_every_worker_without_a_restart(server: Server, keys_file: Path) -> None:
    keys_file.write_text(STAFF + line("bob", BOB, "predict"))
    wait_for(lambda: statuses(server, BOB) == {200}, seconds=20, what="the new key in both workers")

    keys_file.write_text(STAFF)
    wait_for(lambda: statuses(server, BOB) == {401}, seconds=20, what="the revocation in both workers")
    assert statuses(server, ADA) == {200}


def test_a_broken_or_vanished_file_lets_nobody_else_in_and_nobody_out(server: Server, keys_file: Path) -> None:
    keys_file.write_text("what-is-this\n")
    wait_for(
        lambda: statuses(server, ADA) == {200} and "line 1 must be" in server.log, seconds=20, what="the complaint"
    )
    keys_file.unlink()
    wait_for(lambda: statuses(server, ADA) == {200} and "No such file" in server.log, seconds=20, what="the complaint")

    assert statuses(server, BOB) == {401}
    assert "what-is-this" not in server.log


def test_a_worker_that_dies_while_the_file_is_broken_comes_back_with_the_same_keys(
    server: Server, keys_file: Path
) -> None:
    keys_file.write_text("broken\n")
    before = server.workers()
    os.kill(before[0], signal.SIGKILL)
    wait_for(lambda: len(set(server.workers()) - set(before)) == 1, what="a new worker")

    wait_for(lambda: server.log.count("the keys before stay in force") >= 2, what="the new worker's word")
    assert (statuses(server, ADA), statuses(server, BOB)) == ({200}, {401})


def test_keys_are_in_no_log(server: Server) -> None:
    for text in (ADA, "convoy_wrong-and-not-logged"):
        server.get(f"/api/models?key={text}", headers=bearer(text))

    assert ADA not in server.log
    assert "wrong-and-not-logged" not in server.log


def test_a_server_with_a_broken_file_does_not_start(convoy: Convoy, models: Path, tmp_path: Path) -> None:
    for text, said in ((None, "No such file"), ("", "holds no key"), ("x y", "line 1 must be NAME SCOPES sha256:HASH")):
        if text is not None:
            (tmp_path / "keys").write_text(text)
        done = convoy("serve", models, "--port", 0, "--keys-file", tmp_path / "keys")
        assert (done.returncode, said in done.stderr) == (2, True)
    done = convoy("serve", models, "--port", 0, CONVOY_KEYS=f"ada predict {ADA}")
    assert (done.returncode, "CONVOY_KEYS is '(not shown)'" in done.stderr, ADA in done.stderr) == (2, True, False)


def test_a_key_from_the_command_line_is_known_to_a_server_that_is_open_to_the_network(
    convoy: Convoy, serve: Any, models: Path, tmp_path: Path
) -> None:
    text = convoy("key", "ci", "--append", tmp_path / "new-keys").stdout.splitlines()[0]
    guarded = serve(models, workers=1, host="0.0.0.0", keys_file=tmp_path / "new-keys").wait_ready()

    assert (guarded.get("/api/models").status_code, statuses(guarded, text, times=1)) == (401, {200})
    assert "warning" not in guarded.log
    assert "curl -H 'Authorization: Bearer KEY'" in guarded.log


def test_a_server_open_to_the_network_without_keys_says_so(serve: Any, models: Path) -> None:
    is_open = serve(models, workers=1, host="0.0.0.0")

    (said,) = [one for one in is_open.log.splitlines() if one.startswith("warning: whoever reaches 0.0.0.0")]
    assert "CONVOY_KEYS_FILE" in said


# ------------------------------------------------------------------------------------------------------------ injection


def sent(server: Server, request: bytes) -> HTTPResponse:
    """Send bytes as they are and return the answer, its body read."""
    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(request)
        answer = HTTPResponse(connection)
        answer.begin()
        answer.body = answer.read()  # type: ignore[attr-defined]
        return answer


EVIL = "Set-Cookie: evil=1"
BREAKS = {"crlf": b"\r\n", "lf": b"\n", "cr": b"\r", "nul": b"\x00", "escape": b"\x1b[2J", "obs-fold": b"\r\n "}


@pytest.mark.parametrize(
    "name", ["X-Request-ID", "X-API-Key", "Authorization", "Origin", "traceparent", "X-Forwarded-For"]
)
@pytest.mark.parametrize("char", BREAKS.values(), ids=BREAKS)
def test_nothing_in_a_header_becomes_a_header_of_the_answer_or_a_line_of_the_log(
    server: Server, name: str, char: bytes
) -> None:
    head = f"GET /api/models HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADA}\r\n{name}: {APP}".encode()
    answer = sent(server, head + char + EVIL.encode() + b"\r\nConnection: close\r\n\r\n")

    assert answer.status in (200, 400, 401)
    assert answer.getheader("Set-Cookie") is None
    assert "evil" not in str(answer.headers)
    assert not re.search(r"^.{0,3}Set-Cookie|\x1b|\x00", server.log, re.MULTILINE)


@pytest.mark.parametrize(
    "text", ["%0d%0aSet-Cookie:%20evil=1", "%0aevil", "%00", "%1b%5b2J", "%e2%80%a8evil", "%ff%fe"]
)
@pytest.mark.parametrize(
    "path",
    ["/api/models/{}", "/api/models/mnist/versions/{}", "/v1/models/{}", "/v2/models/{}", "/hf/models/{}", "/{}"],
)
def test_nothing_in_an_address_becomes_a_header_of_the_answer_or_a_line_of_the_log(
    server: Server, path: str, text: str
) -> None:
    request = f"POST {path.format(text)} HTTP/1.1\r\nHost: x\r\nX-API-Key: {ADA}\r\nContent-Length: 0\r\n\r\n"
    answer = sent(server, request.encode())

    assert answer.status in (400, 404, 405)
    assert "evil" not in str(answer.headers)
    orjson.loads(answer.body)  # type: ignore[attr-defined]
    assert not re.search(r"^.{0,3}(Set-Cookie|evil)|\x1b|\x00", server.log, re.MULTILINE)


# ------------------------------------------------------------------------------------------------------------ traversal

NAMES = [
    "..", "../secret", "%2e%2e/secret", "..%2fsecret", "%2e%2e%2fsecret", "..%252fsecret", "%252e%252e%252fsecret",
    "..%5csecret", "%2fetc%2fpasswd", "/etc/passwd", "..%00", "mnist%00", "mnist%2f..%2f..%2fsecret",
    "%c0%ae%c0%ae%2fsecret",
    "~root", "mnist%2f1", ".", "%2e", "secret", "file:%2f%2f%2fetc%2fpasswd",
]  # fmt: skip
TRAVERSED = {
    "native": ("POST", "/api/models/{}/predict"),
    "native version": ("POST", "/api/models/mnist/versions/{}/predict"),
    "native card": ("GET", "/api/models/{}"),
    "native layers": ("GET", "/api/models/{}/layers"),
    "v1": ("POST", "/v1/models/{}:predict"),
    "v1 status": ("GET", "/v1/models/{}"),
    "v1 label": ("GET", "/v1/models/mnist/labels/{}"),
    "v2": ("POST", "/v2/models/{}/infer"),
    "v2 metadata": ("GET", "/v2/models/{}"),
    "v2 version": ("GET", "/v2/models/mnist/versions/{}"),
    "v2 load": ("POST", "/v2/repository/models/{}/load"),
    "v2 unload": ("POST", "/v2/repository/models/{}/unload"),
    "hugging face": ("POST", "/hf/models/{}"),
    "docs": ("GET", "/docs/{}"),
}


@pytest.mark.parametrize(("method", "path"), TRAVERSED.values(), ids=TRAVERSED)
def test_no_name_leads_out_of_the_models(server: Server, method: str, path: str) -> None:
    is_native = path.startswith(("/api", "/docs"))
    for name in NAMES:
        request = f"{method} {path.format(name)} HTTP/1.1\r\nHost: x\r\nX-API-Key: {OPS}\r\nContent-Length: 0\r\n\r\n"
        answer = sent(server, request.encode())
        body: bytes = answer.body  # type: ignore[attr-defined]
        assert answer.status in (400, 404, 405), (name, body)
        found = orjson.loads(body)
        assert found.get("status", answer.status) == answer.status
        assert ("detail" if is_native else "error") in found, name
        assert CANARY.encode() not in body
        assert b"root:" not in body
        assert str(Path.home()).encode() not in body
    assert server.predict("mnist", PICTURE, headers=bearer(OPS)).status_code == 200


# -------------------------------------------------------------------------------------------------------------- browser


def test_a_page_of_a_listed_origin_can_ask_and_read(server: Server) -> None:
    asks = {"Origin": APP, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x-api-key"}
    preflight = requests.options(f"{server.url}/api/models/mnist/predict", headers=asks, timeout=30)
    answer = server.predict("mnist", PICTURE, headers={"Origin": APP, "X-API-Key": ADA})

    assert (preflight.status_code, preflight.headers["Access-Control-Allow-Origin"]) == (204, APP)
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (200, APP)
    assert "X-Request-ID" in answer.headers["Access-Control-Expose-Headers"]
    other = server.predict("mnist", PICTURE, headers={"Origin": "https://evil.example.org", "X-API-Key": ADA})
    assert "Access-Control-Allow-Origin" not in other.headers
    assert other.headers["Vary"] == "Origin"


def test_pictures_errors_and_pages_have_the_security_headers(server: Server) -> None:
    key = bearer(ADA)
    answers = [
        server.predict("mnist", PICTURE, headers=key),
        server.post("/api/models/mnist/preview", PICTURE, headers=key),
        server.get("/api/models/none", headers=key),
        server.get("/nothing"),
        server.get("/docs"),
        server.get("/docs/swagger-ui.css"),
    ]
    assert [one.status_code for one in answers] == [200, 200, 404, 401, 200, 200]
    assert answers[1].headers["Content-Type"] == "image/png"
    for answer in answers:
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "frame-ancestors 'none'" in answer.headers["Content-Security-Policy"]
        assert not re.search(r"\d", answer.headers.get("Server", "")), "names a version"
