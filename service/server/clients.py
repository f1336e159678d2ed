"""Owns a worker's loop: it accepts, receives and sends for every client, and lets none of them keep another waiting.

What has come whole is handed to `admit`, which whoever answers requests provides.
"""

import contextlib
import selectors
import socket
import ssl
import time
from typing import Any

from gunicorn import sock as gunicorn_sock
from gunicorn.workers.gthread import STOP_KEEPALIVE_LINGER

from service.server.accepting import LONGEST_TURN, AcceptingWorker
from service.server.answers import Answer, Answers
from service.server.connection import Connection
from service.server.fixed_config import FixedConfig
from service.server.watch import Watch, reads
from service.settings import Settings

_LINGER_SECONDS = 2.0
_BODIES_HELD = 4
"""Bodies of the largest size that a worker holds while they come."""
_BUFFER = 256 * 1024
_MUCH = 2**20


class ClientLoop(AcceptingWorker):
    """A gthread worker whose loop does all that waits for clients."""

    settings: Settings
    answers: Answers

    def init_process(self) -> None:
        """Start the worker."""
        self.cfg: Any = FixedConfig(self.cfg)
        self._tls = gunicorn_sock.ssl_context(self.cfg) if self.cfg.is_ssl else None
        self._buffer = memoryview(bytearray(_BUFFER))
        self._held = 0
        self._swept = 0.0
        super().init_process()

    def run(self) -> None:
        """Serve until told to stop."""
        self._watch = Watch(self.poller)
        super().run()

    def admit(self, conn: Connection) -> None:
        """Have a request answered that has come; `finish` is called for it in the end."""
        raise NotImplementedError

    def is_full(self, conn: Connection) -> bool:
        """Return whether a request would be refused."""
        raise NotImplementedError

    def note_answer(self, answer: Answer) -> None:
        """Take note of an answer of the server's own."""

    def note_state(self) -> None:
        """Take note of how many connections there are, now and then."""

    def open(self, listener: Any, sock: socket.socket, client: Any) -> None:
        """Begin with a connection that was accepted."""
        sock.setblocking(False)
        if self._tls:
            try:
                sock = self._tls.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
            except (OSError, ValueError):  # it has gone already
                sock.close()
                return
        conn = Connection(self.cfg, sock, client, listener.getsockname(), max_body=self.settings.max_body_bytes)
        self.nr_conns += 1
        self.note_load()
        self._receive(conn)

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
            self.admit(conn)
        elif conn.is_ended:
            self._drop(conn)
        elif self._held > _BODIES_HELD * self.settings.max_body_bytes:
            self.answer(conn, self.answers.full)
        elif conn.incoming.missing > _MUCH and self.is_full(conn):
            self.answer(conn, self.answers.busy)  # no use in receiving megabytes first
        else:
            self._await_bytes(conn)

    def _await_bytes(self, conn: Connection) -> None:
        if conn.incoming.data:
            conn.deadline = conn.reading_deadline(self.settings.read_timeout)
        elif not conn.watched_for:
            conn.deadline = self._idle_deadline()
            if conn.is_shaking_hands:
                conn.deadline = min(conn.deadline, time.monotonic() + self.settings.read_timeout)
        self._watch.add(conn, selectors.EVENT_READ, self._receive)

    def _idle_deadline(self) -> float:
        patience: float = self.cfg.keepalive if self.alive else STOP_KEEPALIVE_LINGER
        return time.monotonic() + patience

    def lend(self, conn: Connection) -> None:
        """Let go of a connection while a thread answers its request."""
        self._watch.add(conn, selectors.EVENT_READ, self._receive)
        conn.hand_over()

    def begin_next(self, conn: Connection) -> None:
        """Make a connection ready for its next request; a thread may do so while the connection is lent to it."""
        conn.begin_next()
        conn.deadline = self._idle_deadline()

    def finish(self, conn: Connection) -> None:
        """Go on with a connection whose thread is done, and which is not simply to be waited for."""
        conn.is_busy = conn.is_parked = False
        self._send_rest(conn)

    def unpark(self, conn: Connection) -> None:
        """Look again at a client that has sent more while a thread was at work for it."""
        if conn.is_parked and not conn.is_busy:
            conn.is_parked = False
            self._await_bytes(conn)

    def _hold(self, conn: Connection, size: int) -> None:
        """Note how many bytes are held for a connection; those of a request until it has been answered."""
        self._held += size - conn.held
        conn.held = size

    # --------------------------------------------------------------------------------------------- sending

    def answer(self, conn: Connection, answer: Answer) -> None:
        """Send an answer of the server's own, and close the connection."""
        self.note_answer(answer)
        conn.is_kept = False
        conn.sock.sendall(answer.data)
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
            self.begin_next(conn)
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
        self._hold(conn, 0)
        conn.forget()
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
        self.note_load()
        conn.forget()
        conn.close()

    def murder_keepalived(self, force: bool = False) -> None:  # noqa: FBT001, FBT002 - gunicorn's
        """Close the connections whose time is up; all of them where `force` is set."""
        now = time.monotonic()
        if not force and now - self._swept < LONGEST_TURN:
            return
        self._swept = now
        self.note_state()
        for conn in self._watch.idle():  # those whose thread was done with the request and asked nothing of the loop
            self._hold(conn, len(conn.incoming.data))
        for conn in self._watch.idle() if force else self._watch.overdue(now):
            self._drop(conn) if force else self._time_out(conn)
        if self.nr_conns >= self.worker_connections:
            self.make_room()

    def murder_pending(self) -> None:
        """Do nothing: there is one kind of waiting connection."""

    def _time_out(self, conn: Connection) -> None:
        if reads(conn) and conn.incoming.data:
            self.answer(conn, self.answers.too_slow)
            return
        if not conn.sock.is_empty:
            conn.deadline = conn.sock.deadline(self.settings.read_timeout)
            if conn.deadline > time.monotonic():  # it takes what the kernel holds
                return
            conn.abort()
        self._drop(conn)

    def make_room(self) -> None:
        """Close the connections that have waited longest, those without a request first."""
        waiting = sorted(self._watch.idle(), key=lambda one: (bool(one.incoming.data), one.deadline))
        for conn in waiting[: max(1, self.worker_connections // 10)]:
            self._drop(conn)

    def _cap_keepalive(self, deadline: float) -> None:
        for conn in self._watch.idle():
            if not conn.incoming.data:
                conn.deadline = min(conn.deadline, deadline)
