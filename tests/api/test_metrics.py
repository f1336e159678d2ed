"""Metrics and watching of requests over a small application: bounded labels, failures, forms, what a log line holds."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, g
from flask.testing import FlaskClient
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from service.api.metrics import routes
from service.api.metrics.families import GONE_VERSIONS, families
from service.api.observed import Observer
from service.errors import MisfitError, TooLargeError, UndecodableImageError
from service.log import JsonFormatter
from service.metrics.counters import Counters
from service.metrics.metrics import REFUSED, Metrics
from service.repository.bundles import BundleStore
from service.serving.examples import Timings
from service.serving.live import LiveFile, LiveView, VersionState
from service.serving.predicted import Predicted
from service.serving.registry import Registry
from service.serving.statistics import CLASSES, Account, Statistics

KEY = ("mnist", 3)
PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture
def counters(tmp_path: Path) -> Iterator[Counters]:
    made = Counters(tmp_path)
    yield made
    made.close()


@pytest.fixture
def statistics(counters: Counters) -> Statistics:
    return Statistics(counters)


@pytest.fixture
def client(counters: Counters, statistics: Statistics, tmp_path: Path) -> FlaskClient:
    app = Flask("watched")
    observer = Observer(statistics, Metrics(counters))
    observer.register(app)
    registry = Registry(LiveFile(tmp_path), BundleStore(tmp_path / "cache"))
    app.register_blueprint(routes.blueprint(registry, counters))

    @app.post("/models/<name>/ask")
    def ask(name: str) -> str:
        g.key_name = "robot\n"
        observer.record(account(examples=2, rejected=[UndecodableImageError("no image")]))
        return "done"

    @app.get("/broken")
    def broken() -> str:
        raise RuntimeError("at night")

    @app.after_request
    def unwilling(response: Any) -> Any:
        if response.status_code == 202:
            raise RuntimeError("in a hook")
        return response

    @app.get("/hook")
    def hook() -> tuple[str, int]:
        return "", 202

    return app.test_client()


def account(**given: Any) -> Account:
    return Account(KEY, **{"timings": Timings(0.001, 0.002, 0.003), "runs": {2: 1}, "seconds": 0.007, **given})


def samples(client: FlaskClient, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of a metric by the values of their labels, in the order of the labels' names."""
    found = parse_text(client.get("/metrics").text)
    return {
        tuple(value for _, value in sorted(one.labels.items())): one.value
        for family in found
        for one in family.samples
        if one.name == name
    }


# --------------------------------------------------------------------------------------------------------------- labels


def test_classes_behind_the_hundredth_are_counted_together(client: FlaskClient, statistics: Statistics) -> None:
    predicted = [Predicted("scores", index, f"class {index}", 0.5) for index in range(CLASSES + 40)]
    statistics.record(account(examples=len(predicted), predicted=predicted))

    found = samples(client, "convoy_predicted_classes_total")

    assert len(found) == CLASSES + 1
    assert found["other", "other", "mnist", "scores", "3"] == 40
    assert samples(client, "convoy_confidence_ratio_count") == {("mnist", "scores", "3"): CLASSES + 40}


def test_a_label_from_somebodys_file_cannot_break_the_answer(client: FlaskClient, statistics: Statistics) -> None:
    nasty = 'a"b\\c\nd\ud800' + "x" * 1000
    statistics.record(account(examples=1, predicted=[Predicted("out", 0, nasty, None)]))

    ((_, label, *_),) = samples(client, "convoy_predicted_classes_total")

    assert label.startswith('a"b\\c\nd\\ud800x')
    assert len(label) < 120
    assert samples(client, "convoy_confidence_ratio_count") == {("mnist", "out", "3"): 0}


def test_a_clients_words_are_no_labels(client: FlaskClient) -> None:
    for number in range(5):
        assert client.get(f"/nothing/{number}").status_code == 404
    client.open("/models/a/ask", method="BREW")

    found = samples(client, "convoy_http_requests_total")

    assert {key: count for key, count in found.items() if key[1] != "/metrics"} == {
        ("GET", "(unmatched)", "404"): 5,
        ("other", "(unmatched)", "405"): 1,
    }


def test_of_versions_that_are_gone_only_those_asked_last_are_shown(statistics: Statistics, counters: Counters) -> None:
    for version in range(GONE_VERSIONS + 10):
        statistics.record(Account(("mnist", version), examples=1, runs={1: 1}))
    view = LiveView({"mnist": {0: VersionState("live")}})

    (found,) = (one for one in families(counters.all_totals(), view) if one.name == "convoy_model_examples")

    assert len(found.samples) == GONE_VERSIONS + 1
    assert "0" in {one.labels["version"] for one in found.samples}


# ------------------------------------------------------------------------------------------------------------- requests


def test_a_request_whose_handler_fails_is_counted_once(client: FlaskClient) -> None:
    client.get("/broken")
    client.get("/hook")

    found = samples(client, "convoy_http_requests_total")

    assert found["GET", "/broken", "500"] == 1
    assert found["GET", "/hook", "500"] == 1
    assert samples(client, "convoy_requests_in_flight") == {(): 1}


