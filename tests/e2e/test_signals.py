"""Stopping and restarting lose no request: what was begun is answered, and nobody is reset."""

import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.load import DIGIT, clients_of, outcomes_of, wait_until_answered
from tests.servers import Server, wait_for
from tests.sockets import connected, is_closed, post, read_answer

pytest.importorskip("keras")

Serve = Callable[..., Server]


def test_a_reload_replaces_every_worker_and_loses_no_request(serve: Serve, models: Path) -> None:
    server = serve(models, workers=2).wait_ready()
    before = set(server.workers())
    stopping = threading.Event()
    clients = clients_of(server, stopping)

    os.kill(server.pid, signal.SIGHUP)
    wait_for(lambda: len(server.workers()) == 2 and not before & set(server.workers()), what="new workers")
    wait_until_answered(clients, times=1)
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
    assert server.ended() == 0  # NOTE: another SIGTERM would end Python on its own way out


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
