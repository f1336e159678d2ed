"""Owns trying one model of keras.applications: written by Keras, built and served as users do it, compared."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from service.repository.bundles import BundleStore
from tests.applications.catalogue import ANSWERS, PICTURES
from tests.servers import Server

ALLOWED = 2e-3
"""How far a served probability may be from Keras' own, as a share of it."""
LEAST_CHANGE = 0.1
"""How far, as a share of it, a probability must at least move from one picture to the other, lest anything agreed."""
READY_SECONDS = 300.0
_LAST_WORDS = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What came of one model; None where it did not come so far, and `fault` says why.

    `seconds`, `cpu_seconds` and `memory` (bytes; the largest process) are those of `convoy build`; `difference` is what
    it found before the head, `share` that of what it allows; `off` is how far the served probabilities are from Keras'
    own at most, as a share of each.
    """

    name: str
    size: int | None = None
    seconds: float | None = None
    cpu_seconds: float | None = None
    memory: int | None = None
    difference: float | None = None
    share: float | None = None
    off: float | None = None
    fault: str | None = None


def tried(name: str, folder: Path) -> Trial:
    """Have the model `name` written into an empty `folder` in a process of its own, and try it."""
    command = [sys.executable, "-m", "tests.applications.writer", name, str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        return Trial(name=name, fault=f"its writer ended with {done.returncode}: {done.stderr[-_LAST_WORDS:]}")
    return tried_as_written(name, folder)


def tried_as_written(name: str, folder: Path) -> Trial:
    """Build and serve what the writer left in `folder`, as users do it, and compare the answers with Keras' own."""
    found: dict[str, Any] = {}
    for step in (_sized, _built, _served):
        found |= step(name, folder)
        if "fault" in found:
            break
    return Trial(name=name, **found)


def _sized(name: str, folder: Path) -> dict[str, Any]:
    first, second = np.load(folder / ANSWERS)
    changed = _distance(first, second)
    found = {"size": (folder / "models" / name / "1/model.keras").stat().st_size}
    return found if changed >= LEAST_CHANGE else found | {"fault": f"two pictures differ by {changed:.3g} only"}


def _built(name: str, folder: Path) -> dict[str, Any]:
    """Run `convoy build` and say what it took, and what the builder's own comparison found.

    The limits are those that users have, unless CONVOY_BUILD_TIMEOUT or CONVOY_BUILD_MEMORY say otherwise.
    """
    command = [sys.executable, "-m", "service.cli", "build", str(folder / "models"), "--json"]
    environ = os.environ | {"CONVOY_CACHE_DIR": str(folder / "cache")}
    log = folder / "build.log"
    began = time.monotonic()
    with log.open("w") as out:
        building = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=out, text=True, env=environ)
        assert building.stdout
        with building.stdout:
            said = building.stdout.read()
        _, status, used = os.wait4(building.pid, 0)  # what the builder took counts among its parent's
    building.returncode = os.waitstatus_to_exitcode(status)
    found: dict[str, Any] = {
        "seconds": time.monotonic() - began,
        "cpu_seconds": used.ru_utime + used.ru_stime,
        "memory": used.ru_maxrss * 2**10,
    }
    if building.returncode:
        return found | {"fault": f"not built: {log.read_text()[-_LAST_WORDS:]}"}
    bundle = BundleStore(folder / "cache").find(name, json.loads(said)["builds"][0]["fingerprint"])
    assert bundle
    (verified,) = bundle.facts.verification
    return found | {"difference": verified.max_difference, "share": verified.max_relative}


def _served(name: str, folder: Path) -> dict[str, Any]:
    """Serve the bundle and post both pictures to it."""
    settings = {"cache_dir": folder / "cache", "workers": 1}
    server = Server(folder / "models", log=folder / "server.log", settings=settings)
    try:
        server.start().wait_ready(seconds=READY_SECONDS)
        answers = [server.predict(name, (folder / file).read_bytes()) for file in PICTURES]
    except AssertionError as error:
        return {"fault": f"not served: {error}\n{server.log[-_LAST_WORDS:]}"}
    finally:
        server.stop()
    refused = [answer.text[:_LAST_WORDS] for answer in answers if answer.status_code != HTTPStatus.OK]
    if refused:
        return {"fault": f"not answered: {refused[0]}"}
    found = [answer.json()["predictions"][0]["probabilities"] for answer in answers]
    off = max(map(_distance, found, np.load(folder / ANSWERS)))
    return {"off": off} if off <= ALLOWED else {"off": off, "fault": f"probabilities {off:.3g} off, as a share of each"}


def _distance(found: ArrayLike, expected: NDArray[np.float32]) -> float:
    return float(np.abs(np.asarray(found, np.float64) / expected - 1).max())
