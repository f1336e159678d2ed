"""Stopping and restarting lose no request: what was begun is answered, and nobody is reset."""

import http.client
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.pictures import encoded, noise
from tests.servers import Server, wait_for
from tests.sockets import PREDICT, connected, is_closed, post, read_answer

pytest.importorskip("keras")

Serve = Callable[..., Server]
DIGIT = encoded(noise(28, 28))


class Client(threading.Thread):
    """Posts pictures until it is told to stop, or nobody listens any more; counts what became of them."""

    def __init__(self, server: Server, *, keeps_alive: bool, stopping: threading.Event) -> None:
        super().__init__(daemon=True)
        address = urlsplit(server.url)
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=60)
        self._keeps_alive = keeps_alive
        self._stopping = stopping
        self.outcomes: Counter[str] = Counter()

    def run(self) -> None:
        outcome = ""
        while outcome != "refused" and not self._stopping.is_set():
            outcome = self._outcome()
            self.outcomes[outcome] += 1
        self._connection.close()

    def _outcome(self) -> str:
        try:
            self._connection.connect() if self._connection.sock is None else None
        except ConnectionRefusedError:
            return "refused"
        try:
            self._connection.request("POST", PREDICT, DIGIT)
            answer = self._connection.getresponse()
            answer.read()
            if not self._keeps_alive:
                self._connection.close()
            return str(answer.status)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            return type(error).__name__


def clients_of(server: Server, stopping: threading.Event) -> list[Client]:
    clients = [Client(server, keeps_alive=bool(number % 2), stopping=stopping) for number in range(8)]
    for client in clients:
        client.start()
    wait_for(lambda: all(client.outcomes["200"] > 3 for client in clients), what="answers for all")
    return clients


def outcomes_of(clients: list[Client]) -> Counter[str]:
    for client in clients:
        client.join(timeout=60)
    return sum((client.outcomes for client in clients), Counter())


def test_a_reload_replaces_every_worker_and_loses_no_request(serve: Serve, models: Path) -> None:
    server = serve(models, workers=2).wait_ready()
    before = set(server.workers())
    stopping = threading.Event()
    clients = clients_of(server, stopping)

    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: len(server.workers()) == 2 and not before & set(server.workers()), what="new workers")
    seen = [client.outcomes["200"] for client in clients]
    wait_for(lambda: all(c.outcomes["200"] > n for c, n in zip(clients, seen, strict=True)), what="answers of them")
    stopping.set()

    assert set(outcomes_of(clients)) == {"200"}
    assert server.log.index("Worker exiting") > server.log.rindex("loading mnist")  # no moment without a worker


def test_a_stop_under_load_answers_everybody_who_was_let_in(serve: Serve, models: Path) -> None:
    server = serve(models, workers=2).wait_ready()
    clients = clients_of(server, threading.Event())

    os.kill(server.pid, signal.SIGTERM)

    outcomes = outcomes_of(clients)
    assert outcomes["refused"] == len(clients)
    assert set(outcomes) <= {"200", "refused", "ConnectionResetError"}
    # The kernel may finish a handshake between a worker's last look and the close of its listener, and resets that one.
    assert outcomes["ConnectionResetError"] <= 1
    assert server.stop() == 0


def test_a_stop_waits_for_what_has_begun_to_come_and_for_nobody_else(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1).wait_ready()
    with connected(server) as idle, connected(server) as begun:
        body = post(DIGIT)
        begun.sendall(body[:-10])
        wait_for(lambda: server.get("/healthz").ok, what="the server")
        os.kill(server.pid, signal.SIGTERM)
        wait_for(lambda: not listens(server), what="the end of listening")
        begun.sendall(body[-10:])

        assert read_answer(begun)[0] == 200
        began = time.monotonic()
        wait_for(lambda: is_closed(idle), what="the idle connection's end")
        assert time.monotonic() - began < 20  # not its keep-alive time, which is over a minute
    assert server.stop() == 0


def listens(server: Server) -> bool:
    try:
        connected(server).close()
    except ConnectionRefusedError:
        return False
    return True
