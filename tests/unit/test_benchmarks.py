import http.server
import math
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks import report
from benchmarks.load import PYTHON, Target, apply_load, is_whole, percentile, read_wrk
from benchmarks.processes import ChildFailedError
from benchmarks.rounds import check_agreement
from benchmarks.samples import LITERT, Answer, EngineSample, Load, Measured, Memory, Sample

REQUEST = b"picture"


class _Echo(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        status = 200 if self.path == "/good" and body == REQUEST else 500
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def target(port: int, path: str) -> Target:
    return Target(port, path, REQUEST, Path("picture.png"))


def sample(name: str, number: int, per_second: float) -> Sample:
    load = Load(requests=100, per_second=per_second, p50_ms=1.0, p99_ms=2.0, errors=0)
    loads = tuple(Measured(connections, load, 0.5, 0.6) for connections in (1, 8, 32))
    return Sample(name, number, start_seconds=1.0, loads=loads, memory=(Memory(60.0, 40.0), Memory(62.0, 40.0)))


def samples(*speeds: tuple[str, float]) -> list[Sample]:
    return [sample(name, 1, speed) for name, speed in speeds]


EVERYONE = samples(("Convoy", 400.0), ("Flask + model.predict", 40.0), ("Flask + tf.function", 200.0))


def test_good_answers_are_counted_with_their_latency(port: int) -> None:
    load = apply_load(target(port, "/good"), connections=2, seconds=0.2, by=PYTHON)
    assert load.requests > 0
    assert load.errors == 0
    assert 0 < load.p50_ms <= load.p99_ms


def test_answers_with_another_status_are_errors(port: int) -> None:
    load = apply_load(target(port, "/bad"), connections=1, seconds=0.1, by=PYTHON)
    assert (load.requests, load.per_second) == (0, 0.0)
    assert load.errors > 0
    assert math.isnan(load.p50_ms)


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Le", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", False),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 3\r\nA: b\r\n\r\nabc", True),
    ],
)
def test_an_answer_is_whole_once_its_body_has_come(answer: bytes, whole: bool) -> None:
    assert is_whole(bytearray(answer)) is whole


def test_what_wrk_prints_is_read_without_answers_of_another_status() -> None:
    line = '{"requests": 110, "duration_us": 2000000, "bad_status": 10, "broken": 1, "p50_us": 1500, "p99_us": 9000}'
    assert read_wrk(f"Running 2s test\n{line}\n") == Load(100, 50.0, 1.5, 9.0, errors=11)


def test_a_load_that_wrk_saw_no_answer_of_is_an_error_without_latency() -> None:
    line = '{"requests": 0, "duration_us": 2000000, "bad_status": 0, "broken": 0, "p50_us": 0, "p99_us": 0}'
    load = read_wrk(line)
    assert (load.requests, load.per_second, load.errors) == (0, 0.0, 1)
    assert math.isnan(load.p50_ms)


@pytest.mark.parametrize(("percent", "expected"), [(50, 50.0), (99, 99.0), (100, 100.0)])
def test_a_percentile_is_one_of_the_values(percent: float, expected: float) -> None:
    assert percentile([float(one) for one in range(100, 0, -1)], percent) == expected


def test_ratios_are_taken_round_by_round() -> None:
    assert report.ratios([10.0, 40.0, 30.0], [5.0, 10.0, 10.0], "other") == "3 (2 4 3)"


def test_a_round_without_answers_leaves_no_ratio() -> None:
    assert report.ratios([10.0], [0.0], "other") == "–"


def test_the_table_of_requests_has_every_server_at_every_number_of_connections() -> None:
    lines = report.http_table(EVERYONE).splitlines()
    assert len(lines) == 1 + 3 * 3
    assert lines[2].split()[-2:] == ["10", "(10)"]
    assert lines[3].split()[-2:] == ["2", "(2)"]


def test_the_table_of_memory_has_the_mean_of_the_workers() -> None:
    assert report.memory_table(EVERYONE).splitlines()[1].split() == ["Convoy", "61", "40", "1"]


def test_the_table_of_engines_compares_with_litert() -> None:
    found = [EngineSample(LITERT, 1, 1, 0.03), EngineSample("model(x)", 1, 1, 3.0)]
    assert report.engine_table(found).splitlines()[2].split() == ["1", "model(x)", "3", "100", "(100)"]


@pytest.mark.parametrize("other", [Answer("8", (0.1, 0.9)), Answer("7", (0.6, 0.4))])
def test_servers_that_answer_differently_are_not_compared(other: Answer) -> None:
    with pytest.raises(ChildFailedError, match="where Convoy answers '7'"):
        check_agreement({"Convoy": Answer("7", (0.9, 0.1)), "other": other})
