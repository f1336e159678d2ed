"""Metrics of a real server of two workers against a client's own count, over reloads and kills; its log, its pages."""

import base64
import contextlib
import json
import os
import re
import shutil
import signal
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import requests
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from tests.pictures import encoded, noise, npy
from tests.prebuilt import prebuild
from tests.servers import Server, wait_for

pytest.importorskip("keras")

ROOT = Path(__file__).resolve().parents[2]
DIGIT = encoded(noise(28, 28, seed=3))
ROWS = (noise(40, 28, 28, seed=4) / 255).astype(np.float32)
SECRET = "sup3r-secret-key"
PREDICT, INFER = "/api/models/<name>/predict", "/v2/models/<name>/infer"
NOT_OURS = ("/readyz", "/metrics", "/healthz")
"""Routes that a fixture, or the scrape itself, asks."""
Numbers = Counter[tuple[str, ...]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counted")


@pytest.fixture(scope="module")
def server(cache: Path, bundled_models: Path, folder: Path) -> Iterator[Server]:
    models = folder / "models"
    shutil.copytree(bundled_models / "mnist", models / "mnist")
    prebuild(models, cache)
    settings = {
        **{"cache_dir": cache, "poll_seconds": 0.2, "workers": 2},
        **{"log_format": "json", "runtime_dir": folder / "run"},
    }
    one = Server(models, log=folder / "server.log", settings=settings)
    try:
        yield one.start().wait_ready()
    finally:
        one.stop()


# ---------------------------------------------------------------------------------------------------------- both counts


@dataclass
class Client:
    """Asks this and that, over fresh connections, and counts every answer it has read."""

    server: Server
    numbers: Numbers = field(default_factory=Counter)
    broken: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def ask(self, rounds: int = 3) -> "Client":
        """Ask everything `rounds` times in each of four threads."""
        threads = [threading.Thread(target=self._rounds, args=(rounds,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self

    def _rounds(self, rounds: int) -> None:
        for _ in range(rounds):
            for one in (self._picture, self._rows, self._tensor, self._broken, self._misfit, self._unknown, self._lost):
                try:
                    one()
                except requests.ConnectionError:
                    with self.lock:
                        self.broken += 1

    def _note(self, answer: requests.Response, method: str, route: str, **more: int) -> Any:
        with self.lock:
            self.numbers["http", method, route, str(answer.status_code)] += 1
            for name, count in more.items():
                self.numbers[name,] += count
        return answer.json()

    def _named(self, indexes: Any) -> None:
        with self.lock:
            self.numbers.update(("class", str(index)) for index in indexes)

    def _picture(self) -> None:
        answer = self.server.predict("mnist", DIGIT, headers={"X-API-Key": SECRET})
        body = self._note(answer, "POST", PREDICT, success=1, examples=1, runs=1)
        self._named(one["index"] for one in body["predictions"])

    def _rows(self) -> None:
        # Eight at once: their two largest layers, 26x26x32 and 13x13x32 or 11x11x64 numbers, fit into a MiB.
        body = self._note(self.server.predict("mnist", npy(ROWS)), "POST", PREDICT, success=1, examples=40, runs=5)
        self._named(one["index"] for one in body["predictions"])

    def _tensor(self) -> None:
        body = self._note(self._infer(ROWS[:3, ..., np.newaxis]), "POST", INFER, success=1, examples=3, runs=1)
        self._named(np.reshape(body["outputs"][0]["data"], (3, 10)).argmax(axis=1))

    def _broken(self) -> None:
        self._note(self.server.predict("mnist", DIGIT[:60]), "POST", PREDICT, failure=1, undecodable=1)

    def _misfit(self) -> None:
        self._note(self._infer(ROWS[:1, :5, :5, np.newaxis]), "POST", INFER, failure=1, misfit=1)

    def _unknown(self) -> None:
        self._note(self.server.predict("none", DIGIT), "POST", PREDICT)

    def _lost(self) -> None:
        self._note(self.server.get(f"/nowhere/%0aINFO%1b[31m?key={SECRET}"), "GET", "(unmatched)")

    def _infer(self, rows: Any) -> requests.Response:
        tensor = {"name": "input_layer", "datatype": "FP32", "shape": list(rows.shape), "data": rows.ravel().tolist()}
        return self.server.post("/v2/models/mnist/infer", json={"inputs": [tensor]}, headers={"X-Request-ID": "a;b"})


def scraped(server: Server) -> dict[str, list[Any]]:
    """Return the samples of every metric by its name."""
    found: dict[str, list[Any]] = {}
    answer = server.get("/metrics")
    assert answer.status_code == 200, (answer.text, server.log[-3000:])
    for family in parse_text(answer.text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append(sample)
    return found


def counted(server: Server) -> Numbers:
    """Return what the server has counted, in the client's terms."""
    samples = scraped(server)
    numbers: Numbers = Counter()

    def add(name: str, key: Callable[[dict[str, str]], tuple[str, ...]]) -> None:
        for one in samples.get(name, []):
            numbers[key(one.labels)] += int(one.value)

    add("convoy_http_requests_total", lambda labels: ("http", labels["method"], labels["route"], labels["status"]))
    add("convoy_model_requests_total", lambda labels: (labels["result"],))
    add("convoy_model_examples_total", lambda labels: ("examples",))
    add("convoy_batch_size_count", lambda labels: ("runs",))
    add("convoy_rejected_examples_total", lambda labels: (labels["reason"],))
    add("convoy_predicted_classes_total", lambda labels: ("class", labels["index"]))
    return Counter({key: number for key, number in numbers.items() if not set(key) & set(NOT_OURS)})


def is_replaced(server: Server, killed: int) -> bool:
    return len(set(server.workers()) - {killed}) == 2


def renewed(server: Server, before: list[int]) -> bool:
    """Return whether both workers are others than before, and the models are loaded."""
    return len(server.workers()) == 2 and not set(server.workers()) & set(before) and server.is_ready()


# ------------------------------------------------------------------------------------------------------------ exactness


def test_the_sums_over_workers_are_a_clients_own_numbers(server: Server) -> None:
    before = counted(server)
    client = Client(server).ask()

    assert counted(server) - before == client.numbers
    assert client.numbers["examples",] == 4 * 3 * 44


def test_a_reload_of_all_workers_under_load_loses_no_count(server: Server) -> None:
    before, workers = counted(server), server.workers()
    client = Client(server)
    asking = threading.Thread(target=client.ask, args=(6,))
    asking.start()
    os.kill(server.pid, signal.SIGHUP)
    asking.join()
    wait_for(lambda: renewed(server, workers), what="a reload")
    client.ask(1)

    found = counted(server) - before
    # A connection that broke may have been counted: its answer was on its way.
    assert 0 <= (found - client.numbers).total() <= 20 * client.broken
    assert not client.numbers - found


def test_a_killed_workers_counts_stay(server: Server) -> None:
    before = counted(server)
    client = Client(server).ask(1)
    for _ in range(2):
        killed = server.workers()[0]
        os.kill(killed, signal.SIGKILL)
        wait_for(partial(is_replaced, server, killed), what="a new worker")
        wait_for(lambda: scraped(server)["convoy_workers"][0].value == 2, what="its counters")
        client.ask(1)

    assert counted(server) - before == client.numbers
    assert scraped(server)["convoy_worker_starts_total"][0].value >= 4


def test_files_of_dead_workers_do_not_pile_up(server: Server, folder: Path) -> None:
    counters = folder / "run/counters"

    wait_for(lambda: len(list(counters.iterdir())) <= 4, what="two workers' files, the sums and the lock alone")


def test_the_statistics_extension_and_the_metrics_agree(server: Server) -> None:
    Client(server).ask(1)
    (stats,) = server.get("/v2/models/mnist/stats").json()["model_stats"]
    samples = {name: found[0].value for name, found in scraped(server).items() if name.startswith("nv_")}

    told = stats["inference_stats"]
    assert samples == {
        "nv_inference_request_success": told["success"]["count"],
        "nv_inference_request_failure": told["fail"]["count"],
        "nv_inference_count": stats["inference_count"],
        "nv_inference_exec_count": stats["execution_count"],
        "nv_inference_request_duration_us": told["success"]["ns"] // 1000,
        "nv_inference_queue_duration_us": told["queue"]["ns"] // 1000,
        "nv_inference_compute_input_duration_us": told["compute_input"]["ns"] // 1000,
        "nv_inference_compute_infer_duration_us": told["compute_infer"]["ns"] // 1000,
    }


def test_every_stage_is_a_histogram_of_all_answered_requests(server: Server) -> None:
    Client(server).ask(1)
    samples = scraped(server)
    answered = samples["nv_inference_request_success"][0].value

    for stage in ("decode", "queue", "inference", "render"):
        assert samples[f"convoy_{stage}_seconds_count"][0].value == answered
        assert samples[f"convoy_{stage}_seconds_sum"][0].value > 0
    for stage in ("preprocess", "predict", "postprocess"):
        assert samples[f"request_{stage}_seconds_count"][0].value == answered


def test_models_and_workers_are_shown_as_they_are(server: Server) -> None:
    samples = scraped(server)

    states = {one.labels["state"]: one.value for one in samples["convoy_model_state"]}
    assert states == {"building": 0, "live": 1, "failed": 0, "unloaded": 0}
    (info,) = samples["convoy_model_info"]
    card = server.get("/api/models/mnist").json()
    assert (info.labels["fingerprint"], info.labels["format"]) == (card["fingerprint"], "keras")
    assert samples["convoy_ready"][0].value == 1
    resident = {int(one.labels["pid"]): one.value for one in samples["convoy_worker_resident_bytes"]}
    assert set(resident) == set(server.workers())
    assert all(10e6 < size < 1e9 for size in resident.values())


# ------------------------------------------------------------------------------------------------------ forms and pages


def test_it_is_valid_openmetrics_too(server: Server) -> None:
    answer = server.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
    text = server.get("/metrics").text
    found = parse_openmetrics(answer.text)  # type: ignore[no-untyped-call]
    assert {one.name for one in found} == {one.name for one in parse_text(text)}


def types_in(text: str) -> dict[str, str]:
    """Return the type of each metric of the text format, by the name that is shown."""
    return dict(re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE))


def test_every_metric_is_on_its_page_and_none_that_is_not_there(server: Server) -> None:
    page = (ROOT / "docs/metrics.md").read_text("utf-8")
    told = dict(re.findall(r"^\| `((?:convoy|nv|request)_\w+)` \| (\w+) \|", page, re.MULTILINE))

    assert told == types_in(server.get("/metrics").text)


@pytest.mark.parametrize("path", ["deploy/grafana/convoy.json", "deploy/prometheus/alerts.yml"])
def test_every_metric_a_dashboard_or_an_alert_asks_for_is_there(server: Server, path: str) -> None:
    types = types_in(server.get("/metrics").text)
    parts = [name + suffix for name, kind in types.items() if kind == "histogram" for suffix in _SUFFIXES]
    text = (ROOT / path).read_text("utf-8")
    asked = set(re.findall(r"\b(?:convoy|nv|request)_[a-z0-9_]+\b", text))

    assert len(asked) > 5
    assert asked <= {*types, *parts}


_SUFFIXES = ("_bucket", "_sum", "_count")


def test_the_dashboards_panels_have_ids_of_their_own_and_ask_something(server: Server) -> None:
    board = json.loads((ROOT / "deploy/grafana/convoy.json").read_text("utf-8"))
    panels = [one for one in board["panels"] if one["type"] != "row"]

    assert len({one["id"] for one in board["panels"]}) == len(board["panels"])
    assert all(target["expr"] for one in panels for target in one["targets"])
    assert len(panels) > 15


# ------------------------------------------------------------------------------------------------------------------ log


def test_every_line_of_the_log_is_an_object_and_holds_no_payload_and_no_key(server: Server) -> None:
    Client(server).ask(1)
    text = server.log
    lines = [json.loads(line) for line in text.splitlines()]

    assert all({"time", "level", "logger", "process", "message"} <= set(one) for one in lines)
    assert {"gunicorn.error", "convoy", "convoy.access", "service.serving.registry"} <= {one["logger"] for one in lines}
    assert SECRET not in text
    assert base64.b64encode(DIGIT).decode()[:20] not in text
    assert text.replace("\n", "").isprintable()
    assert "nowhere" not in text


def test_a_requests_line_says_what_it_was_and_what_took_its_time(server: Server) -> None:
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"X-Request-ID": "the-one", "traceparent": f"00-{trace}-b7ad6b7169203331-01", "tracestate": "a=1"}
    answer = server.predict("mnist", npy(ROWS), headers=headers)

    assert re.fullmatch(f"00-{trace}-[0-9a-f]{{16}}-01", answer.headers["traceparent"])
    assert answer.headers["tracestate"] == "a=1"
    line = wait_for(lambda: line_of(server, "the-one"), what="its line")
    assert {name: line[name] for name in ("method", "route", "status", "model", "version", "images", "trace")} == {
        **{"method": "POST", "route": PREDICT, "status": 200, "model": "mnist", "version": 1, "images": 40},
        "trace": trace,
    }
    assert line["bytes"] == len(npy(ROWS))
    assert line["client"] == "127.0.0.1"
    stages = [line[name] for name in ("queue_ms", "decode_ms", "infer_ms", "render_ms")]
    assert all(one >= 0 for one in stages)
    assert sum(stages) <= line["ms"]


def line_of(server: Server, request_id: str) -> Any:
    for line in server.log.splitlines():
        with contextlib.suppress(ValueError):  # the last one may be on its way
            if (entry := json.loads(line)).get("id") == request_id:
                return entry
    return None
