"""Waiting is bounded: a full queue refuses at once, a late answer is a 504, and both leave the server well."""

import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

from tests.pictures import encoded, noise, npy
from tests.servers import Server, wait_for

pytest.importorskip("keras")

Serve = Callable[..., Server]
DIGIT = encoded(noise(28, 28))


def test_requests_over_the_queue_are_refused_at_once_and_the_rest_answered(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1, threads=1, max_waiting=4).wait_ready()
    batch = npy((noise(3000, 28, 28) / 255).astype("float32"))
    statuses: list[int] = []
    refusals: list[requests.Response] = []
    lock = threading.Lock()

    def ask() -> None:
        for _ in range(3):
            try:
                answer = requests.post(f"{server.url}/api/models/mnist/predict?probabilities=false", batch, timeout=60)
            except requests.ConnectionError:  # the refusal came while the body was still being sent
                answer = None
            with lock:
                statuses.append(answer.status_code if answer is not None else 503)
                if answer is not None and answer.status_code == 503:
                    refusals.append(answer)

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert set(statuses) == {200, 503}
    assert refusals
    for refusal in refusals:
        assert refusal.headers["Content-Type"] == "application/problem+json"
        assert refusal.headers["Retry-After"] == "1"
        assert refusal.json()["status"] == 503
    assert server.predict("mnist", DIGIT).status_code == 200


def test_an_answer_that_comes_too_late_is_a_504(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1, request_timeout=0.05).wait_ready()
    batch = npy((noise(10_000, 28, 28) / 255).astype("float32"))

    answer = server.predict("mnist", batch)

    assert answer.status_code == 504
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert server.predict("mnist", DIGIT).status_code == 200


def test_idle_connections_do_not_keep_others_from_being_answered(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1, threads=2).wait_ready()
    host, port = server.url.removeprefix("http://").split(":")
    idle = [socket.create_connection((host, int(port))) for _ in range(3)]
    try:
        began = time.monotonic()
        assert server.predict("mnist", DIGIT).status_code == 200
        assert time.monotonic() - began < 3
    finally:
        for one in idle:
            one.close()


def stalled_post(server: Server) -> socket.socket:
    """Begin to post a body and stop after its first bytes."""
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)))
    head = "POST /api/models/mnist/predict HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc"
    connection.sendall(head.encode())
    return connection


def test_bodies_that_stall_free_their_threads_and_are_told(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1, threads=2, read_timeout=1).wait_ready()
    stalled = [stalled_post(server) for _ in range(6)]
    try:
        wait_for(lambda: is_alive(server), seconds=20, what="an answer in spite of stalled bodies")
        stalled[0].settimeout(20)
        assert stalled[0].recv(100).startswith(b"HTTP/1.1 408")
        assert server.predict("mnist", DIGIT).status_code == 200
    finally:
        for one in stalled:
            one.close()


def is_alive(server: Server) -> bool:
    try:
        return requests.get(f"{server.url}/healthz", timeout=1).status_code == 200
    except requests.RequestException:
        return False


def test_the_liveness_probe_is_answered_while_the_queue_is_full(serve: Serve, models: Path) -> None:
    server = serve(models, workers=1, threads=1, max_waiting=1, read_timeout=5).wait_ready()
    stalled = []
    try:
        for _ in range(10):  # one is being read, one waits, the rest are refused
            stalled.append(stalled_post(server))
            time.sleep(0.05)
        statuses = [requests.get(f"{server.url}/healthz", timeout=2).status_code for _ in range(5)]
        refused = requests.get(f"{server.url}/api/models", timeout=2)
        assert statuses == [200] * 5
        assert refused.status_code == 503
    finally:
        for one in stalled:
            one.close()
