"""Owns Convoy's kind of gunicorn worker: gthread with a bounded queue that knows when each request arrived."""

import contextlib
import socket
import time
from typing import Any

import orjson
from gunicorn.workers.gthread import ThreadWorker

from service.serving.admission import arrived_at

RETRY_SECONDS = 1
_DRAINED = 65536


def _refusal() -> bytes:
    body = orjson.dumps(
        {
            "type": "about:blank",
            "title": "Overloaded",
            "status": 503,
            "detail": "Too many requests wait for this server already; try again in a moment.",
        }
    )
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
        f"Retry-After: {RETRY_SECONDS}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode("ascii") + body


class QueueWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A gthread worker that answers 503 at once when `max_waiting` requests wait for a thread already.

    gunicorn's own queue has no bound, and the application never sees what waits in it.
    """

    max_waiting = 64
    _refused = _refusal()

    def enqueue_req(self, conn: Any) -> None:
        """Queue a connection that has a request to read, or refuse it."""
        if self.tpool._work_queue.qsize() >= self.max_waiting:
            self._refuse(conn)
            return
        conn.arrived = time.monotonic()
        super().enqueue_req(conn)

    def handle_request(self, req: Any, conn: Any) -> Any:
        """Run the application; it reads from `arrived_at` how long the request has waited."""
        arrived_at.set(conn.arrived)
        return super().handle_request(req, conn)

    def _refuse(self, conn: Any) -> None:
        # NOTE: this runs in the thread that accepts connections: nothing here may block.
        self.nr_conns -= 1
        with contextlib.suppress(OSError):
            conn.sock.setblocking(False)
            conn.sock.send(self._refused)
            conn.sock.shutdown(socket.SHUT_WR)
            conn.sock.recv(_DRAINED)  # unread bytes would make the close a reset, and lose the answer
        conn.close()


def worker_class(*, max_waiting: int) -> type[QueueWorker]:
    """Return a worker class with this bound on its queue."""
    return type("ConvoyWorker", (QueueWorker,), {"max_waiting": max_waiting})