def test_what_never_reaches_the_application_is_counted_by_whoever_refused_it(
    client: FlaskClient, counters: Counters
) -> None:
    metrics = Metrics(counters)
    metrics.http("", REFUSED, 503, 0.001)
    metrics.http("GET", "/healthz", 200, 0.001)
    metrics.waiting(5)
    metrics.connections(9)
    metrics.waiting(4)

    assert samples(client, "convoy_refused_requests_total") == {("503",): 1}
    assert samples(client, "convoy_http_requests_total")["GET", "/healthz", "200"] == 1
    assert samples(client, "convoy_requests_waiting") == {(): 4}
    assert samples(client, "convoy_connections") == {(): 9}


def test_examples_that_were_refused_are_counted_by_reason(client: FlaskClient, statistics: Statistics) -> None:
    class StrangeError(MisfitError):
        pass

    errors = [UndecodableImageError("a"), UndecodableImageError("b"), TooLargeError("c"), StrangeError("d")]
    statistics.record(account(rejected=errors))

    assert samples(client, "convoy_rejected_examples_total") == {
        ("mnist", "other", "3"): 1,
        ("mnist", "too_large", "3"): 1,
        ("mnist", "undecodable", "3"): 2,
    }
    assert samples(client, "nv_inference_request_failure") == {("mnist", "3"): 1}


def test_a_batch_is_counted_as_the_engine_is_given_it(client: FlaskClient, statistics: Statistics) -> None:
    statistics.record(account(examples=75, runs={32: 2, 6: 1, 5: 1}))

    assert samples(client, "nv_inference_exec_count") == {("mnist", "3"): 4}  # 32 + 32 + 6, and 5
    assert samples(client, "convoy_batch_size_sum") == {("mnist", "3"): 75}
    assert samples(client, "nv_inference_request_duration_us") == {("mnist", "3"): 7000}
    assert samples(client, "nv_inference_queue_duration_us") == {("mnist", "3"): 2000}


# ---------------------------------------------------------------------------------------------------------------- forms


@pytest.mark.parametrize(
    "accept", ["", "text/plain;version=abc", "text/plain; version=1.0.0; escaping=\x7f", "*/*;q=é", "application/json"]
)
def test_the_text_format_is_the_default_whatever_else_is_asked_for(client: FlaskClient, accept: str) -> None:
    answer = client.get("/metrics", headers={"Accept": accept})

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert list(parse_text(answer.text))


def test_openmetrics_is_given_where_it_is_asked_for(client: FlaskClient, statistics: Statistics) -> None:
    statistics.record(account(examples=1, predicted=[Predicted("out", 0, "zero", 1.0)]))
    answer = client.get("/metrics", headers={"Accept": "application/openmetrics-text;version=2.x,text/plain;q=0.1"})

    assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
    assert answer.text.endswith("# EOF\n")
    found = parse_openmetrics(answer.text)  # type: ignore[no-untyped-call]
    assert {one.name for one in found} >= {"convoy_http_requests", "nv_inference_count"}


# ---------------------------------------------------------------------------------------------------- headers, log line


def test_an_answer_has_the_times_of_its_stages_and_its_trace(client: FlaskClient) -> None:
    answer = client.post("/models/mnist/ask", headers={"traceparent": PARENT, "tracestate": "a=1"})

    stages = dict(part.split(";dur=") for part in answer.headers["Server-Timing"].split(", "))
    assert {name: stages[name] for name in ("queue", "decode", "infer")} == {
        **{"queue": "2.000", "decode": "1.000", "infer": "3.000"},
    }
    assert answer.headers["traceparent"].split("-")[1] == PARENT.split("-")[1]
    assert answer.headers["tracestate"] == "a=1"
    assert "tracestate" not in client.post("/models/mnist/ask", headers={"tracestate": "a=1"}).headers


def test_a_log_line_says_what_is_known_and_no_more(client: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "convoy.access"):
        client.post(
            "/models/secret-name/ask?token=secret",
            data=b"secret",
            headers={"traceparent": PARENT, "X-Request-ID": "r-1", "Authorization": "Bearer secret"},
        )

    (record,) = caplog.records
    facts = record.facts  # type: ignore[attr-defined]
    assert facts.pop("ms") > 0
    assert facts.pop("render_ms") is not None
    assert facts == {
        **{"method": "POST", "route": "/models/<name>/ask", "status": 200, "id": "r-1", "bytes": 6},
        **{"model": "mnist", "version": 3, "images": 3, "key": "robot\n", "client": "127.0.0.1"},
        **{"queue_ms": 2.0, "decode_ms": 1.0, "infer_ms": 3.0, "trace": "0af7651916cd43dd8448eb211c80319c"},
    }
    assert record.getMessage().startswith("POST /models/<name>/ask 200 ")


@pytest.mark.parametrize(("claimed", "noted"), [("2147483648", 2**31), ("18446744073709551616", None)])
def test_a_length_that_no_body_has_does_not_hide_the_line(
    client: FlaskClient, caplog: pytest.LogCaptureFixture, claimed: str, noted: int | None
) -> None:
    with caplog.at_level(logging.INFO, "convoy.access"):
        client.post("/models/mnist/ask", environ_overrides={"CONTENT_LENGTH": claimed})

    (record,) = caplog.records
    assert record.facts.get("bytes") == noted  # type: ignore[attr-defined]
    assert JsonFormatter().format(record).startswith("{")
