"""Owns what does not go together in a recipe: with the layout of its input, and with the library it names."""

from collections.abc import Mapping

from service.errors import SidecarError
from service.model.recipe import COLOR_OF_CHANNELS, Color, MeanStd, Recipe
from service.model.recipes import NAMED_RECIPES, RESIZES_OF, Library, library_of
from service.model.tensors import ImageLayout

_COLOURS = 3
_LIBRARIES: Mapping[Library, str] = {"pillow": "Pillow", "tensorflow": "TensorFlow", "opencv": "OpenCV"}


def check_recipe(recipe: Recipe, layout: ImageLayout) -> None:
    """Raise SidecarError where a recipe does not lead to an input of this layout, or asks a library too much."""
    _check_library(recipe)
    _check_color(recipe, layout)
    _check_scale(recipe, layout)
    _check_size(recipe, layout)


def _check_library(recipe: Recipe) -> None:
    library = library_of(recipe.recipe)
    if recipe.resize not in RESIZES_OF[library]:
        raise SidecarError(
            f"preprocessing resize {recipe.resize!r} is none of {_LIBRARIES[library]}'s, which recipe "
            f"{recipe.recipe!r} resizes with: use {', '.join(RESIZES_OF[library])}; or name another recipe."
        )
    if recipe.antialias and library != "tensorflow":
        raise SidecarError(_only("antialias", "tensorflow", recipe))
    if recipe.shortest_edge is not None and library != "pillow":
        raise SidecarError(_only("shortest_edge", "pillow", recipe))
    if recipe.shortest_edge is not None and recipe.fit != "stretch":
        raise SidecarError(
            f"preprocessing shortest_edge resizes by the shorter side and cuts out the centre, which leaves nothing to "
            f"do for fit {recipe.fit!r}; drop one of the two."
        )


def _only(key: str, library: Library, recipe: Recipe) -> str:
    names = ", ".join(name for name in NAMED_RECIPES if library_of(name) == library and not _is_module(name))
    return (
        f"preprocessing {key} is for recipes of {_LIBRARIES[library]} ({names}), and {recipe.recipe!r} is none; "
        f"drop {key}, or name one of them as `recipe`."
    )


def _is_module(name: str) -> bool:
    return name.startswith("applications.")


def _check_color(recipe: Recipe, layout: ImageLayout) -> None:
    fitting = _colors_of(layout.channels)
    if recipe.color not in fitting:
        raise SidecarError(
            f"preprocessing color {recipe.color!r} does not fit an input of {layout.channels} channel(s); "
            f"use {' or '.join(fitting)}."
        )


def _colors_of(channels: int) -> tuple[Color, ...]:
    return ("rgb", "bgr") if channels == _COLOURS else (COLOR_OF_CHANNELS[channels],)


def _check_scale(recipe: Recipe, layout: ImageLayout) -> None:
    if recipe.scale in ("caffe", "torch") and layout.channels != _COLOURS:
        raise SidecarError(f"preprocessing scale {recipe.scale!r} is for 3 channels; this input has {layout.channels}.")
    if isinstance(recipe.scale, MeanStd) and len(recipe.scale.mean) not in (1, layout.channels):
        raise SidecarError(
            f"preprocessing scale gives {len(recipe.scale.mean)} means; give 1, or one per channel ({layout.channels})."
        )


def _check_size(recipe: Recipe, layout: ImageLayout) -> None:
    for axis, said, fixed in zip(("height", "width"), recipe.size, layout.size, strict=True):
        if fixed is not None and said != fixed:
            raise SidecarError(
                f"preprocessing size has {axis} {said}, the model's input has {fixed}; {_size_advice(recipe)}."
            )


def _size_advice(recipe: Recipe) -> str:
    if recipe.recipe != "huggingface":
        return "drop `size`"
    return "correct it where it is said, in model.toml or preprocessor_config.json"
