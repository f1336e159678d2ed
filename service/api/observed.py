"""Owns watching each request from its begin to its end: its id and trace, its times, its count, its log line."""

import os
import re
import time

from flask import Flask, Response, g, request

from service.api.headers import put
from service.api.log import log_request
from service.api.trace import trace_of
from service.metrics.metrics import UNMATCHED, Metrics
from service.serving.admission import arrived_at, was_predicted
from service.serving.statistics import Account, Statistics

_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ANSWERED, _BROKEN = 200, 500


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
        began = time.monotonic()
        self._metrics.began()
        environ = request.environ
        given = environ.get("HTTP_X_REQUEST_ID")
        noted = g._get_current_object()
        noted.began = began
        noted.request_id = given if given and _ID.fullmatch(given) else os.urandom(16).hex()
        noted.trace = trace_of(_given(environ, "HTTP_TRACEPARENT"), _given(environ, "HTTP_TRACESTATE"))

    def _finish(self, response: Response) -> Response:
        """Note the status, and give the answer its headers. Registered first, this is called last."""
        noted = g._get_current_object()
        noted.status = response.status_code
        trace = noted.trace
        pairs = [("X-Request-ID", noted.request_id), ("traceparent", trace.parent)]
        if trace.state:
            pairs.append(("tracestate", trace.state))
        account: Account | None = noted.get("account")
        if account is not None and account.examples:
            noted.render_seconds = time.monotonic() - account.ended
            if account.is_counted:
                self._statistics.rendered(account.key, noted.render_seconds)
            pairs.append(("Server-Timing", _server_timing(account, noted.render_seconds)))
        put(response, pairs)
        return response

    def _end(self, error: BaseException | None) -> None:
        """Count the request, whatever became of it, before anything of its answer is sent."""
        noted = g._get_current_object()
        if "began" not in noted:
            return
        arrived = arrived_at.get() or noted.began
        seconds, waited = time.monotonic() - arrived, noted.began - arrived
        rule = request.url_rule
        route = rule.rule if rule else UNMATCHED
        status = noted.get("status", _BROKEN)
        self._metrics.ended()
        self._metrics.http(request.method, route, status, seconds, waited=waited)
        account: Account | None = noted.get("account")
        was_predicted.set(status == _ANSWERED and account is not None and account.is_counted)
        log_request(noted, route=route, status=status, seconds=seconds)


def _given(environ: dict[str, str], name: str) -> tuple[str, ...]:
    """Return a header as the server gives it: its values in one, none where it was not sent."""
    value = environ.get(name)
    return () if value is None else (value,)


def _server_timing(account: Account, render: float) -> str:
    timings = account.timings
    return (
        f"queue;dur={timings.wait * 1000:.3f}, decode;dur={timings.decode * 1000:.3f}, "
        f"infer;dur={timings.infer * 1000:.3f}, render;dur={render * 1000:.3f}"
    )
