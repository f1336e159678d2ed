"""Owns the card of one input: its layout, and the recipe that leads to it, each value with its source."""

from dataclasses import dataclass
from typing import Any

from service.errors import SidecarError
from service.model.description import InputFacts
from service.model.recipe import COLOR_OF_CHANNELS, Color, MeanStd, Recipe, default_recipe
from service.model.sidecar import Sidecar
from service.model.tensors import ImageLayout, TensorSpec, image_layout


@dataclass(frozen=True, slots=True)
class InputCard:
    """One input; `layout` and `recipe` are None where it takes numbers only."""

    spec: TensorSpec
    layout: ImageLayout | None
    recipe: Recipe | None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form the card shows."""
        recipe = self.recipe.to_json() if self.recipe else None
        return {**self.spec.to_json(), "takes_images": self.layout is not None, "preprocessing": recipe}


def input_card(facts: InputFacts, sidecar: Sidecar) -> InputCard:
    """Merge what is known of one input with its sidecar; raise SidecarError where a recipe does not lead to it."""
    layout = image_layout(facts.spec.shape, order=facts.order)
    if layout is None:
        return InputCard(facts.spec, None, None)
    recipe = default_recipe(layout)
    if facts.scales_itself or facts.spec.dtype == "uint8":
        recipe = recipe.overridden({"scale": "0..255"}, source="graph")
    recipe = recipe.overridden(sidecar.recipe_values(facts.spec.name), source="sidecar")
    _check_recipe(recipe, layout)
    return InputCard(facts.spec, layout, recipe)


def _check_recipe(recipe: Recipe, layout: ImageLayout) -> None:
    fitting = _colors_of(layout.channels)
    if recipe.color not in fitting:
        raise SidecarError(
            f"preprocessing color {recipe.color!r} does not fit an input of {layout.channels} channel(s); "
            f"use {' or '.join(fitting)}."
        )
    _check_scale(recipe, layout)
    for axis, said, fixed in zip(("height", "width"), recipe.size, layout.size, strict=True):
        if fixed is not None and said != fixed:
            raise SidecarError(f"preprocessing size has {axis} {said}, the model's input has {fixed}; drop `size`.")


def _check_scale(recipe: Recipe, layout: ImageLayout) -> None:
    if recipe.scale in ("caffe", "torch") and layout.channels != 3:
        raise SidecarError(f"preprocessing scale {recipe.scale!r} is for 3 channels; this input has {layout.channels}.")
    if isinstance(recipe.scale, MeanStd) and len(recipe.scale.mean) not in (1, layout.channels):
        raise SidecarError(
            f"preprocessing scale gives {len(recipe.scale.mean)} means; give 1, or one per channel ({layout.channels})."
        )


def _colors_of(channels: int) -> tuple[Color, ...]:
    return ("rgb", "bgr") if channels == 3 else (COLOR_OF_CHANNELS[channels],)
