"""Owns guesses: what the names and the build of a model's layers speak for, though nothing in it proves it."""

from dataclasses import dataclass
from typing import Any

from service.model.backbones import Backbone, backbones_in
from service.model.description import Description, InputFacts
from service.model.layers import Layer
from service.model.recipe import NamedScale
from service.model.recipes import NAMED_RECIPES
from service.model.stack import shapes_in
from service.model.tensors import ImageLayout

TEACHABLE_MACHINE = "teachable-machine"
_COLOURS = 3
_TEACHABLE_SIDES = (224, 224, 3)
_TEACHABLE_UNITS = 100


@dataclass(frozen=True, slots=True)
class Guess:
    """What one input was probably trained on: a scale, or a whole recipe by its name; `reason` goes on the card."""

    scale: NamedScale
    reason: str
    recipe: str | None = None

    def values(self, layout: ImageLayout, *, recipe_is_said: bool) -> dict[str, Any]:
        """Return the guessed values of `Recipe`; only the scale where the sidecar names a recipe of its own."""
        if self.scale in ("caffe", "torch") and layout.channels != _COLOURS:
            return {}
        if self.recipe is None or recipe_is_said:
            return {"scale": self.scale}
        return {"recipe": self.recipe, **NAMED_RECIPES[self.recipe].implied}


def guesses_of(facts: Description) -> dict[str, Guess]:
    """Return the guess for each input, by its name, that the layers speak for; most models get none."""
    found: dict[str, Guess] = {}
    for backbone in backbones_in(facts.layers or ()):
        guess = _guess(backbone, facts)
        names = [one.spec.name for one in facts.inputs]
        # A single input is meant whatever its layer is called: a tensor may have a name of its own.
        seen = names if len(names) == 1 else [name for name in names if name in backbone.inputs]
        found = {**(dict.fromkeys(seen, guess) if guess else {}), **found}
    return found


def _guess(backbone: Backbone, facts: Description) -> Guess | None:
    if _is_teachable_machine(backbone, facts.layers or (), facts.inputs):
        reason = "as in Teachable Machine, by whose plan its layers are built. If it is not, say so in model.toml."
        return Guess("-1..1", reason, TEACHABLE_MACHINE)
    scale = backbone.family.scale
    if scale is None:
        return None
    other = "" if scale == "0..1" else "; nets tuned further are often trained on 0..1 instead"
    return Guess(
        scale,
        f"{scale}, from the name of its backbone, {backbone.name}{other}. "
        "Say it in model.toml under [preprocessing] scale, or run `convoy calibrate`.",
    )


def _is_teachable_machine(backbone: Backbone, layers: tuple[Layer, ...], inputs: tuple[InputFacts, ...]) -> bool:
    """Return whether a model is MobileNetV2 in a Sequential, then a Sequential of Dense(100) and a Dense."""
    is_its_input = len(inputs) == 1 and inputs[0].spec.item_shape == _TEACHABLE_SIDES
    if not is_its_input or backbone.family.name != "mobilenet_v2" or backbone.prefix.count("/") != 2:
        return False
    rest = [one for one in layers if not one.name.startswith(backbone.prefix) and one.parameters]
    units = [shapes_in(one.output_shape)[0][-1] for one in rest if one.type == "Dense" and "/" in one.name]
    return len(units) == len(rest) == 2 and units[0] == _TEACHABLE_UNITS
