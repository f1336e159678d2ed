"""Owns what a build reads off a model, before any sidecar: the facts a bundle carries as `bundle.json`."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from service.model.insight import NO_INSIGHT, Insight
from service.model.layers import Layer
from service.model.recipe import NamedScale
from service.model.tensors import ChannelOrder, TensorSpec


@dataclass(frozen=True, slots=True)
class InputFacts:
    """One input: its tensor, its axis order, and what the graph shows of the pictures that it takes.

    `scale` is the range of pixels that its first layers are made for, such as "0..255" before a Rescaling(1/255); None
    where they do not tell. `resizes_itself` says that it takes pictures of any size and resizes or crops them inside.
    """

    spec: TensorSpec
    order: ChannelOrder = "channels_last"
    scale: NamedScale | None = None
    resizes_itself: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "spec": self.spec.to_json(),
            "order": self.order,
            "scale": self.scale,
            "resizes_itself": self.resizes_itself,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "InputFacts":
        """Read what `to_json` wrote."""
        return cls(TensorSpec.from_json(data["spec"]), data["order"], data["scale"], data["resizes_itself"])


@dataclass(frozen=True, slots=True)
class OutputFacts:
    """One output: its tensor, the activation it ends in and the loss it was trained with, where known."""

    spec: TensorSpec
    activation: str | None = None
    loss: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {"spec": self.spec.to_json(), "activation": self.activation, "loss": self.loss}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "OutputFacts":
        """Read what `to_json` wrote."""
        return cls(TensorSpec.from_json(data["spec"]), data["activation"], data["loss"])


@dataclass(frozen=True, slots=True)
class SourceFacts:
    """The saved model: its name without folder, size in bytes, SHA-256 in hex, and what wrote and loaded it.

    `repairs` says in words what had to be changed before it loaded; `trusted_code` names the Python file of the user's
    own layers that was run to build it.
    """

    file: str
    bytes: int
    sha256: str
    written_by: str
    loaded_by: str
    repairs: tuple[str, ...] = ()
    trusted_code: str | None = None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {**asdict(self), "repairs": list(self.repairs)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "SourceFacts":
        """Read what `to_json` wrote."""
        return cls(**{**data, "repairs": tuple(data["repairs"])})


@dataclass(frozen=True, slots=True)
class Verification:
    """How far the exported graph is from Keras.

    `max_difference` is the largest absolute difference over all `cases`; `max_relative` the largest
    difference in units of the allowed one (1 and below passes); `compared` says which tensors were compared:
    `before the head` or `outputs`.
    """

    engine: str
    compared: str
    max_difference: float
    max_relative: float
    cases: int


@dataclass(frozen=True, slots=True)
class Description:
    """Everything a bundle knows about its model; the card adds the sidecar.

    `layers` is None where the saved model does not hold them; `weights` is then the number of its weights.
    `insight` is what the bundle's second graph gives.
    """

    name: str
    version: int
    inputs: tuple[InputFacts, ...]
    outputs: tuple[OutputFacts, ...]
    layers: tuple[Layer, ...] | None
    summary: str
    source: SourceFacts
    verification: tuple[Verification, ...] = ()
    built_with: Mapping[str, str] = field(default_factory=dict)
    weights: int = 0
    insight: Insight = NO_INSIGHT

    @property
    def parameters(self) -> int:
        """Return the number of weights, trainable or not."""
        return self.weights if self.layers is None else sum(layer.parameters for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "name": self.name,
            "version": self.version,
            "inputs": [one.to_json() for one in self.inputs],
            "outputs": [one.to_json() for one in self.outputs],
            "layers": None if self.layers is None else [one.to_json() for one in self.layers],
            "weights": self.weights,
            "summary": self.summary,
            "source": self.source.to_json(),
            "verification": [asdict(one) for one in self.verification],
            "built_with": dict(self.built_with),
            "insight": self.insight.to_json(),
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Description":
        """Read what `to_json` wrote."""
        layers = data["layers"]
        return cls(
            name=data["name"],
            version=data["version"],
            inputs=tuple(InputFacts.from_json(one) for one in data["inputs"]),
            outputs=tuple(OutputFacts.from_json(one) for one in data["outputs"]),
            layers=None if layers is None else tuple(Layer.from_json(one) for one in layers),
            weights=data.get("weights", 0),
            summary=data["summary"],
            source=SourceFacts.from_json(data["source"]),
            verification=tuple(Verification(**one) for one in data["verification"]),
            built_with=data["built_with"],
            insight=Insight.from_json(data["insight"]),
        )
