"""Owns one worker's process as the crew sees it: forked with everything imported already, and talked to by lines.

NOTE: it is forked before this process has loaded a model or started a thread of its own; each child loads its own.
"""

import json
import os
import signal
import struct
import time
import traceback
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

MARK_BYTES = 8
NOWHERE = -1
Body = Callable[[Path, Path], None]
"""What a child does, given the output and its mark: lines in at descriptor 0, lines out at 1, anything else at 2."""
_GRACE_SECONDS = 5.0
_LONGEST_LINE = 2**16
_MANY_DESCRIPTORS = 2**16


class Child:
    """A process, with the parts that were given to it and not answered yet."""

    def __init__(self, body: Body, *, out: Path, mark: Path, log: Path) -> None:
        self.given: deque[int] = deque()
        self._mark = mark
        self._mark.write_bytes(struct.pack("q", NOWHERE))
        self._read = b""
        self._status: int | None = None
        asked, self._asking = os.pipe()
        self._hearing, said = os.pipe()
        with log.open("ab") as file:
            self._pid = os.fork()
            if self._pid == 0:
                _become(body, out, mark, descriptors=(asked, said, file.fileno()))
        os.close(asked)
        os.close(said)

    def fileno(self) -> int:
        """Return where its lines come from."""
        return self._hearing

    def give(self, part: int, skipped: dict[int, str]) -> None:
        """Have it answer a part after those it has."""
        self.given.append(part)
        with suppress(BrokenPipeError):  # its end is read next
            os.write(self._asking, json.dumps({"part": part, "skipped": skipped}).encode() + b"\n")

    def lines(self) -> list[dict[str, Any]] | None:
        """Return what it said; None where it has ended."""
        block = os.read(self._hearing, _LONGEST_LINE)
        if not block:
            return None
        *whole, self._read = (self._read + block).split(b"\n")
        return [json.loads(one) for one in whole]

    def row(self) -> int:
        """Return the row of the file that it touched last, NOWHERE where it was at none."""
        (row,) = struct.unpack("q", self._mark.read_bytes()[:MARK_BYTES])
        return int(row)

    def ending(self) -> str:
        """Wait for its end, and return it in words."""
        while not self._has_ended():
            time.sleep(0.01)
        assert self._status is not None
        code = os.waitstatus_to_exitcode(self._status)
        return f"signal {-code} ({signal.strsignal(-code)})" if code < 0 else f"exit status {code}"

    def stop(self) -> None:
        """Ask it to end at once."""
        if not self._has_ended():
            os.kill(self._pid, signal.SIGTERM)

    def close(self) -> None:
        """Wait until it is gone, and let go of it."""
        patience = time.monotonic() + _GRACE_SECONDS
        while not self._has_ended():
            if time.monotonic() > patience:
                os.kill(self._pid, signal.SIGKILL)
            time.sleep(0.005)
        os.close(self._asking)
        os.close(self._hearing)

    def _has_ended(self) -> bool:
        if self._status is None:
            pid, status = os.waitpid(self._pid, os.WNOHANG)
            self._status = status if pid else None
        return self._status is not None


def _become(body: Body, out: Path, mark: Path, *, descriptors: tuple[int, int, int]) -> None:
    """Be the child, and end without a word to whatever the parent had open: the lock of the job, other children."""
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.closerange(len(descriptors), _MANY_DESCRIPTORS)
        body(out, mark)
        status = 0
    except BrokenPipeError:
        status = 1  # the parent is gone
    except SystemExit as error:
        status = error.code if isinstance(error.code, int) else 1
    except BaseException:  # noqa: BLE001  (nothing may get past: above it is the parent's own code)
        with suppress(OSError):
            os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(status)
