"""Waiting is bounded: a full queue refuses at once, a late answer is a 504, who has gone is not worked for."""

import contextlib
import json
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.pictures import encoded, noise, npy
from tests.servers import Server, serving_mnist, wait_for
from tests.sockets import PREDICT, connected, connections_of, post, read_answer

pytest.importorskip("keras")

DIGIT = encoded(noise(28, 28))
LONG = npy(noise(20_000, 28, 28))
CONTROL = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/ping")
SHORT_OF_TIME = {"X-Request-Timeout": "0.05"}


@pytest.fixture(scope="module")
def small(cache: Path, bundled_models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One worker of one thread, in front of which four may wait."""
    folder = tmp_path_factory.mktemp("small")
    with serving_mnist(folder, bundled_models, cache, workers=1, threads=1, max_waiting=4) as server:
        yield server


def successes(server: Server) -> int:
    """Return how many requests the model has answered."""
    stats = server.get("/v2/models/mnist/stats").json()["model_stats"][0]["inference_stats"]
    return int(stats["success"]["count"])


@contextlib.contextmanager
def busy(server: Server) -> Iterator[socket.socket]:
    """Have the server's only thread work on a long request while the block runs; it is answered in the end."""
    with connected(server) as connection:
        connection.sendall(post(LONG))
        time.sleep(0.3)  # the end of it is taken from the socket, and given to the thread
        yield connection
        assert read_answer(connection)[0] == 200


def test_requests_over_the_queue_are_refused_at_once_and_the_rest_answered(small: Server) -> None:
    batch = npy((noise(3000, 28, 28) / 255).astype("float32"))
    answers: list[requests.Response] = []

    def ask() -> None:
        for _ in range(3):
            answers.append(small.post(PREDICT, batch))

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(answers) == 48  # no connection broke, of those refused either
    assert {one.status_code for one in answers} == {200, 503}
    for refusal in (one for one in answers if one.status_code == 503):
        assert refusal.headers["Content-Type"] == "application/problem+json"
        assert refusal.headers["Retry-After"] == "1"
        assert refusal.json()["status"] == 503
    assert small.predict("mnist", DIGIT).status_code == 200


def test_health_and_metrics_are_answered_while_the_queue_is_full(small: Server) -> None:
    with busy(small) as first, contextlib.ExitStack() as stack:
        waiting = [stack.enter_context(connected(small)) for _ in range(4)]
        for one in waiting:
            one.sendall(post(DIGIT))
        wait_for(lambda: small.get("/api/models").status_code == 503, what="a full queue")
        found = [small.get(path).status_code for path in CONTROL]
        refused = small.get("/api/models").status_code
        first.setblocking(False)
        with pytest.raises(BlockingIOError):  # it was at work all the while
            first.recv(1)
        first.settimeout(60)
        statuses = [read_answer(one)[0] for one in waiting]

    assert found == [200] * 5
    assert refused == 503
    assert statuses == [200] * 4


def test_an_answer_that_comes_too_late_is_a_504(small: Server) -> None:
    answer = small.predict("mnist", LONG, headers=SHORT_OF_TIME)

    assert answer.status_code == 504
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert small.predict("mnist", DIGIT, headers={"X-Request-Timeout": "20"}).status_code == 200


def test_a_request_whose_time_ran_out_in_the_queue_is_not_worked_on(small: Server) -> None:
    with busy(small):
        answer = small.post("/v1/models/mnist:predict", '{"instances": []}', headers={"X-Request-Timeout": "0.001"})

    assert answer.status_code == 504
    assert "waited too long" in answer.json()["error"]


@pytest.mark.parametrize("value", ["soon", "0", "-1", "nan", "inf", ""])
def test_a_timeout_that_is_no_number_of_seconds_is_refused(small: Server, value: str) -> None:
    answer = small.predict("mnist", DIGIT, headers={"X-Request-Timeout": value})

    assert answer.status_code == 400
    assert "X-Request-Timeout" in answer.json()["detail"]


@pytest.mark.parametrize(("microseconds", "status"), [(1, 504), (0, 200), (60_000_000, 200), (-1, 400), ("1", 400)])
def test_v2_takes_its_own_timeout(small: Server, microseconds: object, status: int) -> None:
    tensor = {"name": "input_layer", "shape": [1, 28, 28, 1], "datatype": "FP32", "data": [0.5] * 784}

    answer = small.post(
        "/v2/models/mnist/infer", json.dumps({"inputs": [tensor], "parameters": {"timeout": microseconds}})
    )

    assert answer.status_code == status


def test_nothing_is_done_for_clients_that_have_gone(small: Server) -> None:
    before = successes(small)
    with busy(small):
        gone = [connected(small) for _ in range(4)]
        for one in gone:
            one.sendall(post(DIGIT))
        for one in gone:
            one.close()

    wait_for(lambda: small.predict("mnist", DIGIT).status_code == 200, what="an answer")
    assert successes(small) == before + 2  # the long one, and the one after it


def test_a_long_request_ends_when_its_client_goes(small: Server) -> None:
    before = successes(small)
    connection = connected(small)
    connection.sendall(post(npy(noise(50_000, 28, 28))))
    time.sleep(0.3)
    connection.close()

    assert small.predict("mnist", DIGIT).status_code == 200
    assert successes(small) == before + 1


def test_connections_are_spread_over_the_workers(mnist_server: Server) -> None:
    port = int(mnist_server.url.rsplit(":", 1)[1])
    sessions = [requests.Session() for _ in range(8)]
    statuses = Counter(one.get(f"{mnist_server.url}/api/models", timeout=30).status_code for one in sessions)

    held = [connections_of(pid, port) for pid in mnist_server.workers()]
    for one in sessions:
        one.close()

    assert statuses == {200: 8}
    assert min(held) >= 3, held  # one that a test before closed may not have been noticed yet


def test_requests_that_follow_each_other_unasked_are_answered_in_turn(mnist_server: Server) -> None:
    with connected(mnist_server) as connection:
        connection.sendall(post(DIGIT) * 3 + post(b"no image") + post(DIGIT, PREDICT, "Connection: close"))
        rest, statuses = b"", []
        for _ in range(5):
            status, _, rest = read_answer(connection, rest)
            statuses.append(status)
        connection.settimeout(10)
        assert connection.recv(1) == b""

    assert statuses == [200, 200, 200, 400, 200]


def test_a_client_that_sends_no_more_still_gets_its_answer(mnist_server: Server) -> None:
    with connected(mnist_server) as connection:
        connection.sendall(post(DIGIT))
        connection.shutdown(socket.SHUT_WR)

        assert read_answer(connection)[0] == 200


def test_health_is_not_held_up_by_what_follows_many_quick_requests(small: Server) -> None:
    explain = "/api/models/mnist/explain"
    for _ in range(40):
        assert small.post(PREDICT, DIGIT).status_code == 200
        assert small.post(PREDICT, b"no picture").status_code == 400
        assert small.post(explain, b"no picture").status_code == 400

    for path, body in ((explain, DIGIT), (PREDICT, LONG)):
        asked = time.monotonic()
        longest = 0.0
        with connected(small) as connection:
            connection.sendall(post(body, path=path))
            waiting = threading.Thread(target=read_answer, args=(connection,))
            waiting.start()
            while waiting.is_alive():
                began = time.monotonic()
                assert small.get("/healthz").status_code == 200
                longest = max(longest, time.monotonic() - began)
            waiting.join()
        assert longest < 0.6 * (time.monotonic() - asked)
