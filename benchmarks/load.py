"""Owns the load: keep-alive connections that each post one picture after another, by wrk or by Python.

Either way the generator shares the cores with the server: absolute numbers are low, ratios within one run count.
The Python generator speaks HTTP over plain sockets from one thread: a prepared request out, status and length of the
answer read back. http.client would take several times as much processor time for a request, about as much as the
fastest server measured, and so would press the ratios together.

Both open each connection anew about every half second: all may fall to one worker by chance, and would stay there.
"""

import json
import math
import selectors
import shutil
import socket
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.exchange import HOST
from benchmarks.processes import finished
from benchmarks.samples import Load

PYTHON = "python"
WRK = "wrk"
_SCRIPT = Path(__file__).with_name("wrk.lua")
_CHUNK = 65536
_DRAIN_SECONDS = 20.0
_RENEW_SECONDS = 0.5
_PERCENT = 100


@dataclass(frozen=True, slots=True)
class Target:
    """Where to post what."""

    port: int
    path: str
    picture: bytes
    picture_file: Path

    @property
    def request(self) -> bytes:
        """Return the whole request."""
        head = (
            f"POST {self.path} HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nContent-Type: image/png\r\n"
            f"Content-Length: {len(self.picture)}\r\n\r\n"
        )
        return head.encode("ascii") + self.picture


def generator() -> str:
    """Return which generator is used here."""
    return WRK if shutil.which(WRK) else PYTHON


def apply_load(target: Target, *, connections: int, seconds: float, by: str) -> Load:
    """Keep `connections` busy for `seconds`; raises ChildFailedError where wrk fails."""
    if by == WRK:
        return _by_wrk(target, connections, seconds)
    return _ByPython(target, connections, seconds).run()


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest value that `percent` of the values do not exceed; NaN of none."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / _PERCENT) - 1)]


# ------------------------------------------------------------------------------------------------- wrk


def _by_wrk(target: Target, connections: int, seconds: float) -> Load:
    whole = max(1, round(seconds))  # wrk takes whole seconds only
    command = [
        *(WRK, "--threads", "1", "--connections", str(connections), "--duration", f"{whole}s", "--timeout", "30s"),
        *("--script", str(_SCRIPT), f"http://{HOST}:{target.port}{target.path}", "--", str(target.picture_file)),
        str(_RENEW_SECONDS / connections),  # one connection at a time
    ]
    return read_wrk(finished(command, seconds=whole + 60))


def read_wrk(printed: str) -> Load:
    """Read the line of JSON that wrk.lua prints last; wrk counts answers of every status as requests.

    A load without any good answer has no latency, and shows as an error even where wrk saw none.
    """
    said = json.loads(printed.strip().splitlines()[-1])
    good = said["requests"] - said["bad_status"]
    per_second = good / (said["duration_us"] / 1e6)
    errors = said["bad_status"] + said["broken"]
    if not good:
        return Load(0, 0.0, math.nan, math.nan, max(errors, 1))
    return Load(good, per_second, said["p50_us"] / 1000, said["p99_us"] / 1000, errors)


# ---------------------------------------------------------------------------------------------- Python


@dataclass(slots=True)
class _Line:
    """One connection: when it was opened and its request sent, and what of the answer has come."""

    sock: socket.socket
    opened: float
    sent: float = 0.0
    got: bytearray = field(default_factory=bytearray)


class _ByPython:
    def __init__(self, target: Target, connections: int, seconds: float) -> None:
        self._request = target.request
        self._port = target.port
        self._connections = connections
        self._seconds = seconds
        self._selector = selectors.DefaultSelector()
        self._latencies: list[float] = []
        self._in_time = 0
        self._errors = 0
        self._end = 0.0

    def run(self) -> Load:
        """Send until the time is over, then wait for what is under way: its latency counts, its rate does not."""
        try:
            for _ in range(self._connections):
                self._open()
            self._end = time.perf_counter() + self._seconds
            self._listen_until(self._end + _DRAIN_SECONDS)
        finally:
            self._close_all()
        milliseconds = [one * 1000 for one in self._latencies]
        return Load(
            requests=len(self._latencies),
            per_second=self._in_time / self._seconds,
            p50_ms=statistics.median(milliseconds) if milliseconds else math.nan,
            p99_ms=percentile(milliseconds, 99),
            errors=self._errors,
        )

    def _open(self) -> None:
        sock = socket.create_connection((HOST, self._port), timeout=_DRAIN_SECONDS)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        line = _Line(sock, time.perf_counter())
        self._selector.register(sock, selectors.EVENT_READ, line)
        self._send(line)

    def _send(self, line: _Line) -> None:
        line.got.clear()
        line.sent = time.perf_counter()
        try:
            line.sock.sendall(self._request)
        except OSError:
            self._drop(line)

    def _listen_until(self, deadline: float) -> None:
        while self._selector.get_map() and time.perf_counter() < deadline:
            for key, _ in self._selector.select(timeout=0.1):
                self._receive(key.data)
        self._errors += len(self._selector.get_map())

    def _receive(self, line: _Line) -> None:
        try:
            chunk = line.sock.recv(_CHUNK)
        except OSError:
            chunk = b""
        if not chunk:
            self._drop(line)
            return
        line.got += chunk
        if is_whole(line.got):
            self._count(line)

    def _count(self, line: _Line) -> None:
        now = time.perf_counter()
        if line.got[9:12] == b"200":
            self._latencies.append(now - line.sent)
            self._in_time += now < self._end
        else:
            self._errors += 1
        if now < self._end and now - line.opened < _RENEW_SECONDS:
            self._send(line)
            return
        self._close(line)
        if now < self._end:
            self._open()

    def _drop(self, line: _Line) -> None:
        """Count a broken connection, and open another in its place while there is time."""
        self._errors += 1
        self._close(line)
        if time.perf_counter() < self._end:
            self._open()

    def _close(self, line: _Line) -> None:
        self._selector.unregister(line.sock)
        line.sock.close()

    def _close_all(self) -> None:
        for key in list(self._selector.get_map().values()):
            self._close(key.data)
        self._selector.close()


def is_whole(answer: bytearray) -> bool:
    """Return whether an HTTP answer with a Content-Length has come in full."""
    body = answer.find(b"\r\n\r\n") + 4
    if body < 4:
        return False
    head = bytes(answer[:body]).lower()
    field_at = head.find(b"content-length:")
    if field_at < 0:
        raise ValueError("An answer without Content-Length cannot be measured.")
    length = int(head[field_at + 15 : head.index(b"\r\n", field_at)])
    return len(answer) >= body + length
