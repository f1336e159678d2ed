"""Owns Convoy's kind of gunicorn worker: its loop receives and sends for every client, its threads only work.

A request is given to a thread when it has come whole, and a response is sent as the client takes it: slow, stalled and
idle connections cost no thread. A bounded number of requests wait; more are refused at once.
"""

import contextlib
import errno
import logging
import selectors
import socket
import ssl
import time
from typing import Any

from gunicorn import sock as gunicorn_sock
from gunicorn import util
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER, ThreadWorker

from service.server import answers
from service.server.connection import Connection
from service.server.crew import Crew
from service.server.framing import Refusal
from service.server.share import Loads
from service.server.watch import Watch, reads
from service.serving.admission import arrived_at, client_gone
from service.settings import Settings

log = logging.getLogger(__name__)

_LINGER_SECONDS = 2.0
_SWEEP_SECONDS = 0.25
_LEAVE_TO_OTHERS_SECONDS = 0.002
_WAITED_SECONDS = 0.05
_BODIES_HELD = 4
"""Bodies of the largest size that a worker holds while they come."""
_BUFFER = 256 * 1024


def _write_error(sock: Any, status: int, reason: str, message: str) -> None:
    """Answer what is no HTTP request: gunicorn's `util.write_error`, in JSON in place of HTML."""
    sock.sendall(answers.refusal(Refusal(status, reason, message)))


