"""Owns the one line a request leaves in the log. Never a payload, never a key."""

import logging
from typing import Any

from flask import request

from service.serving.statistics import Account

log = logging.getLogger("convoy.access")
_MOST_BYTES = 2**53
"""What programs that read JSON can count exactly. A client may claim any length; no body is as long."""


def log_request(known: Any, *, route: str, status: int, seconds: float) -> None:
    """Log the request at hand, of which `known` are the notes on `flask.g`; what is not known of it is left out."""
    if not log.isEnabledFor(logging.INFO):
        return
    method, ms = request.method, _ms(seconds)
    noted = {name: value for name, value in _noted(known).items() if value is not None}
    # NOTE: made here, not by log.info(), which walks the stack to say from where it was called: half of its time.
    record = logging.LogRecord(log.name, logging.INFO, __file__, 0, f"{method} {route} {status} {ms:.1f}ms", None, None)
    record.facts = {"method": method, "route": route, "status": status, "ms": ms, **noted}
    record.noted = noted
    log.handle(record)


def _noted(known: Any) -> dict[str, Any]:
    """Return what is known beside method, route, status and time."""
    sent = request._get_current_object()  # type: ignore[attr-defined]
    trace = known.get("trace")
    return {
        "id": known.get("request_id"),
        **_of_model(known.get("account"), known.get("render_seconds")),
        "bytes": _length(sent.content_length),
        "key": known.get("key_name"),
        "client": sent.remote_addr,
        "trace": trace.trace if trace else None,
    }


def _length(claimed: int | None) -> int | None:
    return None if claimed is None or claimed > _MOST_BYTES else claimed


def _of_model(account: Account | None, render: float | None) -> dict[str, Any]:
    if account is None:
        return {}
    timings = account.timings
    return {
        "model": account.key[0],
        "version": account.key[1],
        "images": account.examples + len(account.rejected),
        "queue_ms": _ms(timings.wait),
        "decode_ms": _ms(timings.decode),
        "infer_ms": _ms(timings.infer),
        "render_ms": None if render is None else _ms(render),
    }


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
