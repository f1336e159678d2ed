"""Owns one request at a time over http.client: the first answered prediction, and the answer's content."""

import http.client
import json
import socket
import time
from collections.abc import Callable

from benchmarks.contestants import Contestant
from benchmarks.processes import ChildFailedError
from benchmarks.samples import Answer

HOST = "127.0.0.1"
_PAUSE = 0.01
_DEADLINE = 120.0


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


def first_answer(contestant: Contestant, port: int, picture: bytes, *, is_alive: Callable[[], bool]) -> Answer:
    """Post the picture until it is answered with 200; raises ChildFailedError where it never is."""
    deadline = time.monotonic() + _DEADLINE
    while is_alive() and time.monotonic() < deadline:
        answer = _try_once(contestant, port, picture)
        if answer is not None:
            return answer
        time.sleep(_PAUSE)
    raise ChildFailedError(f"{contestant.name} did not answer a prediction.")


def _try_once(contestant: Contestant, port: int, picture: bytes) -> Answer | None:
    connection = http.client.HTTPConnection(HOST, port, timeout=_DEADLINE)
    try:
        connection.request("POST", contestant.path, picture, {"Content-Type": "image/png"})
        response = connection.getresponse()
        body = response.read()
        return contestant.read(json.loads(body)) if response.status == http.client.OK else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
