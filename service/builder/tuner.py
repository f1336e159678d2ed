"""Owns timing the engines as its caller sees it: a child process of low priority, within limits.

A child of its own, since an engine may crash, keeps its memory, and would take the caller's GIL while it loads.
"""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time

from service.builder.timing import SECONDS
from service.errors import BuildInterruptedError
from service.model.tuning import Tuning
from service.repository.bundles import Bundle

log = logging.getLogger(__name__)

LIMIT_SECONDS = 120.0
"""How long the child may take on a busy machine, loading and compiling included."""
_LOOK = 0.2


def tune_bundle(
    bundle: Bundle,
    *,
    cores: int,
    memory: int,
    seconds: float = SECONDS,
    cancelled: threading.Event | None = None,
) -> Tuning:
    """Return the table of a bundle on this machine, timed in a child that may use `memory` bytes.

    Raises BuildInterruptedError where the child gives none: it crashed, took too long, or `cancelled` was set.
    """
    order = {"folder": str(bundle.path.absolute()), "cores": cores, "memory": memory, "seconds": seconds}
    with _start(json.dumps(order)) as child:
        try:
            out, words = _heard(child, cancelled or threading.Event())
        finally:
            if child.returncode is None:
                os.killpg(child.pid, signal.SIGKILL)
    try:
        return Tuning.from_json(json.loads(out.strip().rpartition(b"\n")[2]))
    except (ValueError, KeyError, TypeError) as error:
        log.warning("timing the engines ended with %s: %s", child.returncode, words.decode("utf-8", "replace")[-500:])
        raise BuildInterruptedError("The engines could not be timed; the log says why.") from error


def _start(order: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-I", "-m", "service.builder.tune", order]
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            process_group=0,  # NOTE: no session of its own: with autogroups on, nice would stop at its border
        )
    except OSError as error:
        raise BuildInterruptedError(f"The engines cannot be timed: {error.strerror}.") from error


def _heard(child: subprocess.Popen[bytes], cancelled: threading.Event) -> tuple[bytes, bytes]:
    end = time.monotonic() + LIMIT_SECONDS
    while True:
        try:
            return child.communicate(timeout=_LOOK)
        except subprocess.TimeoutExpired:
            if cancelled.is_set() or time.monotonic() > end:
                reason = "was broken off" if cancelled.is_set() else f"took longer than {LIMIT_SECONDS:.0f} s"
                raise BuildInterruptedError(f"Timing the engines {reason}.") from None
