"""Owns Convoy's kind of gunicorn worker: gthread with a bounded queue that knows when each request arrived."""

import contextlib
import socket
import time
from typing import Any

import orjson
from gunicorn import util
from gunicorn.workers.gthread import ThreadWorker

from service.serving.admission import arrived_at

RETRY_SECONDS = 1
_DRAINED = 65536
_LONGEST_DETAIL = 300
_PROBE = b"GET /healthz "


def _response(status: str, kind: str, body: dict[str, Any], *, retry_after: int | None = None) -> bytes:
    """Return a whole HTTP response, ready to be sent as it is."""
    data = orjson.dumps(body)
    retry = "" if retry_after is None else f"Retry-After: {retry_after}\r\n"
    head = (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n{retry}Connection: close\r\nContent-Length: {len(data)}\r\n\r\n"
    )
    return head.encode("ascii") + data


def _problem(status: int, title: str, detail: str, *, retry_after: int | None = None) -> bytes:
    """Return a problem as a whole response; `error` is for clients of the other dialects, whose path is not known."""
    body = {"type": "about:blank", "title": title, "status": status, "detail": detail, "error": detail}
    return _response(f"{status} {title}", "application/problem+json", body, retry_after=retry_after)


_REFUSAL = _problem(
    503,
    "Service Unavailable",
    "Too many requests wait for this server already; try again in a moment.",
    retry_after=RETRY_SECONDS,
)
_ALIVE = _response("200 OK", "application/json", {"status": "ok"})


def _write_error(sock: socket.socket, status: int, reason: str, message: str) -> None:
    """Answer what is no HTTP request: gunicorn's `util.write_error`, in JSON in place of HTML."""
    detail = "".join(one if one.isprintable() else "?" for one in message)[:_LONGEST_DETAIL]
    util.write_nonblock(sock, _problem(status, reason, detail or reason))


def _asks_for_health(sock: socket.socket) -> bool:
    """Return whether a liveness probe waits to be read."""
    try:
        return sock.recv(len(_PROBE), socket.MSG_PEEK | socket.MSG_DONTWAIT) == _PROBE
    except OSError:
        return False


class QueueWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A gthread worker that answers 503 at once when `max_waiting` requests wait for a thread already.

    gunicorn's own queue has no bound, and the application never sees what waits in it. The liveness probe is answered
    by the loop that accepts connections: a server must not be killed for being busy.
    """

    max_waiting = 64

    def init_process(self) -> None:
        """Start the worker; refusals of gunicorn's own are JSON from now on."""
        # NOTE: gunicorn has no setting for it; its handle_error() picks the status and calls this by its module.
        util.write_error = _write_error
        super().init_process()

    def enqueue_req(self, conn: Any) -> None:
        """Queue a connection that has a request to read, or answer it at once."""
        if _asks_for_health(conn.sock):
            self._answer(conn, _ALIVE)
        elif self.tpool._work_queue.qsize() >= self.max_waiting:
            self._answer(conn, _REFUSAL)
        else:
            conn.arrived = time.monotonic()
            super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Run the application; it reads from `arrived_at` how long the request has waited."""
        arrived_at.set(conn.arrived)
        return super().handle_request(req, conn)

    def _answer(self, conn: Any, response: bytes) -> None:
        # NOTE: this runs in the thread that accepts connections: nothing here may block.
        self.nr_conns -= 1
        with contextlib.suppress(OSError):
            conn.sock.setblocking(False)
            conn.sock.send(response)
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.recv(_DRAINED)  # unread bytes would make the close a reset, and lose the answer
        conn.close()


def worker_class(*, max_waiting: int) -> type[QueueWorker]:
    """Return a worker class with this bound on its queue."""
    return type("ConvoyWorker", (QueueWorker,), {"max_waiting": max_waiting})
