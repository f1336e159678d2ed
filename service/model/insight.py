"""Owns what a bundle's second graph gives: the output of every layer, and maps with gradients for Grad-CAM."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from service.model.tensors import TensorSpec, units_of

UNFINISHED = "The second graph, which gives the output of every layer, was not built."


@dataclass(frozen=True, slots=True, order=True)
class LayerTap:
    """One output of one call of a layer.

    `call` counts the calls of a shared layer in the order in which they were written, `part` the outputs of one.
    """

    layer: str
    call: int = 0
    part: int = 0


@dataclass(frozen=True, slots=True)
class CamTap:
    """A place for Grad-CAM: `layer` turns the maps that the layer `source` gives into a vector for good.

    `inputs` names the model inputs that reach it. A layer that is shared by several inputs has one for each call.
    """

    layer: str
    source: str
    inputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Insight:
    """What the second graph gives: one output for each of `taps`, then maps and gradients for each of `cams`.

    `missing` says why there is no second graph, `no_gradient` why there is no Grad-CAM; both are sentences for users.
    `bytes_per_number` is how many bytes all outputs take for each number of the inputs.
    """

    taps: tuple[LayerTap, ...] = ()
    cams: tuple[CamTap, ...] = ()
    missing: str | None = None
    no_gradient: str | None = None
    bytes_per_number: float = 0.0

    def taps_of(self, layer: str) -> tuple[LayerTap, ...]:
        """Return what is kept of a layer, call by call; none for an InputLayer, which gives its input."""
        return tuple(tap for tap in self.taps if tap.layer == layer)

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Insight":
        """Read what `to_json` wrote, after a trip through JSON."""
        return cls(
            taps=tuple(LayerTap(**one) for one in data["taps"]),
            cams=tuple(CamTap(one["layer"], one["source"], tuple(one["inputs"])) for one in data["cams"]),
            missing=data["missing"],
            no_gradient=data["no_gradient"],
            bytes_per_number=data["bytes_per_number"],
        )


NO_INSIGHT = Insight(missing=UNFINISHED, no_gradient=UNFINISHED)


def without_insight(reason: str) -> Insight:
    """Return the insight of a model whose second graph could not be had, for a reason in one sentence."""
    return Insight(missing=reason, no_gradient=reason)


def weighted_outputs(outputs: Sequence[TensorSpec]) -> dict[str, int]:
    """Return the units of each output that a gradient can be taken of, by name: floating point, one vector a picture.

    The score that is differentiated is the sum over these of weights (N, units) * the numbers before the head.
    """
    floating = (one for one in outputs if "float" in one.dtype)
    return {one.name: units for one in floating if (units := units_of(one)) is not None}


def weight_input(output: str) -> str:
    """Return the name of the second graph's input that takes the weights of a model's `output`."""
    return f"weights of {output}"


def output_names(insight: Insight) -> list[str]:
    """Return a name for each output of the second graph in its order: taps, then maps and gradients of each cam."""
    pairs = ((maps_name(number), gradients_name(number)) for number in range(len(insight.cams)))
    return [*map(tap_name, insight.taps), *(name for pair in pairs for name in pair)]


def tap_name(tap: LayerTap) -> str:
    """Return the name of the second graph's output that gives a tap."""
    return f"layer {tap.layer}, call {tap.call}, part {tap.part}"


def maps_name(number: int) -> str:
    """Return the name of the second graph's output that gives the maps of the cam of this number."""
    return f"maps {number}"


def gradients_name(number: int) -> str:
    """Return the name of the second graph's output that gives the gradients of the cam of this number."""
    return f"gradients {number}"
