"""Owns one client's connection: what has come and what goes out, neither of which ever makes a thread wait."""

import contextlib
import select
import socket
import ssl
import struct
import time
from collections import deque
from typing import Any

from gunicorn.http import get_parser
from gunicorn.http.unreader import Unreader

from service.server.framing import Incoming

LEAST_RATE = 500
"""Bytes a second below which a client loses its connection, after the first `read_timeout` seconds."""
_LARGE_PIECE = 2**20
_PIECES_AT_ONCE = 8
_PARSER_PIECE = 8192
_WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Received(Unreader):  # type: ignore[misc] # gunicorn has no types
    """Gives gunicorn's parser the bytes that have come, and never asks the socket for more."""

    def __init__(self) -> None:
        super().__init__()
        self._data: bytes | bytearray = b""
        self._at = 0

    def fill(self, data: bytearray) -> None:
        """Take the bytes of the next request."""
        self._data, self._at = data, 0

    def rest(self) -> bytes:
        """Return what nobody has read."""
        return bytes(memoryview(self._data)[self._at :])

    def chunk(self, size_hint: int | None = None) -> bytes:
        """Return nothing: there is no more than what has come."""
        return b""

    def read(self, size: int | None = None, read_ahead: int | None = None) -> bytes:
        """Return up to `size` bytes, a piece where no size is given, none at the end."""
        wanted = size if size is not None and size >= 0 else min(read_ahead or _PARSER_PIECE, _LARGE_PIECE)
        piece = bytes(memoryview(self._data)[self._at : self._at + wanted])
        self._at += len(piece)
        return piece

    def unread(self, data: bytes) -> None:
        """Take back bytes that were read."""
        start = self._at - len(data)
        if start >= 0 and self._data[start : self._at] == data:
            self._at = start
        else:
            self._data, self._at = bytes(data) + self.rest(), 0

    def take_buffered(self) -> bytes:
        """Return what nobody has read, and forget it."""
        rest = self.rest()
        self._at = len(self._data)
        return rest


class Outlet:
    """What gunicorn writes a response to in place of the socket: gathered, then sent as the client takes it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._parts: deque[memoryview] = deque()
        self._began = 0.0
        self._sent = 0
        self.is_broken = False

    @property
    def is_empty(self) -> bool:
        """Return whether everything has been sent, or cannot be."""
        return self.is_broken or not self._parts

    def sendall(self, data: bytes) -> None:
        """Gather bytes to be sent."""
        if data:
            self._parts.append(memoryview(bytes(data)))

    def send(self, data: bytes) -> int:
        """Gather bytes to be sent; return how many."""
        self.sendall(data)
        return len(data)

    def flush(self) -> None:
        """Send as much as the client takes now."""
        self._began = self._began or time.monotonic()
        if len(self._parts) > 1:  # head and body in one packet
            self._parts = deque([memoryview(b"".join(self._parts))])
        try:
            while self._parts:
                count = self._sock.send(self._parts[0])
                self._sent += count
                self._parts[0] = self._parts[0][count:]
                if not self._parts[0]:
                    self._parts.popleft()
            self._began, self._sent = 0.0, 0
        except _WOULD_BLOCK:
            return
        except OSError:
            self.is_broken = True

    def deadline(self, patience: float) -> float:
        """Return when the client must have taken more: no pause over `patience` seconds, a least rate on the whole."""
        return min(time.monotonic(), self._began + self._sent / LEAST_RATE) + patience

    def setblocking(self, _: object) -> None:
        """Do nothing: gunicorn would have the socket block."""

    def settimeout(self, seconds: float | None) -> None:
        """Do nothing: gunicorn would have the socket block."""

    def shutdown(self, how: int) -> None:
        """End the response where it is: an error came in the middle of it."""
        self.is_broken = True

    def recv(self, size: int) -> bytes:
        """Return nothing: gunicorn would drain the socket before it closes it."""
        return b""

    def close(self) -> None:
        """Do nothing: the worker closes the connection."""


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
            except _WOULD_BLOCK:
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

    def close(self) -> None:
        """Close the socket."""
        try:
            self.socket.close()
        except OSError:
            return
