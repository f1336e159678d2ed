"""Owns clients that speak HTTP over a plain socket, to do what no client library does."""

import re
import socket
import time
from pathlib import Path
from urllib.parse import urlsplit

from tests.servers import Server

PREDICT = "/api/models/mnist/predict?probabilities=false&layers=none"


def connected(server: Server, *, timeout: float = 30.0) -> socket.socket:
    """Return a connection to a server."""
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=timeout)


def post(body: bytes, path: str = PREDICT, *headers: str) -> bytes:
    """Return a whole request."""
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def begun_post(server: Server) -> socket.socket:
    """Begin to post a body and stop after its first bytes."""
    connection = connected(server)
    connection.sendall(b"POST /api/models/mnist/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc")
    return connection


def read_answer(connection: socket.socket, already: bytes = b"") -> tuple[int, bytes, bytes]:
    """Return status and body of one response with a Content-Length, and what came after it."""
    data = already
    while b"\r\n\r\n" not in data:
        data += _more(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    found = re.search(rb"(?i)content-length: (\d+)", head)
    assert found, head
    length = int(found.group(1))
    while len(rest) < length:
        rest += _more(connection)
    return int(head.split()[1]), rest[:length], rest[length:]


def _more(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the server closed the connection")
    return data


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server has closed a connection; what it sent before is passed over."""
    connection.settimeout(0.01)
    try:
        while connection.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def trickled(connection: socket.socket, data: bytes, *, seconds: float) -> bool:
    """Send a byte every so often; return whether the server closed the connection before `seconds` were over."""
    end = time.monotonic() + seconds
    for position in range(len(data)):
        try:
            connection.sendall(data[position : position + 1])
        except OSError:
            return True
        if is_closed(connection):
            return True
        if time.monotonic() > end:
            return False
    return False


def connections_of(pid: int, port: int) -> int:
    """Return how many connections a process holds on a local port (Linux)."""
    established = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].split(":")[1], 16) == port and fields[3] == "01":
            established.add(fields[9])
    held = 0
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        try:
            held += entry.readlink().name.strip("socket:[]") in established
        except OSError:
            continue
    return held
