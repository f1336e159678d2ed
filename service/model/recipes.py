"""Owns the recipes that can be named: the library each decodes and resizes with, and what naming it implies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from service.model.recipe import NamedScale, Resize
from service.model.tensors import ImageLayout

Library = Literal["pillow", "tensorflow", "opencv"]

RESIZES_OF: Mapping[Library, tuple[Resize, ...]] = {
    "pillow": ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"),
    "tensorflow": ("nearest", "bilinear", "bicubic", "area", "lanczos3", "lanczos5", "gaussian", "mitchellcubic"),
    "opencv": ("nearest", "bilinear", "bicubic", "area", "lanczos"),
}
RESIZES: tuple[Resize, ...] = tuple(dict.fromkeys(name for names in RESIZES_OF.values() for name in names))


@dataclass(frozen=True, slots=True)
class NamedRecipe:
    """A recipe by name: the library that decodes and resizes, and the values of `Recipe` that the name implies.

    `crops_exactly` cuts at fractions of a pixel where `fit` is crop, as Pillow's `ImageOps.fit` does.
    """

    library: Library
    implied: Mapping[str, Any] = field(default_factory=dict)
    crops_exactly: bool = False


def _application(scale: NamedScale) -> NamedRecipe:
    return NamedRecipe("pillow", {"resize": "nearest", "scale": scale})


# keras.applications, Keras 3.15: what `preprocess_input` of each module does (imagenet_utils, modes caffe, tf, torch).
# The modules of "0..255" do it inside the model.
_MODULES: Mapping[NamedScale, tuple[str, ...]] = {
    "caffe": ("resnet", "resnet50", "vgg16", "vgg19"),
    "-1..1": (
        "inception_resnet_v2", "inception_v3", "mobilenet", "mobilenet_v2", "nasnet", "resnet_v2", "xception",
    ),
    "torch": ("densenet",),
    "0..255": ("convnext", "efficientnet", "efficientnet_v2", "mobilenet_v3"),
}  # fmt: skip

NAMED_RECIPES: Mapping[str, NamedRecipe] = {
    "keras.load_img": NamedRecipe("pillow", {"resize": "nearest"}),
    "keras.flow_from_directory": NamedRecipe("pillow", {"resize": "nearest"}),
    "keras.image_dataset": NamedRecipe("tensorflow"),
    "tf.image": NamedRecipe("tensorflow"),
    "opencv": NamedRecipe("opencv", {"color": "bgr", "exif": True}),
    "teachable-machine": NamedRecipe(
        "pillow", {"resize": "lanczos", "fit": "crop", "scale": "-1..1"}, crops_exactly=True
    ),
    "huggingface": NamedRecipe("pillow"),
    **{
        f"applications.{module}": _application(scale)
        for scale, modules in _MODULES.items()
        for module in modules
    },
    "raw": NamedRecipe("pillow", {"scale": "0..255"}),
}  # fmt: skip


def library_of(recipe: str) -> Library:
    """Return the library that the recipe of this name decodes and resizes with."""
    return NAMED_RECIPES[recipe].library


def implied_by(recipe: str, layout: ImageLayout) -> dict[str, Any]:
    """Return the values of `Recipe` that naming this recipe implies for an input of this layout."""
    implied = dict(NAMED_RECIPES[recipe].implied)
    if layout.channels != len("bgr") and "color" in implied:
        del implied["color"]
    return implied
