"""Owns what a user says about a model beside its file: the values of `model.toml`, checked, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from service.model.head import Head


@dataclass(frozen=True, slots=True)
class Newest:
    """The policy that serves this many of the highest versions."""

    count: int


ServePolicy = Literal["latest", "all"] | Newest | tuple[int, ...]


@dataclass(frozen=True, slots=True)
class VersionPolicy:
    """Which versions of a model are to be served, and which of them its labels name."""

    serve: ServePolicy = "latest"
    labels: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OutputSettings:
    """What the sidecar says of one output; None where it is silent."""

    head: Head | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Sidecar:
    """Everything a `model.toml` can say; the empty one says nothing.

    `labels_file` is the name of the file that gave the labels: a `model.toml`, a `labels.txt`, ….
    `preprocessing` and `outputs` hold one entry per input or output name; the name "" stands for all of them.
    `preprocessing` values are fields of `Recipe`.
    """

    description: str | None = None
    labels: tuple[str, ...] | None = None
    labels_file: str | None = None
    preprocessing: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    outputs: Mapping[str, OutputSettings] = field(default_factory=dict)
    versions: VersionPolicy = VersionPolicy()
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def recipe_values(self, input_name: str) -> dict[str, Any]:
        """Return the recipe fields set for one input; those under its own name win over the general ones."""
        return {**self.preprocessing.get("", {}), **self.preprocessing.get(input_name, {})}

    def output_settings(self, output_name: str) -> OutputSettings:
        """Return what is set for one output; its own name wins over the general one, value by value."""
        general = self.outputs.get("", OutputSettings())
        own = self.outputs.get(output_name, OutputSettings())
        return OutputSettings(
            head=own.head or general.head,
            threshold=general.threshold if own.threshold is None else own.threshold,
        )
