"""Owns the drawing of a model: what is shown, where it stands, and the words for those who hear it."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.explain.graph import words
from service.explain.graph.nesting import ALL, Nesting, nested_models
from service.explain.graph.placing import placed
from service.explain.graph.scene import scene_of
from service.explain.graph.svg import svg
from service.model.layers import Layer
from service.model.stack import NO_LAYERS
from service.model.tensors import TensorSpec


@dataclass(frozen=True, slots=True)
class Graph:
    """What a drawing is made of; `layers` is None where the saved file does not hold them."""

    title: str
    layers: tuple[Layer, ...] | None
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]

    @property
    def nested(self) -> tuple[str, ...]:
        """Return the paths of the nested models, which can be opened."""
        return nested_models(self.layers or ())

    def opened(self, asked: Iterable[str]) -> frozenset[str]:
        """Return the nested models that are open where these are asked for: those around them too."""
        return Nesting(self.nested, asked).opened

    def unknown(self, asked: Iterable[str]) -> list[str]:
        """Return what is asked to be opened and is no nested model."""
        known = {*self.nested, ALL}
        return [one for one in asked if one not in known]


def draw(graph: Graph, *, opened: frozenset[str] = frozenset()) -> str:
    """Return the SVG of a model with these nested models open.

    Each layer is a group with `data-layer`, a nested model one with `data-model`; the links that open and close a
    model have `data-open` and `data-close`.
    """
    scene = scene_of(graph.layers, inputs=graph.inputs, outputs=graph.outputs, opened=opened)
    shown = [path for path in graph.nested if path in opened]
    return svg(placed(scene), title=f"Layers of {graph.title}", description=_description(graph), opened=shown)


def _description(graph: Graph) -> str:
    if not graph.layers:
        return NO_LAYERS
    weights = words.parameters(sum(one.parameters for one in graph.layers)) or "no parameters"
    nested = f" {len(graph.nested)} nested models can be opened and closed." if graph.nested else ""
    return (
        f"{len(graph.layers)} layers, {weights}. Arrows run downwards and carry the shape of one example; layers that "
        "stand on top of each other without an arrow keep its shape. Dashed arrows run up, to a layer that is called "
        f"again.{nested}"
    )
