"""Owns Convoy's kind of gunicorn worker: its loop waits for clients, its threads only work.

A request is given to a thread when it has come whole, and a response is sent as the client takes it: slow, stalled and
idle connections cost no thread. A bounded number of requests wait; more are refused at once.
"""

import logging
import time
from typing import Any

from gunicorn import util

from service.api.headers import HEADERS
from service.metrics.metrics import GONE, Metrics
from service.server.answers import Answer, Answers
from service.server.clients import ClientLoop
from service.server.connection import Connection
from service.server.crew import Crew
from service.server.framing import Refusal
from service.server.share import Loads
from service.serving.admission import arrived_at, client_gone
from service.settings import Settings

log = logging.getLogger(__name__)

_WAITED_SECONDS = 0.05
_PATIENCE = 0.5
"""Share of the time a request may take that it may wait for its turn."""
_CLOSED_BY_CLIENT = 499  # nginx's number
_ANY_ORIGIN = "*"


class QueueWorker(ClientLoop):
    """A gthread worker whose threads never wait for a client, and whose queue has a bound."""

    def init_process(self) -> None:
        """Start the worker; refusals of gunicorn's own are JSON from now on."""
        # NOTE: gunicorn has no setting for it; its handle_error() picks the status and calls this by its module.
        util.write_error = self._write_error
        self._control = Crew(1, "control")
        super().init_process()

    def get_thread_pool(self) -> Crew:
        """Return the threads that answer requests."""
        return Crew(self.cfg.threads, "worker")

    @property
    def _metrics(self) -> Metrics:
        metrics: Metrics = self.wsgi.extensions["convoy"].metrics
        return metrics

    def note_answer(self, answer: Answer) -> None:
        """Count an answer of the server's own."""
        self._metrics.http("-", answer.route, answer.status, 0.0)

    def note_state(self) -> None:
        """Say how many connections there are, and how many requests wait."""
        self._metrics.connections(self.nr_conns)
        self._metrics.waiting(self.tpool.waiting)

    def admit(self, conn: Connection) -> None:
        """Queue a request for a thread, or refuse it at once."""
        if conn.incoming.is_control:
            self.note_state()
        if conn.incoming.refusal:
            self.answer(conn, self.answers.refusal(conn.incoming.refusal))
        elif self.is_full(conn):
            self.answer(conn, self.answers.busy)
        else:
            self.lend(conn)
            self._crew(conn).submit(self._work, conn)

    def is_full(self, conn: Connection) -> bool:
        """Return whether as many requests wait as may, or so long that the next would hardly come in time."""
        crew = self._crew(conn)
        return (
            crew.waiting >= self.settings.max_waiting or crew.expected_wait > _PATIENCE * self.settings.request_timeout
        )

    def _crew(self, conn: Connection) -> Crew:
        """Return the threads for a request: health and metrics are answered however busy the others are."""
        crew: Crew = self._control if conn.incoming.is_control else self.tpool
        return crew

    def _work(self, conn: Connection) -> None:
        """Answer a request, in a thread, and have the loop go on with the connection where that takes more."""
        conn.is_kept = self.handle(conn)
        conn.sock.flush()
        if not (conn.is_kept and conn.sock.is_empty and not conn.sock.is_broken and conn.incoming.is_all):
            self.method_queue.defer(self.finish, conn)
            return
        self.begin_next(conn)
        conn.is_busy = False
        # NOTE: the loop looks at is_busy after it has set is_parked: one of the two sees what the other did.
        if conn.is_parked:
            self.method_queue.defer(self.unpark, conn)

    def handle(self, conn: Connection) -> bool:
        """Answer a request; return whether the connection lives on."""
        waited = time.monotonic() - conn.arrived
        if waited > _WAITED_SECONDS and conn.has_gone():
            self._metrics.http("-", GONE, _CLOSED_BY_CLIENT, waited, waited=waited)
            return False
        try:
            return bool(super().handle(conn))
        except Exception:
            log.exception("a request could not be handled")
            return False

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Run the application; it reads from `arrived_at` how long the request has waited."""
        arrived_at.set(conn.arrived)
        client_gone.set(conn.has_gone)
        req._expected_100_continue = False  # the loop has said so
        if not conn.incoming.is_whole:
            req.force_close()
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001 - gunicorn's
        return bool(keepalive) and conn.incoming.is_whole and bool(super()._keepalive_after(conn, keepalive))

    def _write_error(self, sock: Any, status: int, reason: str, message: str) -> None:
        """Answer what is no HTTP request: gunicorn's `util.write_error`, in JSON in place of HTML."""
        answer = self.answers.refusal(Refusal(status, reason, message))
        self.note_answer(answer)
        sock.sendall(answer.data)


def worker_class(settings: Settings, loads: Loads) -> type[QueueWorker]:
    """Return a worker class with these settings."""
    is_shared = _ANY_ORIGIN in settings.cors_origins
    headers = HEADERS | ({"Access-Control-Allow-Origin": _ANY_ORIGIN} if is_shared else {})
    return type("ConvoyWorker", (QueueWorker,), {"settings": settings, "loads": loads, "answers": Answers(headers)})
