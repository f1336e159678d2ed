"""What may be used of a machine: cores by quota, memory by limit, in the own cgroup and in those above it."""

import os
from pathlib import Path

import pytest

from service import machine
from service.machine import cpu_name, usable_cores, usable_memory


@pytest.fixture
def cgroups(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of cgroups (v2) of a machine of eight cores; this process is in `app/worker`."""
    root = tmp_path / "cgroup"
    (root / "app/worker").mkdir(parents=True)
    own = tmp_path / "own"
    own.write_text("0::/app/worker\n")
    monkeypatch.setattr(machine, "_CGROUPS", root)
    monkeypatch.setattr(machine, "_OWN_CGROUPS", own)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)))
    return root


def test_without_a_quota_all_cores_of_the_affinity_are_usable(cgroups: Path) -> None:
    (cgroups / "app/worker/cpu.max").write_text("max 100000\n")

    assert usable_cores() == 8


@pytest.mark.parametrize(
    ("folder", "quota", "cores"),
    [
        ("app/worker", "300000 100000", 3),
        ("app", "200000 100000", 2),  # one above: it holds for all below
        (".", "150000 100000", 2),
        ("app/worker", "1000 100000", 1),
        ("app/worker", "9900000 100000", 8),
        ("app/worker", "nonsense", 8),
    ],
)
def test_a_quota_of_any_cgroup_above_holds(cgroups: Path, folder: str, quota: str, cores: int) -> None:
    (cgroups / folder / "cpu.max").write_text(f"{quota}\n")

    assert usable_cores() == cores


@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("-1", 8)])
def test_the_old_cgroups_have_quotas_too(cgroups: Path, quota: str, cores: int) -> None:
    (cgroups / "cpu").mkdir()
    (cgroups / "cpu/cpu.cfs_quota_us").write_text(f"{quota}\n")
    (cgroups / "cpu/cpu.cfs_period_us").write_text("100000\n")

    assert usable_cores() == cores


def test_memory_is_what_the_cgroup_leaves(cgroups: Path) -> None:
    whole = usable_memory()
    (cgroups / "app/memory.max").write_text("1048576\n")
    (cgroups / "app/worker/memory.max").write_text("max\n")

    assert whole > 2**28
    assert usable_memory() == 2**20


def test_the_cpu_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "cpuinfo"
    info.write_text("processor\t: 0\nmodel name\t: Abacus 9\nflags\t\t: beads\n\nprocessor\t: 1\nmodel name\t: Other\n")
    monkeypatch.setattr(machine, "_CPU_INFO", info)

    assert cpu_name() == "Abacus 9; beads"
