"""Owns `GET /metrics`: the counters of all workers in Prometheus' text format, or OpenMetrics where it is asked for."""

from collections.abc import Iterator

from flask import Blueprint, Response, request
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric

from service.api.metrics.families import families
from service.api.metrics.living import living_families
from service.metrics.counters import Counters
from service.serving.registry import Registry

_OPENMETRICS = "application/openmetrics-text"


def blueprint(registry: Registry, counters: Counters) -> Blueprint:
    """Return the route of the metrics."""
    api = Blueprint("metrics", __name__)
    scrape = _Scrape(registry, counters)

    @api.get("/metrics")
    def metrics() -> Response:
        # NOTE: choose_encoder() breaks on a version that is no number, so it is given none that a client wrote.
        wants_openmetrics = _OPENMETRICS in request.headers.get("Accept", "")
        encode, kind = choose_encoder(f"{_OPENMETRICS}; version=1.0.0" if wants_openmetrics else "")
        return Response(encode(scrape), content_type=kind)

    return api


class _Scrape:
    """What prometheus_client calls a collector: made of the shared files anew each time it is asked."""

    def __init__(self, registry: Registry, counters: Counters) -> None:
        self._registry = registry
        self._counters = counters

    def collect(self) -> Iterator[Metric]:
        """Yield every metric."""
        self._registry.refresh(wait=False)
        yield from families(self._counters.all_totals(), self._registry.view)
        yield from living_families(self._registry, self._counters)
