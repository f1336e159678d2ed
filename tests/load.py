"""Clients that ask one server without a pause, half of them over connections that they keep; what becomes of it all."""

import http.client
import threading
from collections import Counter
from urllib.parse import urlsplit

from tests.pictures import encoded, noise
from tests.servers import Server, wait_for
from tests.sockets import PREDICT

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
    wait_until_answered(clients)
    return clients


def wait_until_answered(clients: list[Client], times: int = 4) -> None:
    """Wait until every client has had so many answers more."""
    before = [client.outcomes["200"] for client in clients]
    wait_for(
        lambda: all(c.outcomes["200"] >= n + times for c, n in zip(clients, before, strict=True)),
        what="answers for all",
    )


def outcomes_of(clients: list[Client]) -> Counter[str]:
    for client in clients:
        client.join(timeout=60)
    return sum((client.outcomes for client in clients), Counter())