class QueueWorker(ThreadWorker):  # type: ignore[misc] # gunicorn has no types
    """A gthread worker whose threads never wait for a client, and whose queue has a bound."""

    settings: Settings
    loads: Loads

    def init_process(self) -> None:
        """Start the worker; refusals of gunicorn's own are JSON from now on."""
        # NOTE: gunicorn has no setting for it; its handle_error() picks the status and calls this by its module.
        util.write_error = _write_error
        self._control = Crew(1, "control")
        self._tls = gunicorn_sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        self._buffer = memoryview(bytearray(_BUFFER))
        self._held = 0
        self._swept = 0.0
        self._accept_again: float | None = None
        super().init_process()

    def get_thread_pool(self) -> Crew:
        """Return the threads that answer requests; called once the poller is about to be made."""
        return Crew(self.cfg.threads, "worker")

    def run(self) -> None:
        """Serve until told to stop."""
        self._watch = Watch(self.poller)
        super().run()

    # ------------------------------------------------------------------------------------------- accepting

    def set_accept_enabled(self, enabled: bool) -> None:  # noqa: FBT001 - gunicorn's
        """Start or stop accepting; a worker that ends takes what waits for it, then closes its listeners."""
        if enabled and self._accept_again:  # paused; the loop asks at every turn
            return
        super().set_accept_enabled(enabled)
        self._note_load()
        if not self.alive:
            self._stop_listening()

    def _stop_listening(self) -> None:
        self.loads.leave(self.age)
        for listener in self.sockets:
            with contextlib.suppress(OSError):
                while True:
                    self._open(listener, *listener.accept())
            listener.close()

    def accept(self, listener: Any) -> None:
        """Accept a connection, unless another worker has fewer of them: then leave it to that one for a moment."""
        if self.loads.is_ahead(self.age):
            self._pause_accepting()
        else:
            self._take_one(listener)

    def _take_one(self, listener: Any) -> None:
        try:
            self._open(listener, *listener.accept())
        except OSError as error:
            if error.errno in (errno.EMFILE, errno.ENFILE):
                self._make_room()
                self._pause_accepting()

    def _pause_accepting(self) -> None:
        super().set_accept_enabled(False)
        self._accept_again = time.monotonic() + _LEAVE_TO_OTHERS_SECONDS

    def _end_pause(self) -> None:
        """Accept again; what waits still was not taken by the others."""
        self._accept_again = None
        self.set_accept_enabled(True)
        for listener in self.sockets:
            self._take_one(listener)

    def _open(self, listener: Any, sock: socket.socket, client: Any) -> None:
        sock.setblocking(False)
        if self._tls:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):  # it has gone already
                sock.close()
                return
        conn = Connection(self.cfg, sock, client, listener.getsockname(), max_body=self.settings.max_body_bytes)
        self.nr_conns += 1
        self._note_load()
        self._receive(conn)

    def _note_load(self) -> None:
        if self.alive:
            self.loads.note(self.age, self.nr_conns)

    # ------------------------------------------------------------------------------------------- receiving

    def _receive(self, conn: Connection, _: object = None) -> None:
        """Take what a client has sent, and hand the request on where it is whole."""
        if conn.is_busy and self._park(conn):
            return
        if conn.receive(self._buffer):
            self._look_at(conn)
        else:
            self._drop(conn)

    def _park(self, conn: Connection) -> bool:
        """Leave a client that sends before it has its answer to its thread; return False where that is done by now."""
        self._watch.remove(conn)
        conn.is_parked = True
        if conn.is_busy:
            return True
        conn.is_parked = False
        return False

    def _look_at(self, conn: Connection) -> None:
        """Hand on what has come, or wait for more."""
        self._hold(conn, len(conn.incoming.data))
        if conn.incoming.is_ready or (conn.is_ended and conn.incoming.has_head):
            self._admit(conn)
        elif conn.is_ended:
            self._drop(conn)
        elif self._held > _BODIES_HELD * self.settings.max_body_bytes:
            self._answer(conn, answers.FULL)
        else:
            self._await_bytes(conn)

    def _await_bytes(self, conn: Connection) -> None:
        if conn.incoming.data:
            conn.deadline = conn.reading_deadline(self.settings.read_timeout)
        elif not conn.watched_for:
            conn.deadline = self._idle_deadline()
        self._watch.add(conn, selectors.EVENT_READ, self._receive)

    def _idle_deadline(self) -> float:
        patience: float = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
        return time.monotonic() + patience

    def _admit(self, conn: Connection) -> None:
        """Queue a request for a thread, or refuse it at once."""
        crew = self._control if conn.incoming.is_control else self.tpool
        self._hold(conn, 0)
        if conn.incoming.refusal:
            self._answer(conn, answers.refusal(conn.incoming.refusal))
        elif crew.waiting >= self.settings.max_waiting:
            self._answer(conn, answers.BUSY)
        else:
            self._watch.add(conn, selectors.EVENT_READ, self._receive)
            conn.hand_over()
            crew.submit(self._work, conn)

    def _hold(self, conn: Connection, size: int) -> None:
        """Note how many bytes of a request that is not whole yet are held."""
        self._held += size - conn.held
        conn.held = size

    # --------------------------------------------------------------------------------------------- working

    def _work(self, conn: Connection) -> None:
        """Answer a request, in a thread, and have the loop go on with the connection where that takes more."""
        conn.is_kept = self.handle(conn)
        conn.sock.flush()
        if not (conn.is_kept and conn.sock.is_empty and not conn.sock.is_broken and conn.incoming.is_all):
            self.method_queue.defer(self._finish, conn)
            return
        conn.begin_next()
        conn.deadline = self._idle_deadline()
        conn.is_busy = False
        # NOTE: the loop looks at is_busy after it has set is_parked: one of the two sees what the other did.
        if conn.is_parked:
            self.method_queue.defer(self._unpark, conn)

    def handle(self, conn: Connection) -> bool:
        """Answer a request; return whether the connection lives on."""
        if time.monotonic() - conn.arrived > _WAITED_SECONDS and conn.has_gone():
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

    def _finish(self, conn: Connection) -> None:
        """Go on with a connection whose thread is done, and which is not simply to be waited for."""
        conn.is_busy = conn.is_parked = False
        self._send_rest(conn)

    def _unpark(self, conn: Connection) -> None:
        """Look again at a client that has sent more while a thread was at work for it."""
        if conn.is_parked and not conn.is_busy:
            conn.is_parked = False
            self._await_bytes(conn)

    # --------------------------------------------------------------------------------------------- sending

    def _answer(self, conn: Connection, response: bytes) -> None:
        """Send an answer of the server's own, and close the connection."""
        conn.is_kept = False
        conn.sock.sendall(response)
        self._send_rest(conn)

    def _send_rest(self, conn: Connection, _: object = None) -> None:
        conn.sock.flush()
        if conn.sock.is_empty:
            self._go_on(conn)
            return
        conn.deadline = conn.sock.deadline(self.settings.read_timeout)
        self._watch.add(conn, selectors.EVENT_WRITE, self._send_rest)

    def _go_on(self, conn: Connection) -> None:
        """Wait for the next request, or close the connection."""
        if conn.sock.is_broken:
            self._drop(conn)
        elif conn.is_kept:
            conn.begin_next()
            conn.deadline = self._idle_deadline()
            self._look_at(conn)
        elif conn.is_ended or conn.incoming.is_all:
            self._drop(conn)
        else:
            self._linger(conn)

    def _linger(self, conn: Connection) -> None:
        """Wait for the client to stop sending: closing earlier would be a reset, and it might lose the answer."""
        with contextlib.suppress(OSError):
            conn.socket.shutdown(socket.SHUT_WR)
        conn.deadline = time.monotonic() + _LINGER_SECONDS
        conn.is_lingering = True
        self._watch.add(conn, selectors.EVENT_READ, self._drain)

    def _drain(self, conn: Connection, _: object = None) -> None:
        try:
            if conn.socket.recv_into(self._buffer):
                return
        except (BlockingIOError, ssl.SSLWantReadError):
            return
        except OSError:
            pass
        self._drop(conn)

    # ---------------------------------------------------------------------------------------------- ending

    def _drop(self, conn: Connection) -> None:
        """Close a connection for good."""
        if conn.is_closed:  # an event of the same turn of the loop came before
            return
        conn.is_closed = True
        self._watch.remove(conn)
        self._hold(conn, 0)
        self.nr_conns -= 1
        self._note_load()
        conn.close()

    def wait_for_and_dispatch_events(self, timeout: float) -> None:
        """Wait for events; accept again where that was left to others and they did not."""
        pause = _LEAVE_TO_OTHERS_SECONDS if self._accept_again else _SWEEP_SECONDS
        super().wait_for_and_dispatch_events(min(timeout, pause))
        if self.alive and self._accept_again and time.monotonic() >= self._accept_again:
            self._end_pause()

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Close the connections whose time is up; all of them where `force` is set."""
        now = time.monotonic()
        if not force and now - self._swept < _SWEEP_SECONDS:
            return
        self._swept = now
        for conn in self._watch.idle() if force else self._watch.overdue(now):
            self._drop(conn) if force else self._time_out(conn)
        if self.nr_conns >= self.worker_connections:
            self._make_room()

    def murder_pending(self) -> None:
        """Do nothing: there is one kind of waiting connection."""

    def _time_out(self, conn: Connection) -> None:
        if reads(conn) and conn.incoming.data:
            self._answer(conn, answers.TOO_SLOW)
            return
        if not conn.sock.is_empty:
            conn.abort()
        self._drop(conn)

    def _make_room(self) -> None:
        """Close the connections that have waited longest, those without a request first."""
        for conn in self._watch.idle()[: max(1, self.worker_connections // 10)]:
            self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self._watch.idle():
            if not conn.incoming.data:
                conn.deadline = min(conn.deadline, deadline)


def worker_class(settings: Settings, loads: Loads) -> type[QueueWorker]:
    """Return a worker class with these settings."""
    return type("ConvoyWorker", (QueueWorker,), {"settings": settings, "loads": loads})
