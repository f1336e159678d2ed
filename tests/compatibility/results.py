"""Owns what came of a run: every cell, kept as JSON so that a long run can be played in parts."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.compatibility.environments import WRITERS
from tests.compatibility.reader import Cell

Versions = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Results:
    """All cells of a run, the versions in each writer's environment, and why a writer could not be set up."""

    cells: Sequence[Cell]
    versions: Mapping[str, Versions]
    missing: Mapping[str, str]

    def save(self, path: Path) -> None:
        """Write everything to `path` as JSON."""
        path.write_text(json.dumps(asdict(self), indent=1), encoding="utf-8")


def saved_results(path: Path) -> Results:
    """Return what `save` wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return Results([_cell(one) for one in found["cells"]], found["versions"], found["missing"])


def _cell(fields: dict[str, Any]) -> Cell:
    return Cell(**fields | {"repairs": tuple(fields["repairs"]), "faults": tuple(fields["faults"])})


def merged(parts: Iterable[Results]) -> Results:
    """Return several runs as one, writers in the order of the table."""
    parts = list(parts)
    versions = {label: found for part in parts for label, found in part.versions.items()}
    missing = {label: why for part in parts for label, why in part.missing.items()}
    return Results(
        cells=[cell for part in parts for cell in part.cells],
        versions={label: versions[label] for label in WRITERS if label in versions},
        missing={label: missing[label] for label in WRITERS if label in missing},
    )
