"""Owns one client's connection: what has come and what goes out, neither of which ever makes a thread wait."""

import contextlib
import select
import socket
import ssl
import struct
import time
from typing import Any

from gunicorn.http import get_parser

from service.server.framing import Incoming
from service.server.streams import LEAST_RATE, WOULD_BLOCK, Outlet, Received

_PIECES_AT_ONCE = 8
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection:
    """One client's connection; its names without a comment are those that gunicorn's worker asks for."""

    initialized = True
    data_ready = True
    is_http2 = False

    def __init__(self, cfg: Any, sock: socket.socket, client: Any, server: Any, *, max_body: int) -> None:
        self.client = client
        self.server = server
        self.socket = sock
        self.sock = Outlet(sock)
        self.parser = get_parser(cfg, sock, client)
        self.parser.unreader = self.received = Received()
        self.incoming = Incoming(max_body)
        self.arrived = 0.0  # when the request at hand was whole
        self.deadline = 0.0  # when whatever is waited for must have come
        self.watched_for: Any = None  # what the loop watches for, and calls then
        self.is_busy = False  # a thread is at work for it: nothing but that thread may touch it
        self.is_parked = False  # the loop has something for it that waits until the thread is done
        self.held = 0  # bytes that the loop counts as held for it
        self.is_lingering = False
        self.is_ended = False  # the client sends no more
        self.is_closed = False
        self.is_kept = False  # the connection lives on when the response is sent
        self._max_body = max_body
        self._began = 0.0
        self._told_to_continue = False

    def init(self) -> None:
        """Do nothing: gunicorn would wrap the socket and make the parser here."""

    def receive(self, buffer: memoryview) -> bool:
        """Take what has come, a bounded amount, by way of `buffer`; return whether the connection is sound."""
        for _ in range(_PIECES_AT_ONCE):
            try:
                count = self.socket.recv_into(buffer)
            except WOULD_BLOCK:
                return True
            except OSError:
                return False
            if not count:
                self.is_ended = True
                return True
            self._take(buffer[:count])
            if self.incoming.is_ready or (count < len(buffer) and not self._holds_back()):
                return True
        return not self._holds_back() or self.receive(buffer)

    def _take(self, data: bytes | memoryview) -> None:
        self._began = self._began or time.monotonic()
        self.incoming.feed(data)
        if self.incoming.expects_continue and not self.incoming.is_ready and not self._told_to_continue:
            self._told_to_continue = True
            self.sock.sendall(_CONTINUE)
            self.sock.flush()

    @property
    def is_shaking_hands(self) -> bool:
        """Return whether TLS has not been agreed on yet."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.version() is None

    def _holds_back(self) -> bool:
        """Return whether TLS has decrypted bytes that the poller cannot see."""
        return isinstance(self.socket, ssl.SSLSocket) and self.socket.pending() > 0

    def reading_deadline(self, patience: float) -> float:
        """Return when the next bytes must have come: no pause over `patience` seconds, and a least rate."""
        now = time.monotonic()
        return min(now, self._began + len(self.incoming.data) / LEAST_RATE) + patience

    def hand_over(self) -> None:
        """Give the request that has come to the parser, and the connection to a thread."""
        self.is_busy = True
        self.arrived = time.monotonic()
        self.received.fill(self.incoming.data)

    def begin_next(self) -> None:
        """Make room for the next request, the first bytes of which may be here already."""
        rest = self.received.take_buffered()
        self.incoming = Incoming(self._max_body)
        self._began = 0.0
        self._told_to_continue = False
        self.received.fill(bytearray())
        if rest:
            self._take(rest)

    def has_gone(self) -> bool:
        """Return whether the client has closed its side: as nginx does, that is taken for having gone."""
        poll = select.poll()
        poll.register(self.socket.fileno(), select.POLLRDHUP)
        return bool(poll.poll(0))

    def abort(self) -> None:
        """Have the close be a reset: what a client does not take is not kept for it."""
        with contextlib.suppress(OSError):
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    def forget(self) -> None:
        """Let go of what was received."""
        self.incoming = Incoming(self._max_body)
        self.received.fill(bytearray())

    def close(self) -> None:
        """Close the socket."""
        try:
            self.socket.close()
        except OSError:
            return
