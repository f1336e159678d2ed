"""Owns the tuning tables: beside the bundles in the writable cache, one for each bundle and machine.

A table belongs to a CPU, the number of its cores that may be used, and the versions of the engines: on another machine
that shares the cache, or after an update, there is another one.
"""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

from service.files import PUBLIC, replace_file
from service.machine import cpu_name, usable_cores
from service.model.tuning import Tuning
from service.repository.bundles import Bundle
from service.repository.stamp import Stamp, stamp_of

_FORMAT = 1
_KEY_LENGTH = 16


class TuningStore:
    """Reads and writes the tables of this machine; `engines` are the versions of what is installed, by name."""

    def __init__(self, cache_dir: Path, *, engines: Mapping[str, str]) -> None:
        self._cache = cache_dir
        self._engines = dict(engines)
        self._read: dict[Path, tuple[Stamp, Tuning | None]] = {}

    @cached_property
    def machine(self) -> str:
        """Return what tells this machine, with its engines, from others."""
        said = [_FORMAT, platform.machine(), cpu_name(), usable_cores(), self._engines]
        return hashlib.sha256(json.dumps(said).encode()).hexdigest()[:_KEY_LENGTH]

    def path(self, bundle: Bundle) -> Path:
        """Return the file of a bundle's table; it lies in the writable cache, wherever the bundle does."""
        return self._cache / bundle.path.parent.name / f"{bundle.path.name}.{self.machine}.tuning.json"

    def find(self, bundle: Bundle) -> Tuning | None:
        """Return the table of a bundle, or None where there is none that can be read."""
        path = self.path(bundle)
        try:
            stamp = stamp_of(path)
        except OSError:
            return None
        held = self._read.get(path)
        if held is None or held[0] != stamp:
            held = self._read[path] = (stamp, _read(path))
        return held[1]

    def write(self, bundle: Bundle, tuning: Tuning) -> None:
        """Keep a table, in place of the one before; raises OSError where the cache cannot be written."""
        path = self.path(bundle)
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_file(path, json.dumps(tuning.to_json(), indent=1).encode(), mode=PUBLIC)


def _read(path: Path) -> Tuning | None:
    try:
        return Tuning.from_json(json.loads(path.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError):
        return None
