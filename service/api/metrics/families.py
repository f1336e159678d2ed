"""Owns the metrics of what was counted: their names, their labels, and of which numbers each is made.

Names follow Prometheus' conventions; beside ours stand those of Triton and of KServe where they mean the same.
"""

from collections.abc import Iterator, Mapping

from prometheus_client.metrics_core import Metric

from service.api.metrics.making import Labels, Row, Rows, as_named, counter, gauge, grouped, histogram
from service.metrics import kinds
from service.metrics.kinds import Histogram, Kind
from service.metrics.metrics import REFUSED
from service.serving.live import LiveView

GONE_VERSIONS = 64
"""Versions shown that are no longer there: those that answered last."""
_NS_PER_US = 1000
_VERSION = kinds.MODEL.labels


def families(totals: Mapping[tuple[str, ...], Row], view: LiveView) -> Iterator[Metric]:
    """Yield the metrics of the totals over all workers, each row behind its kind and labels."""
    models = _of(totals, kinds.MODEL)
    shown = _shown(models, view)
    models = _only(models, shown)
    yield from _http(_of(totals, kinds.HTTP))
    yield from _requests(models)
    yield from _stages(models)
    yield from _triton(models)
    yield from _kserve(models)
    yield from _examples(_only(_of(totals, kinds.REJECTED), shown), _only(_of(totals, kinds.CLASS), shown))
    yield from _builds(_of(totals, kinds.BUILD))
    yield from _workers(_of(totals, kinds.STARTED), _of(totals, kinds.WORKER))


def _of(totals: Mapping[tuple[str, ...], Row], kind: Kind) -> dict[Labels, Row]:
    return {_printable(name[1:]): row for name, row in totals.items() if name[0] == kind.name}


def _printable(labels: Labels) -> Labels:
    # A lone surrogate from somebody's labels cannot be written as UTF-8.
    return tuple(one.encode("utf-8", "backslashreplace").decode() for one in labels)


def _shown(models: Rows, view: LiveView) -> set[Labels]:
    """Return the versions to show, so that years of new versions do not make the answer ever longer."""
    there = {(name, str(version)) for name, versions in view.models.items() for version in versions}
    gone = sorted(models.keys() - there, key=lambda labels: models[labels][kinds.LAST], reverse=True)
    return there | set(gone[:GONE_VERSIONS])


def _only(rows: Rows, shown: set[Labels]) -> dict[Labels, Row]:
    return {labels: row for labels, row in rows.items() if labels[:2] in shown}


def _http(rows: Rows) -> Iterator[Metric]:
    part = kinds.HTTP_SECONDS
    counted = {labels: part.count(row) for labels, row in rows.items()}
    yield counter(
        "convoy_http_requests",
        "Requests answered, by the rule of their address, never the address itself.",
        ("method", "route", "status"),
        counted.items(),
    )
    yield counter(
        "convoy_refused_requests",
        "Requests refused at once, without looking into them, because too many were at work or waiting.",
        ("status",),
        [(labels[2:], count) for labels, count in counted.items() if labels[1] == REFUSED],
    )
    yield histogram(
        "convoy_http_request_duration_seconds",
        "From when a request had come, its wait for a thread included, until its answer was ready to be sent.",
        ("method", "route"),
        grouped(rows, lambda labels: labels[:2]),
        part,
    )
    yield histogram(
        "convoy_http_request_wait_seconds",
        "How long requests that had come waited for a thread.",
        (),
        grouped(rows, lambda labels: labels[:0]) or {(): (0,) * kinds.HTTP.width},
        kinds.WAIT_SECONDS,
    )


def _requests(models: Rows) -> Iterator[Metric]:
    results = {"success": kinds.SUCCESSES, "failure": kinds.FAILURES}
    yield counter(
        "convoy_model_requests",
        "Requests that reached a model, by whether any of their examples was answered.",
        (*_VERSION, "result"),
        [((*labels, name), row[place]) for labels, row in models.items() for name, place in results.items()],
    )
    yield counter(
        "convoy_model_examples",
        "Examples (images, or rows of numbers) answered.",
        _VERSION,
        _places(models, kinds.EXAMPLES),
    )
    yield gauge(
        "convoy_model_last_request_timestamp_seconds",
        "When a model was last asked, in seconds since 1970.",
        _VERSION,
        [(labels, row[kinds.LAST] / 1000) for labels, row in models.items() if row[kinds.LAST]],
    )


