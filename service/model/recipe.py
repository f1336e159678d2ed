"""Owns the recipe: how an encoded image becomes a model's input, and where each of its values came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from service.model.tensors import ImageLayout

Source = Literal["sidecar", "graph", "guess", "default"]
Color = Literal["rgb", "bgr", "grayscale", "rgba"]
Resize = Literal[
    "nearest", "bilinear", "bicubic", "lanczos", "box", "hamming",
    "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic",
]  # fmt: skip
Fit = Literal["stretch", "crop", "pad"]
NamedScale = Literal["0..255", "0..1", "-1..1", "caffe", "torch"]

COLORS: tuple[Color, ...] = ("rgb", "bgr", "grayscale", "rgba")
FITS: tuple[Fit, ...] = ("stretch", "crop", "pad")
NAMED_SCALES: tuple[NamedScale, ...] = ("0..255", "0..1", "-1..1", "caffe", "torch")
COLOR_OF_CHANNELS: Mapping[int, Color] = {1: "grayscale", 3: "rgb", 4: "rgba"}


@dataclass(frozen=True, slots=True)
class MeanStd:
    """Scale each channel c as (x / 255 - mean[c]) / std[c], `torch` style; one value serves all channels."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Rescale:
    """Scale as x * factor + offset: `rescale` of `ImageDataGenerator`, and the arithmetic of a `Rescaling` layer."""

    factor: float
    offset: float = 0.0


Scale = NamedScale | MeanStd | Rescale


@dataclass(frozen=True, slots=True)
class Recipe:
    """How an encoded image becomes one input; `size` is (height, width) in pixels, None where the image's own.

    `shortest_edge` resizes to that many pixels on the shorter side first, and the centre of `size` is then cut out.
    `antialias` widens TensorFlow's filters where they shrink. `samplewise_center` and `samplewise_std_normalization`
    take the mean off each scaled picture, and divide by its standard deviation. `sources` maps a field's name to where
    its value came from; a field it lacks is a default.
    """

    color: Color
    size: tuple[int | None, int | None]
    recipe: str = "keras.load_img"
    resize: Resize = "bilinear"
    fit: Fit = "stretch"
    scale: Scale = "0..1"
    invert: bool = False
    exif: bool = False
    antialias: bool = False
    shortest_edge: int | None = None
    samplewise_center: bool = False
    samplewise_std_normalization: bool = False
    sources: Mapping[str, Source] = field(default_factory=dict)

    def source_of(self, name: str) -> Source:
        """Return where the value of the field `name` came from."""
        return self.sources.get(name, "default")

    def overridden(self, values: Mapping[str, Any], *, source: Source) -> "Recipe":
        """Return a recipe with `values` in place of its own, each marked as coming from `source`."""
        sources = {**self.sources, **dict.fromkeys(values, source)}
        return replace(self, **values, sources=sources)

    def to_json(self) -> dict[str, Any]:
        """Return each field with its value and source, as the model card shows them; seldom ones only where set."""
        names = [one.name for one in fields(self) if one.name != "sources" and self._is_shown(one.name)]
        return {name: {"value": _plain(getattr(self, name)), "source": self.source_of(name)} for name in names}

    def _is_shown(self, name: str) -> bool:
        return name not in _SELDOM or bool(getattr(self, name)) or name in self.sources


_SELDOM = ("antialias", "shortest_edge", "samplewise_center", "samplewise_std_normalization")


def default_recipe(layout: ImageLayout) -> Recipe:
    """Return the recipe for an input nobody has described: Keras' `load_img`, bilinear, 0..1; all defaults."""
    sources: dict[str, Source] = {"color": "graph"}
    if layout.height is not None or layout.width is not None:
        sources["size"] = "graph"
    return Recipe(color=COLOR_OF_CHANNELS[layout.channels], size=layout.size, sources=sources)


def _plain(value: Any) -> Any:
    if isinstance(value, MeanStd):
        return {"mean": list(value.mean), "std": list(value.std)}
    if isinstance(value, Rescale):
        return {"factor": value.factor, "offset": value.offset}
    return list(value) if isinstance(value, tuple) else value
