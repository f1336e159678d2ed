"""Owns Convoy's kind of gunicorn worker: its loop waits for clients, its threads work.

A request is given to a thread when it has come whole, and a response is sent as the client takes it: slow, stalled and
idle connections cost no thread. A bounded number of requests wait; more are refused at once. Predictions that take a
millisecond or so are answered by the loop itself (ADR 0015).
"""

import logging
import re
import time
from collections import Counter
from typing import Any

from gunicorn import util
from gunicorn.http.errors import ParseException

from service.api.headers import HEADERS
from service.metrics.metrics import GONE, Metrics
from service.server.answers import Answer, Answers
from service.server.clients import ClientLoop
from service.server.connection import Connection
from service.server.crew import Crew
from service.server.framing import Refusal
from service.server.pace import Pace
from service.server.share import Loads
from service.serving.admission import arrived_at, client_gone, was_predicted
from service.settings import Settings

log = logging.getLogger(__name__)

_WAITED_SECONDS = 0.05
_PATIENCE = 0.5
"""Share of the time a request may take that it may wait for its turn."""
_CLOSED_BY_CLIENT = 499  # nginx's number
_ANY_ORIGIN = "*"
_TELL_SECONDS = 1.0
_AT_A_TURN = 32
"""Requests that the loop answers itself between two looks at what has come."""
_MALFORMED = {
    "ExpectationFailed": (417, "Expectation Failed"),
    "ForbiddenProxyRequest": (403, "Forbidden"),
    "LimitRequestHeaders": (431, "Request Header Fields Too Large"),
    "LimitRequestLine": (414, "URI Too Long"),
    "UnsupportedTransferCoding": (501, "Not Implemented"),
}
"""Statuses of what gunicorn's parser refuses, by the kind of its error; 400 for all others."""


