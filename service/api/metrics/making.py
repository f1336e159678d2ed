"""Owns making one metric of counted rows, as prometheus_client wants it."""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.metrics_core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    UnknownMetricFamily,
)

from service.metrics.kinds import Histogram

Labels = tuple[str, ...]
Row = tuple[int, ...]
Rows = Mapping[Labels, Row]
Samples = Iterable[tuple[Labels, float]]


def counter(name: str, text: str, labels: Labels, samples: Samples) -> Metric:
    """Return a counter; its name ends in `_total` where it is shown."""
    return _filled(CounterMetricFamily(name, text, labels=labels), samples)


def gauge(name: str, text: str, labels: Labels, samples: Samples) -> Metric:
    """Return a gauge."""
    return _filled(GaugeMetricFamily(name, text, labels=labels), samples)


def as_named(name: str, text: str, labels: Labels, samples: Samples) -> Metric:
    """Return a counter under another server's name for it, which does not end in `_total`: it has no type then."""
    return _filled(UnknownMetricFamily(name, text, labels=labels), samples)


def histogram(name: str, text: str, labels: Labels, rows: Rows, part: Histogram) -> Metric:
    """Return a histogram of one part of each row."""
    family = HistogramMetricFamily(name, text, labels=labels)
    bounds = [*(str(bound / part.scale) for bound in part.bounds), "+Inf"]
    for values, row in sorted(rows.items()):
        family.add_metric(values, list(zip(bounds, part.cumulated(row), strict=True)), part.sum(row) / part.scale)
    return family


def grouped(rows: Rows, labels: Callable[[Labels], Labels]) -> dict[Labels, Row]:
    """Return the rows added up under other labels, such as fewer of them."""
    found: dict[Labels, Row] = {}
    for values, row in rows.items():
        name = labels(values)
        found[name] = tuple(map(sum, zip(found[name], row, strict=True))) if name in found else row
    return found


def _filled(
    family: CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily, samples: Samples
) -> CounterMetricFamily | GaugeMetricFamily | UnknownMetricFamily:
    for values, value in sorted(samples):
        family.add_metric(values, value)
    return family
