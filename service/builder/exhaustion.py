"""Owns telling a machine without memory or disk from a model at fault: the first may pass, the second is diagnosed."""

import resource
import shutil
from pathlib import Path

_NEAR = 0.6
_LITTLE = 2**20
_WORDS = ("std::bad_alloc", "Cannot allocate memory", "OOM when allocating")
"""What C++ libraries say in exceptions of other types, such as TensorFlow's converter."""


def is_out_of_memory(error: BaseException) -> bool:
    """Return whether Python, NumPy or TensorFlow ran out of memory."""
    if isinstance(error, MemoryError) or type(error).__name__ == "ResourceExhaustedError":
        return True
    return any(word in str(error) for word in _WORDS)


def has_used_most_memory() -> bool:
    """Return whether this process has held most of what it may: an engine refused memory seldom says so."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_DATA)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return allowed != resource.RLIM_INFINITY and peak > _NEAR * allowed


def is_out_of_disk(folder: Path) -> bool:
    """Return whether the disk that holds `folder` is full: libraries say that in many ways."""
    try:
        return shutil.disk_usage(folder).free < _LITTLE
    except OSError:
        return False
