"""What is no HTTP request is refused in JSON, as every other request."""

import json
import socket
from urllib.parse import urlsplit

import pytest

from tests.servers import Server


def answer_to(server: Server, data: bytes) -> tuple[int, dict[str, str], dict[str, object]]:
    """Return status, headers and JSON of what the server says to some bytes."""
    address = urlsplit(server.url)
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        connection.sendall(data)
        connection.shutdown(socket.SHUT_WR)
        received = b"".join(iter(lambda: connection.recv(65536), b""))
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    return int(first.split()[1]), headers, json.loads(body)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GARBAGE\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nNo colon here\r\n\r\n", 400),
        (b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 414),
        (b"GET /v2 HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 9000 + b"\r\n\r\n", 431),
        (b"POST /v2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: sparkling\r\n\r\n", 501),
        (b"GET /<script>\xff HTTP/1.1\xfe\r\n\r\n", 400),
    ],
)
def test_it_is_refused_in_json(mnist_server: Server, data: bytes, status: int) -> None:
    found, headers, body = answer_to(mnist_server, data)

    assert found == body["status"] == status
    assert headers["content-type"] == "application/problem+json"
    assert headers["connection"] == "close"
    assert body["detail"] == body["error"] != ""
    assert "Traceback" not in str(body)


@pytest.mark.parametrize("path", ["/api/models/mnist/predict", "/v1/models/mnist:predict", "/v2/models/mnist/infer"])
@pytest.mark.parametrize("chunk", [b"ZZ\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n"])
def test_malformed_chunks_are_the_clients_fault(mnist_server: Server, path: str, chunk: bytes) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n".encode()

    status, _, body = answer_to(mnist_server, head + chunk)

    assert status in (400, 408), body
    assert "chunks" in str(body) or "did not come" in str(body)
