"""Owns the manners of the builder's process: last in line for processor and memory, and gone when its parent is."""

import contextlib
import ctypes
import logging
import os
import resource
import signal
import sys
from pathlib import Path

log = logging.getLogger("service.builder")

_NICE = 10
"""A tenth of what a busy worker gets: at full load a build still ends, well within its time."""
_PR_SET_PDEATHSIG = 1


def behave(*, memory: int) -> None:
    """Leave the processor to others, take at most `memory` bytes, and be the first to be killed when it runs out."""
    # NOTE: RLIMIT_DATA, not RLIMIT_AS: TensorFlow maps far more address space than it ever touches.
    resource.setrlimit(resource.RLIMIT_DATA, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _tell_kernel("oom_score_adj", 1000)
    _end_with_parent()
    # NOTE: a batch job never takes the processor from a worker that runs, even where it woke up for something.
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.nice(_NICE)


def _tell_kernel(name: str, value: int) -> None:
    try:
        Path("/proc/self", name).write_text(str(value))
    except OSError:
        log.debug("cannot set %s to %d", name, value)


def _end_with_parent() -> None:
    """Have the kernel end this process with its parent: a thread of its own cannot while a library holds the GIL."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
