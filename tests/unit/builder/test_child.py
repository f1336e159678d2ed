"""A builder process that ends over the second graph: the bundle was whole before, and is kept without it."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.builder import child
from service.builder.order import BuildOrder
from service.builder.process import BuildLimits, build_bundle
from service.errors import BuildInterruptedError
from service.repository.bundle_files import INSIGHT
from service.repository.bundles import Bundle, BundleStore
from tests.conftest import ROOT
from tests.fakes import source

_BUILDS = """
import json, os, signal, sys, time
from pathlib import Path
from service.repository.bundle_files import GRAPH, write_bundle
from tests.fakes import describe, true_probes, write_graph
staged = Path({staged!r})
write_graph(staged / GRAPH)
write_bundle(staged, describe(), true_probes())
print(json.dumps({{"built": True}}), flush=True)
(staged / "insight.tflite").write_bytes(b"half of it")
{end}
"""
_KILLED = "os.kill(os.getpid(), signal.SIGKILL)"
_SLOW = "time.sleep(100)"
Build = Callable[..., Bundle]


@pytest.fixture
def build(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Build:
    """Build with a child that writes the tiny model's bundle, says so, and then comes to its `end`."""
    store = BundleStore(tmp_path)

    def run(end: str, *, seconds: float = 60, **options: Any) -> Bundle:
        def start(order: BuildOrder, **_: Any) -> subprocess.Popen[bytes]:
            script = _BUILDS.format(staged=str(order.staged), end=end)
            pipe = subprocess.PIPE
            return subprocess.Popen(
                [sys.executable, "-c", script], stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, process_group=0
            )

        monkeypatch.setattr(child, "_start", start)
        return build_bundle(source(size=0), "ab-1", store=store, limits=BuildLimits(seconds, 0), **options)

    return run


def test_a_child_killed_over_the_second_graph_leaves_a_bundle_without_it(build: Build) -> None:
    bundle = build(_KILLED)

    bundle.seal()
    assert not (bundle.path / INSIGHT).exists()
    assert "memory ran out" in (bundle.facts.insight.missing or "")
    assert bundle.facts.insight.no_gradient == bundle.facts.insight.missing


def test_one_that_takes_too_long_over_it_is_ended_and_the_bundle_kept(build: Build) -> None:
    bundle = build(_SLOW, seconds=4)

    bundle.seal()
    assert "time ran out" in (bundle.facts.insight.missing or "")


def test_one_that_nobody_wants_any_more_is_built_again_whole(build: Build) -> None:
    cancelled = threading.Event()
    with pytest.raises(BuildInterruptedError, match="cancelled"):
        build(
            "print(json.dumps({'step': 'looking inside'}), flush=True); " + _SLOW,
            cancelled=cancelled,
            progress=lambda _: cancelled.set(),
        )
