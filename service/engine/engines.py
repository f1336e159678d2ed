"""Owns which engines there are and how one is opened; an engine is imported when the first model needs it."""

import importlib
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, cast

from service.engine.base import Engine

_ENGINES = {
    "litert": ("service.engine.litert", "LiteRtEngine", "ai-edge-litert"),
    "openvino": ("service.engine.openvino", "OpenVinoEngine", "openvino"),
}
"""By name: the module, its class, and the package that it needs."""


def installed_engines() -> dict[str, str]:
    """Return the version of every engine that is installed here, by its name; none of them is imported."""
    found = {name: _version(package) for name, (_, _, package) in _ENGINES.items()}
    return {name: version for name, version in found.items() if version is not None}


def open_engine(
    name: str, graph: Path, *, inputs: Sequence[str], outputs: Sequence[str], threads: int = 1, in_memory: bool = False
) -> Engine:
    """Return the engine `name` with a graph; `inputs` and `outputs` are the model's names in the model's order.

    Raises BrokenModelError where the graph cannot be loaded, ModuleNotFoundError where the engine is not installed.
    """
    module, kind, _ = _ENGINES[name]
    make: Any = getattr(importlib.import_module(module), kind)
    return cast(Engine, make(graph, inputs=inputs, outputs=outputs, threads=threads, in_memory=in_memory))


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
