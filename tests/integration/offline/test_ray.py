"""`convoy classify --ray` on a real cluster of two nodes, one of which is killed: needs Ray (`make test-ray`)."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archives import write_corners
from tests.commands import Convoy
from tests.ready_made import ReadyMade
from tests.servers import wait_for

pytest.importorskip("ray", reason="needs Ray; make test-ray")
# What Ray leaves open is Ray's.
pytestmark = [pytest.mark.timeout(600), pytest.mark.filterwarnings("ignore")]
COUNT = 3_000


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of two nodes with one processor each."""
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    try:
        yield cluster
    finally:
        cluster.shutdown()


@pytest.fixture
def words(tmp_path: Path) -> tuple[ReadyMade, tuple[str, ...]]:
    """A model that is built, and what to ask for besides the output."""
    ready_made = ReadyMade(tmp_path)
    ready_made.add("corners", 1)
    write_corners(tmp_path / "pictures", COUNT)
    return ready_made, ("classify", "pictures", "--model", "corners", "--models-dir", "models", "--out")


def test_a_lost_node_changes_nothing_of_the_output(
    cluster: Any, words: tuple[ReadyMade, tuple[str, ...]], tmp_path: Path
) -> None:
    second = cluster.add_node(num_cpus=1)
    ready_made, asked = words
    command = [sys.executable, "-m", "service.cli", *asked, "ray.jsonl", "--ray", cluster.address]
    environ = os.environ | {"CONVOY_CACHE_DIR": str(ready_made.cache)}
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=tmp_path, env=environ, stdout=log, stderr=log)
    noted = tmp_path / "ray.jsonl.parts/_done.jsonl"
    wait_for(lambda: process.poll() is not None or (noted.exists() and noted.stat().st_size), what="the first parts")
    assert process.poll() is None, (tmp_path / "log").read_text()

    cluster.remove_node(second, allow_graceful=False)

    assert process.wait(400) == 0, (tmp_path / "log").read_text()
    here = Convoy(ready_made.cache, tmp_path)(*asked, "here.jsonl")
    assert here.returncode == 0, here.stderr
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "here.jsonl").read_bytes()
    assert (tmp_path / "ray.jsonl").read_bytes().count(b"\n") == COUNT


def test_a_cluster_that_does_not_answer_is_one_line(words: tuple[ReadyMade, tuple[str, ...]], tmp_path: Path) -> None:
    ready_made, asked = words

    done = Convoy(ready_made.cache, tmp_path)(*asked, "out.csv", "--ray", "127.0.0.1:1")

    assert done.returncode == 2
    assert "No Ray cluster answers at 127.0.0.1:1" in done.stderr
