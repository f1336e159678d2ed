"""Owns what this process may use of the machine it runs on: cores and memory, by affinity and cgroup limits."""

import os
from collections.abc import Iterator
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")
_OWN_CGROUPS = Path("/proc/self/cgroup")
_CPU_INFO = Path("/proc/cpuinfo")
_CPU_FIELDS = ("model name", "flags", "CPU implementer", "CPU part", "Features", "cpu model", "isa")
"""What /proc/cpuinfo says, architecture by architecture, of which code runs best on a core."""


def usable_cores() -> int:
    """Return the number of CPUs this process may use: its affinity, limited by a cgroup quota, at least 1."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return max(1, min([cores, *_quotas()]))


def usable_memory() -> int:
    """Return the memory this process may use in bytes: the machine's, or the limit of its cgroup (v2) where less."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    limits = [_read(folder / "memory.max") for folder in _folders()]
    return min([machine, *(int(one) for one in limits if one.isdigit())])


def cpu_name() -> str:
    """Return what the system calls the CPU, with the instructions that it has; "" where it does not say."""
    first = _read(_CPU_INFO).partition("\n\n")[0]
    fields = (line.partition(":") for line in first.splitlines())
    return "; ".join(value.strip() for name, _, value in fields if name.strip() in _CPU_FIELDS)


def _quotas() -> Iterator[int]:
    """Yield the whole CPUs of each cgroup quota that holds here, rounded up."""
    for folder in _folders():
        quota, _, period = _read(folder / "cpu.max").partition(" ")
        if quota.isdigit() and period.isdigit():
            yield -(-int(quota) // int(period))
    quota, period = (_read(_CGROUPS / "cpu" / f"cpu.cfs_{name}_us") for name in ("quota", "period"))
    if quota.isdigit() and period.isdigit():  # cgroup v1, where no quota is -1
        yield -(-int(quota) // int(period))


def _folders() -> Iterator[Path]:
    """Yield the folders of the cgroup (v2) this process is in and of those above it: each may set a limit."""
    own = next((line[3:] for line in _read(_OWN_CGROUPS).splitlines() if line.startswith("0::")), "/")
    folder = _CGROUPS / own.strip("/")
    yield folder
    while folder != _CGROUPS and folder.is_relative_to(_CGROUPS):
        folder = folder.parent
        yield folder


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace").strip()
    except OSError:
        return ""
