"""Owns the one line a request leaves in the log. Never a payload, never a key."""

import logging
from typing import Any

from flask import g, request

from service.serving.statistics import Account

log = logging.getLogger("convoy.access")
_MOST_BYTES = 2**53
"""What programs that read JSON can count exactly. A client may claim any length; no body is as long."""


def log_request(route: str, status: int, seconds: float) -> None:
    """Log the request at hand; what is not known of it is left out."""
    if log.isEnabledFor(logging.INFO):
        noted = {name: value for name, value in _noted().items() if value is not None}
        facts = {"method": request.method, "route": route, "status": status, "ms": _ms(seconds), **noted}
        text = f"{request.method} {route} {status} {facts['ms']:.1f}ms"
        log.info("%s", text, extra={"facts": facts, "noted": noted})


def _noted() -> dict[str, Any]:
    """Return what is known beside method, route, status and time."""
    trace = g.get("trace")
    return {
        "id": g.get("request_id"),
        **_of_model(g.get("account")),
        "bytes": _length(request.content_length),
        "key": g.get("key_name"),
        "client": request.remote_addr,
        "trace": trace.trace if trace else None,
    }


def _length(claimed: int | None) -> int | None:
    return None if claimed is None or claimed > _MOST_BYTES else claimed


def _of_model(account: Account | None) -> dict[str, Any]:
    if account is None:
        return {}
    timings, render = account.timings, g.get("render_seconds")
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
