"""Owns child processes and what Linux says of them: start, end without leftovers, processor time, memory."""

import contextlib
import ctypes
import os
import re
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO

from benchmarks.contestants import ROOT
from benchmarks.samples import Memory

_PR_SET_PDEATHSIG = 1
_TICKS = os.sysconf("SC_CLK_TCK")
_GRACE_SECONDS = 10.0
_LOG_LINES = 20


class ChildFailedError(Exception):
    """A process that was started did not do what it was started for."""


def environment() -> dict[str, str]:
    """Return our environment without settings of Convoy's, and with TensorFlow's chatter off."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CONVOY_", "GUNICORN_"))}
    return kept | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}


@contextlib.contextmanager
def running(command: Sequence[str], *, log: IO[bytes]) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server while the block runs; it and all of its group are gone afterwards."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        preexec_fn=_end_with_parent,
    )
    try:
        yield process
    finally:
        _end(process)


def finished(command: Sequence[str], *, seconds: float) -> str:
    """Run a command to its end and return what it printed; raises ChildFailedError."""
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=_end_with_parent,
    ) as process:
        try:
            out, err = process.communicate(timeout=seconds)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        raise ChildFailedError(f"{Path(command[0]).name} ended with {process.returncode}:\n{last_lines(err)}")
    return out


def last_lines(text: str) -> str:
    """Return the end of a log."""
    return "\n".join(text.splitlines()[-_LOG_LINES:])


def workers_of(process: subprocess.Popen[bytes]) -> list[int]:
    """Return the ids of the worker processes: the server's direct children."""
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    with contextlib.suppress(OSError):
        return [int(one) for one in listed.read_text().split()]
    return []


def cpu_seconds(pid: int) -> float:
    """Return the processor time a process has used in all its threads, in steps of about 10 ms."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(after_name[11]) + int(after_name[12])) / _TICKS


def memory_of(pid: int) -> Memory:
    """Return the memory of a process."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return Memory(_mib(text, "Rss"), _mib(text, "Pss"))


def _mib(text: str, field: str) -> float:
    found = re.search(rf"^{field}:\s+(\d+) kB", text, re.MULTILINE)
    return int(found.group(1)) / 1024 if found else 0.0


def _end_with_parent() -> None:
    # NOTE: runs in the child before exec: should the benchmark be killed outright, the server ends too.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _end(process: subprocess.Popen[bytes]) -> None:
    """End a group's leader in peace, then whatever is left of its group.

    The leader is not reaped before, so that its id, which names the group, cannot be given away meanwhile.
    """
    if process.returncode is None:
        os.kill(process.pid, signal.SIGTERM)
        _wait_unreaped(process.pid)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _wait_unreaped(pid: int) -> None:
    deadline = time.monotonic() + _GRACE_SECONDS
    while time.monotonic() < deadline:
        if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None:
            return
        time.sleep(0.02)
