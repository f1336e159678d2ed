"""Owns what gunicorn's parser reads from and its responses are written to, in place of a socket that would block."""

import fcntl
import socket
import ssl
import struct
import termios
import time
from collections import deque

from gunicorn.http.unreader import Unreader

LEAST_RATE = 500
"""Bytes a second below which a client loses its connection, after the first `read_timeout` seconds."""
WOULD_BLOCK = (BlockingIOError, ssl.SSLWantReadError, ssl.SSLWantWriteError)
_LARGE_PIECE = 128 * 1024
_PARSER_PIECE = 8192
_INT = struct.Struct("i")


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
        self._taken = 0
        self._last_taken = 0.0
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
                count = self._sock.send(self._parts[0][:_LARGE_PIECE])  # TLS sends a piece whole or not at all
                self._sent += count
                self._parts[0] = self._parts[0][count:]
                if not self._parts[0]:
                    self._parts.popleft()
            self._began, self._sent, self._taken = 0.0, 0, 0
        except WOULD_BLOCK:
            return
        except OSError:
            self.is_broken = True

    def deadline(self, patience: float) -> float:
        """Return when the client must have taken more: no pause over `patience` seconds, a least rate on the whole."""
        taken = self._sent - self._unsent()
        if taken > self._taken or not self._taken:
            self._taken, self._last_taken = taken, time.monotonic()
        return min(self._last_taken, self._began + max(0, taken) / LEAST_RATE) + patience

    def _unsent(self) -> int:
        """Return how many bytes the kernel holds that the client has not taken yet."""
        held = fcntl.ioctl(self._sock.fileno(), termios.TIOCOUTQ, bytes(_INT.size))
        return int(_INT.unpack(held)[0])

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