class QueueWorker(ClientLoop):
    """A gthread worker whose threads never wait for a client, and whose queue has a bound."""

    def init_process(self) -> None:
        """Start the worker; refusals of gunicorn's own are JSON from now on."""
        # NOTE: gunicorn has no setting for it; its handle_error() picks the status and calls this by its module.
        util.write_error = self._write_error
        self._control = Crew(1, "control")
        self._control_pattern = _control_pattern(self.settings.health_route)
        self._own_answers: Counter[tuple[int, str]] = Counter()
        self._told = 0.0
        self._pace = Pace()
        self._loop_room = 0
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
        self._note(answer.status, answer.route)

    def note_state(self) -> None:
        """Say how many connections there are, and how many requests wait."""
        self._metrics.connections(self.nr_conns)
        self._metrics.waiting(self.tpool.waiting)
        if self._own_answers and time.monotonic() - self._told > _TELL_SECONDS:
            self._tell()

    def _note(self, status: int, route: str, waited: float = 0.0) -> None:
        self._metrics.http("-", route, status, waited)
        self._own_answers[status, route] += 1

    def _tell(self) -> None:
        """Leave one line in the log for all that did not reach the application: there may be thousands a second."""
        noted, self._own_answers, self._told = self._own_answers, Counter(), time.monotonic()
        told = ", ".join(f"{count} times {status} {route}" for (status, route), count in sorted(noted.items()))
        log.info("answered without the application: %s", told)

    def admit(self, conn: Connection) -> None:
        """Queue a request for a thread, or refuse it at once."""
        crew = self._crew(conn)
        if crew is self._control:
            self.note_state()
        if conn.incoming.refusal:
            self.answer(conn, self.answers.refusal(conn.incoming.refusal))
        elif self._is_busy(crew):
            self.answer(conn, self.answers.busy)
        elif crew is self.tpool and self._is_for_loop(conn):
            self.lend(conn)
            self._work(conn)
        else:
            self.lend(conn)
            crew.submit(self._work, conn)

    def _is_for_loop(self, conn: Connection) -> bool:
        """Return whether the loop answers a request itself: a quick one, a few at a turn, while no thread works."""
        if self._loop_room <= 0 or not self.tpool.is_idle or not self._pace.is_quick(conn.incoming):
            return False
        self._loop_room -= 1
        return True

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; so many requests may be answered at each turn before somebody else waits too long."""
        self._loop_room = _AT_A_TURN
        super().wait_for_and_dispatch_events(timeout)

    def is_full(self, conn: Connection) -> bool:
        """Return whether the request would be refused if it were whole."""
        return self._is_busy(self._crew(conn))

    def _is_busy(self, crew: Crew) -> bool:
        """Return whether as many requests wait as may, or so long that the next would hardly come in time."""
        longest = _PATIENCE * self.settings.request_timeout
        return crew.waiting >= self.settings.max_waiting or crew.expected_wait > longest

    def _crew(self, conn: Connection) -> Crew:
        """Return the threads for a request: health and metrics are answered however busy the others are."""
        crew: Crew = self._control if self._control_pattern.match(conn.incoming.data) else self.tpool
        return crew

    def _work(self, conn: Connection) -> None:
        """Answer a request, and have the loop go on with the connection where that takes more."""
        began = time.monotonic()
        conn.is_kept = self.handle(conn)
        self._pace.note(conn.incoming, time.monotonic() - began, is_prediction=was_predicted.get())
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
            self._note(_CLOSED_BY_CLIENT, GONE, waited)
            return False
        try:
            return bool(super().handle(conn))
        except Exception:
            log.exception("a request could not be handled")
            return False
        finally:
            client_gone.set(None)  # or the thread would keep the connection while it waits for another

    def handle_request(self, req: Any, conn: Connection) -> Any:
        """Run the application; it reads from `arrived_at` how long the request has waited."""
        arrived_at.set(conn.arrived)
        was_predicted.set(False)
        client_gone.set(conn.has_gone)
        req._expected_100_continue = False  # the loop has said so
        if not conn.incoming.is_whole:
            req.force_close()
        return super().handle_request(req, conn)

    def _keepalive_after(self, conn: Connection, keepalive: bool) -> bool:  # noqa: FBT001 - gunicorn's
        # What the application left unread is in memory: no deadline is needed to pass over it.
        return bool(keepalive) and conn.incoming.is_whole and bool(conn.parser.finish_body())

    def handle_error(self, req: Any, client: Any, addr: Any, exc: Exception) -> None:
        """Answer what is no HTTP request. What it says goes nowhere: it may hold a key."""
        if not isinstance(exc, ParseException):
            super().handle_error(req, client, addr, exc)
            return
        kind = type(exc).__name__
        log.warning("what %s sent is no HTTP request: %s", addr[0] if addr else "somebody", kind)
        status, title = _MALFORMED.get(kind, (400, "Bad Request"))
        words = re.sub(r"(?<!^)(?=[A-Z])", " ", kind).lower()
        self._write_error(client, status, title, f"This is no HTTP request that can be read: {words}.")

    def _write_error(self, sock: Any, status: int, reason: str, message: str) -> None:
        """Send an error that gunicorn found, in JSON in place of HTML."""
        answer = self.answers.refusal(Refusal(status, reason, message))
        self.note_answer(answer)
        sock.sendall(answer.data)


def _control_pattern(health_route: str | None) -> "re.Pattern[bytes]":
    """Return what requests begin with that are answered however busy the others are."""
    own = "".join(f"|{re.escape(one)}" for one in [health_route] if one)
    return re.compile(rf"(GET|HEAD) (/healthz|/readyz|/metrics|/ping|/v2/health/(live|ready){own})[ ?]".encode())


def worker_class(settings: Settings, loads: Loads) -> type[QueueWorker]:
    """Return a worker class with these settings."""
    is_shared = _ANY_ORIGIN in settings.cors_origins
    headers = HEADERS | ({"Access-Control-Allow-Origin": _ANY_ORIGIN} if is_shared else {})
    return type("ConvoyWorker", (QueueWorker,), {"settings": settings, "loads": loads, "answers": Answers(headers)})
