"""Slow, stalled and idle clients cost no thread: everybody else is answered as if they were not there."""

import contextlib
import resource
import shutil
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pictures import encoded, noise, npy
from tests.servers import Server, serving_mnist, wait_for
from tests.sockets import PREDICT, begun_post, connected, is_closed, post, read_answer, trickled

pytest.importorskip("keras")

DIGIT = encoded(noise(28, 28))
SLOW = 1000
TLS = Path(__file__).parents[1] / "data/tls"
HEADS = [b"", b"GET /heal", b"POST /api/models/mnist/predict HTTP/1.1\r\nContent-Length: 90000\r\n\r\nabc"]


@pytest.fixture(scope="module")
def one_thread(cache: Path, bundled_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker of one thread: a client that holds it would keep all others waiting."""
    folder = tmp_path_factory.mktemp("one_thread")
    with serving_mnist(folder, bundled_models, cache, workers=1, threads=1, read_timeout=3) as server:
        yield server


@contextlib.contextmanager
def many_files(count: int) -> Iterator[None]:
    """Let this process open so many files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < count:
        pytest.skip(f"this process may open {hard} files; the test needs {count}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, count), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_slow_connections_keep_nobody_waiting(one_thread: Server) -> None:
    with many_files(SLOW + 200), contextlib.ExitStack() as stack:
        slow = [stack.enter_context(connected(one_thread)) for _ in range(SLOW)]
        for number, one in enumerate(slow):
            one.sendall(HEADS[number % len(HEADS)])
        began = time.monotonic()
        statuses = {one_thread.predict("mnist", DIGIT).status_code for _ in range(20)}
        spent = time.monotonic() - began
        is_alive = one_thread.get("/healthz").status_code
        begun = [one for number, one in enumerate(slow) if number % len(HEADS)]
        wait_for(lambda: all(map(is_closed, begun)), seconds=30, what="an end of every request that was begun")

    assert (statuses, is_alive) == ({200}, 200)
    assert spent < 3  # before the first of them was cut off: nobody waited for one to be


def test_bodies_that_stall_are_told_and_cut_off(one_thread: Server) -> None:
    stalled = [begun_post(one_thread) for _ in range(3)]

    assert one_thread.predict("mnist", DIGIT).status_code == 200
    for one in stalled:
        with one:
            status, body, _ = read_answer(one)
            assert status == 408
            assert b"without long pauses" in body


def test_bodies_that_trickle_are_cut_off(one_thread: Server) -> None:
    body = encoded(noise(300, 300))
    with connected(one_thread) as connection:
        connection.sendall(post(body)[: -len(body)])

        assert trickled(connection, body, seconds=20)


def test_a_client_that_takes_no_answer_keeps_nobody_waiting(one_thread: Server) -> None:
    batch = npy((noise(20_000, 28, 28) / 255).astype("float32"))
    with connected(one_thread) as greedy:
        greedy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        greedy.sendall(post(batch, "/api/models/mnist/predict"))
        wait_for(lambda: greedy.recv(1, socket.MSG_PEEK), what="the beginning of the answer")

        assert {one_thread.predict("mnist", DIGIT).status_code for _ in range(5)} == {200}
        time.sleep(4)  # it takes nothing for longer than read_timeout
        with pytest.raises(ConnectionError):
            read_answer(greedy)


def taken_steadily(connection: socket.socket) -> int:
    """Read an answer piece by piece with pauses, for longer than read_timeout in all; return its length."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += connection.recv(65536)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
    taken = len(rest)
    while taken < length:
        time.sleep(0.05)
        piece = connection.recv(min(32768, length - taken))
        assert piece, f"the answer broke off after {taken} of {length} bytes"
        taken += len(piece)
    return length


def test_a_client_that_takes_its_answer_slowly_but_steadily_gets_all_of_it(one_thread: Server) -> None:
    batch = npy(noise(20_000, 28, 28))
    with connected(one_thread) as slow:
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
        slow.sendall(post(batch, "/api/models/mnist/predict"))

        assert taken_steadily(slow) > 3_000_000


def test_a_body_that_nobody_read_does_not_end_the_connection(one_thread: Server) -> None:
    body = bytes(300_000)
    with connected(one_thread) as connection:
        for _ in range(5):
            connection.sendall(post(body, "/api/models/nobody/predict"))
            assert read_answer(connection)[0] == 404


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nAuthorization Bearer SECRET-KEY\r\n\r\n", 400),
        (b"GET /?key=SECRET-KEY HTTP/9\r\nHost: x\r\n\r\n", 400),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", 501),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
    ],
)
def test_what_is_no_http_request_is_answered_without_repeating_it(one_thread: Server, head: bytes, status: int) -> None:
    with connected(one_thread) as connection:
        connection.sendall(head)
        found, body, _ = read_answer(connection)

    assert found == status
    assert b"SECRET" not in body
    assert "SECRET" not in one_thread.log


def test_a_client_that_does_not_close_keeps_nobody_waiting(one_thread: Server) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(5):
            connection = stack.enter_context(connected(one_thread))
            connection.sendall(post(DIGIT, PREDICT, "Connection: close"))
            assert read_answer(connection)[0] == 200
        began = time.monotonic()
        assert one_thread.predict("mnist", DIGIT).status_code == 200
        assert time.monotonic() - began < 2


def test_curl_is_told_to_go_on_with_a_large_body(one_thread: Server) -> None:
    with connected(one_thread) as connection:
        head, _, body = post(DIGIT, PREDICT, "Expect: 100-continue").partition(b"\r\n\r\n")
        connection.sendall(head + b"\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(body)

        assert read_answer(connection)[0] == 200


def test_https_with_a_certificate_of_ones_own(cache: Path, bundled_models: Path, tmp_path: Path) -> None:
    shutil.copytree(bundled_models / "mnist", tmp_path / "models/mnist")
    settings = {
        "cache_dir": cache,
        "workers": 1,
        "read_timeout": 2,
        "tls_cert": TLS / "cert.pem",
        "tls_key": TLS / "key.pem",
    }
    server = Server(tmp_path / "models", log=tmp_path / "server.log", settings=settings)
    server.verify = str(TLS / "cert.pem")
    try:
        server.start().wait_ready()
        with connected(server), connected(server) as plain:  # one that never speaks, one that speaks plain HTTP
            plain.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            answers = [server.post(PREDICT, DIGIT) for _ in range(3)]
            large = server.post(PREDICT, npy(noise(5000, 28, 28)))
            context = ssl.create_default_context(cafile=server.verify)
            with context.wrap_socket(connected(server), server_hostname="localhost") as tls:
                tls.sendall(post(npy(noise(20_000, 28, 28)), "/api/models/mnist/predict"))
                taken = taken_steadily(tls)
                tls.sendall(post(DIGIT) * 2)
                statuses = [(found := read_answer(tls, b""))[0], read_answer(tls, found[2])[0]]
    finally:
        server.stop()

    assert server.url.startswith("https://")
    assert [one.status_code for one in answers] == [200] * 3
    assert large.status_code == 200
    assert taken > 3_000_000
    assert statuses == [200, 200]
