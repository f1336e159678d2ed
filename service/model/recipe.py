"""Owns the recipe: how an encoded image becomes a model's input, and where each of its values came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from service.model.tensors import ImageLayout

Source = Literal["sidecar", "graph", "guess", "default"]
Color = Literal["rgb", "bgr", "grayscale", "rgba"]
Resize = Literal["nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"]
Fit = Literal["stretch", "crop", "pad"]
NamedScale = Literal["0..255", "0..1", "-1..1", "caffe", "torch"]

COLORS: tuple[Color, ...] = ("rgb", "bgr", "grayscale", "rgba")
RESIZES: tuple[Resize, ...] = ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming")
FITS: tuple[Fit, ...] = ("stretch", "crop", "pad")
NAMED_SCALES: tuple[NamedScale, ...] = ("0..255", "0..1", "-1..1", "caffe", "torch")
COLOR_OF_CHANNELS: Mapping[int, Color] = {1: "grayscale", 3: "rgb", 4: "rgba"}


@dataclass(frozen=True, slots=True)
class MeanStd:
    """Scale each channel c as (x / 255 - mean[c]) / std[c], `torch` style; one value serves all channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


Scale = NamedScale | MeanStd


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an encoded image becomes one input; `size` is (height, width) in pixels, None where the image's own.

    `sources` maps a field's name to where its value came from; a field it lacks is a default.
    """

    color: Color
    size: tuple[int | None, int | None]
    recipe: str = "keras.load_img"
    resize: Resize = "bilinear"
    fit: Fit = "stretch"
    scale: Scale = "0..1"
    invert: bool = False
    exif: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)

    def source_of(self, name: str) -> Source:
        """Return where the value of the field `name` came from."""
        return self.sources.get(name, "default")

    def overridden(self, values: Mapping[str, Any], *, source: Source) -> "Recipe":
        """Return a recipe with `values` in place of its own, each marked as coming from `source`."""
        sources = {**self.sources, **dict.fromkeys(values, source)}
        return replace(self, **values, sources=sources)

    def to_json(self) -> dict[str, Any]:
        """Return each field with its value and source, as the model card shows them."""
        names = [one.name for one in fields(self) if one.name != "sources"]
        return {name: {"value": _plain(getattr(self, name)), "source": self.source_of(name)} for name in names}


def default_recipe(layout: ImageLayout) -> Recipe:
    """Return the recipe for an input nobody has described: Keras' `load_img`, bilinear, 0..1; all defaults."""
    sources: dict[str, Source] = {"color": "graph"}
    if layout.height is not None or layout.width is not None:
        sources["size"] = "graph"
    return Recipe(color=COLOR_OF_CHANNELS[layout.channels], size=layout.size, sources=sources)


def _plain(value: Any) -> Any:
    if isinstance(value, MeanStd):
        return {"mean": list(value.mean), "std": list(value.std)}
    return list(value) if isinstance(value, tuple) else value


RECIPE_DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "keras.load_img": {"resize": "nearest"},
    "raw": {"scale": "0..255"},
}
"""The recipes that can be named, with what naming one implies: `keras.load_img` resizes to nearest by default."""
