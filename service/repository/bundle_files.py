"""Owns the files of a bundle, how they are written and read.

`bundle.json` is what was read off the model, `model.tflite` its graph, `insight.tflite` the second one, which gives the
output of every layer and which some models have not. `probes.npz` holds inputs with the outputs Keras gave
for them, `SHA256SUMS` the sums of all these.
"""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from service.errors import BrokenModelError
from service.model.description import Description
from service.model.insight import Insight
from service.repository.seal import SUMS, write_sums

GRAPH = "model.tflite"
INSIGHT = "insight.tflite"
FACTS = "bundle.json"
_PROBES = "probes.npz"
_SUMMED = (FACTS, GRAPH, _PROBES)
NEEDED = (*_SUMMED, SUMS)
"""What every bundle has."""


@dataclass(frozen=True, slots=True)
class Probes:
    """Stored inputs by input name and the outputs Keras gave for them by output name; first axis the batch."""

    inputs: dict[str, NDArray[np.generic]]
    outputs: dict[str, NDArray[np.generic]]


def files_of(facts: Description) -> tuple[str, ...]:
    """Return the files whose sums a bundle with these facts has."""
    return _SUMMED if facts.insight.missing else (*_SUMMED, INSIGHT)


def write_bundle(folder: Path, facts: Description, probes: Probes) -> None:
    """Write everything but the graphs into `folder` and force it all to disk."""
    arrays = {f"input:{name}": one for name, one in probes.inputs.items()}
    arrays |= {f"output:{name}": one for name, one in probes.outputs.items()}
    np.savez(folder / _PROBES, **arrays)  # type: ignore[arg-type]
    _seal(folder, facts)


def add_insight(folder: Path, insight: Insight) -> None:
    """Say in a bundle that was written what its second graph gives; what is left of a missing one is deleted."""
    if insight.missing:
        (folder / INSIGHT).unlink(missing_ok=True)
    facts = Description.from_json(json.loads((folder / FACTS).read_text("utf-8")))
    _seal(folder, replace(facts, insight=insight))


def _seal(folder: Path, facts: Description) -> None:
    (folder / FACTS).write_text(json.dumps(facts.to_json(), indent=1), encoding="utf-8")
    write_sums(folder)
    for path in folder.iterdir():
        with path.open("rb+") as file:
            os.fsync(file.fileno())


def read_probes(folder: Path) -> Probes:
    """Return the stored probes; raises BrokenModelError where they cannot be read."""
    try:
        # NOTE: given a path, np.load leaves the file open where it is damaged.
        with (folder / _PROBES).open("rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
    except Exception as error:
        raise BrokenModelError("The bundle's probes cannot be read; it will be built again.") from error
    return Probes(_under("input:", arrays), _under("output:", arrays))


def _under(prefix: str, arrays: dict[str, NDArray[np.generic]]) -> dict[str, NDArray[np.generic]]:
    return {name.removeprefix(prefix): one for name, one in arrays.items() if name.startswith(prefix)}