def _stages(models: Rows) -> Iterator[Metric]:
    stages: dict[str, tuple[str, Histogram]] = {
        "convoy_decode_seconds": ("Making a request's inputs: decoding pictures, resizing, scaling.", kinds.DECODE),
        "convoy_queue_seconds": ("Waiting for the model's engine.", kinds.QUEUE),
        "convoy_inference_seconds": ("Running the model.", kinds.INFER),
        "convoy_render_seconds": ("From the model's outputs to the answer that is sent.", kinds.RENDER),
        "convoy_batch_size": ("Examples in one run of the engine.", kinds.BATCH),
    }
    for name, (text, part) in stages.items():
        yield histogram(name, f"{text} Of answered requests alone.", _VERSION, models, part)


def _triton(models: Rows) -> Iterator[Metric]:
    def row(name: str, text: str, place: int) -> Metric:
        return as_named(f"nv_inference_{name}", text, _VERSION, _places(models, place))

    def duration(name: str, text: str, place: int) -> Metric:
        samples = [(labels, row[place] // _NS_PER_US) for labels, row in models.items()]
        return as_named(f"nv_inference_{name}_duration_us", f"{text}, microseconds.", _VERSION, samples)

    yield row("request_success", "Answered requests.", kinds.SUCCESSES)
    yield row("request_failure", "Failed requests.", kinds.FAILURES)
    yield row("count", "Examples answered.", kinds.EXAMPLES)
    runs = [(labels, kinds.BATCH.count(row)) for labels, row in models.items()]
    yield as_named("nv_inference_exec_count", "Runs of the engine.", _VERSION, runs)
    yield duration("request", "Time of answered requests", kinds.SUCCESS_NS)
    yield duration("queue", "Time they waited for the engine", kinds.QUEUE.end - 1)
    yield duration("compute_input", "Time to make their inputs", kinds.DECODE.end - 1)
    yield duration("compute_infer", "Time to run the model", kinds.INFER.end - 1)


def _kserve(models: Rows) -> Iterator[Metric]:
    by_name = grouped(models, lambda labels: labels[:1])
    parts = {"preprocess": kinds.DECODE, "predict": kinds.INFER, "postprocess": kinds.RENDER}
    ours = {"preprocess": "convoy_decode_seconds", "predict": "convoy_inference_seconds"}
    for name, part in parts.items():
        text = f"{ours.get(name, 'convoy_render_seconds')} of all versions, under KServe's name."
        yield histogram(f"request_{name}_seconds", text, ("model_name",), by_name, part)


def _examples(rejected: Rows, classes: Rows) -> Iterator[Metric]:
    yield counter(
        "convoy_rejected_examples",
        "Examples that could not be answered, by what was wrong with them.",
        kinds.REJECTED.labels,
        _places(rejected, 0),
    )
    yield counter(
        "convoy_predicted_classes",
        "Answers by the class they name; classes from the hundred and first on are `other`.",
        kinds.CLASS.labels,
        _places(classes, 0),
    )
    yield histogram(
        "convoy_confidence_ratio",
        "The probability of the class that an answer names, 0 to 1.",
        kinds.CLASS.labels[:3],
        grouped(classes, lambda labels: labels[:3]),
        kinds.CONFIDENCE,
    )


def _builds(rows: Rows) -> Iterator[Metric]:
    part = kinds.BUILD_SECONDS
    yield counter(
        "convoy_builds",
        "Builds by how they ended: built, failed (the file is at fault) or interrupted (tried again).",
        kinds.BUILD.labels,
        [(labels, part.count(row)) for labels, row in rows.items()],
    )
    yield histogram(
        "convoy_build_duration_seconds", "How long builds took.", ("result",), grouped(rows, lambda one: one[1:]), part
    )


def _workers(started: Rows, now: Rows) -> Iterator[Metric]:
    yield counter("convoy_worker_starts", "Workers started since the server began.", (), _places(started, 0))
    row = now.get((), (0,) * kinds.WORKER.width)
    for name, text, place in (
        ("convoy_requests_in_flight", "Requests being answered, the scrape among them.", kinds.IN_FLIGHT),
        ("convoy_requests_waiting", "Requests that have come and wait for a thread.", kinds.WAITING),
        ("convoy_connections", "Connections held.", kinds.CONNECTIONS),
    ):
        yield gauge(name, text, (), [((), row[place])])


def _places(rows: Rows, place: int) -> list[tuple[Labels, float]]:
    return [(labels, row[place]) for labels, row in rows.items()]
