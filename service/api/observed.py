"""Owns watching each request from its begin to its end: its id and trace, its times, its count, its log line."""

import re
import time
import uuid

from flask import Flask, Response, g, request

from service.api.log import log_request
from service.api.trace import trace_of
from service.metrics.metrics import UNMATCHED, Metrics
from service.serving.admission import arrived_at
from service.serving.statistics import Account, Statistics

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_BROKEN = 500


class Observer:
    """What the predictors tell of a request goes into the statistics, and is kept for its log line and its headers."""

    def __init__(self, statistics: Statistics, metrics: Metrics) -> None:
        self._statistics = statistics
        self._metrics = metrics

    def record(self, account: Account) -> None:
        """Take note of what a model was asked in the request at hand."""
        g.account = account
        if account.is_counted:
            self._statistics.record(account)

    def register(self, app: Flask) -> None:
        """Watch every request of an application; call it before anything else that looks at requests is registered."""
        app.before_request(self._begin)
        app.after_request(self._finish)
        app.teardown_request(self._end)

    def _begin(self) -> None:
        g.began = time.monotonic()
        self._metrics.began()
        given = request.headers.get("X-Request-ID", "")
        g.request_id = given if _ID.fullmatch(given) else uuid.uuid4().hex
        g.trace = trace_of(request.headers.getlist("traceparent"), request.headers.getlist("tracestate"))

    def _finish(self, response: Response) -> Response:
        """Note the status, and give the answer its headers. Registered first, this is called last."""
        g.status = response.status_code
        response.headers["X-Request-ID"] = g.request_id
        response.headers["traceparent"] = g.trace.parent
        if g.trace.state:
            response.headers["tracestate"] = g.trace.state
        account: Account | None = g.get("account")
        if account is not None and account.examples:
            g.render_seconds = time.monotonic() - account.ended
            if account.is_counted:
                self._statistics.rendered(account.key, g.render_seconds)
            response.headers["Server-Timing"] = _server_timing(account, g.render_seconds)
        return response

    def _end(self, error: BaseException | None) -> None:
        """Count the request, whatever became of it, before anything of its answer is sent."""
        if "began" not in g:
            return
        arrived = arrived_at.get() or g.began
        seconds, waited = time.monotonic() - arrived, g.began - arrived
        route = request.url_rule.rule if request.url_rule else UNMATCHED
        status = g.get("status", _BROKEN)
        self._metrics.ended()
        self._metrics.http(request.method, route, status, seconds, waited=waited)
        log_request(route, status, seconds)


def _server_timing(account: Account, render: float) -> str:
    timings = account.timings
    stages = {"queue": timings.wait, "decode": timings.decode, "infer": timings.infer, "render": render}
    return ", ".join(f"{name};dur={seconds * 1000:.3f}" for name, seconds in stages.items())
