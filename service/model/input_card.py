"""Owns the card of one input: its layout, and the recipe that leads to it, each value with its source.

A value is taken from the first that has it: what the sidecar says, what the recipe that it names implies, what the
graph shows, a guess, a default. A scale that the graph shows wins over an implied one, so that nothing is done twice.
"""

from dataclasses import dataclass
from typing import Any

from service.model.description import InputFacts
from service.model.guess import Guess
from service.model.reach import is_near, reach_in_words, reach_of
from service.model.recipe import NamedScale, Recipe, default_recipe
from service.model.recipe_check import check_recipe
from service.model.recipes import implied_by
from service.model.sidecar import Sidecar
from service.model.tensors import ImageLayout, TensorSpec, image_layout

_INTEGERS = ("int", "uint")


@dataclass(frozen=True, slots=True)
class InputCard:
    """One input; `layout` and `recipe` are None where it takes numbers only.

    `warnings` are for the card and for the answer to every picture, `notes` for the card alone.
    """

    spec: TensorSpec
    layout: ImageLayout | None
    recipe: Recipe | None
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form the card shows."""
        recipe = self.recipe.to_json() if self.recipe else None
        return {**self.spec.to_json(), "takes_images": self.layout is not None, "preprocessing": recipe}


def input_card(facts: InputFacts, sidecar: Sidecar, *, guess: Guess | None = None) -> InputCard:
    """Merge what is known of one input with its sidecar; raise SidecarError where a recipe does not lead to it."""
    layout = image_layout(facts.spec.shape, order=facts.order)
    if layout is None:
        note = f"Input {facts.spec.name} {list(facts.spec.shape)} is no image; it is served for numbers only."
        return InputCard(facts.spec, None, None, notes=(note,))
    recipe = _recipe(facts, layout, sidecar.recipe_values(facts.spec.name), guess)
    check_recipe(recipe, layout)
    return InputCard(facts.spec, layout, recipe, _warnings(facts, recipe), _notes(facts, recipe, guess))


def _recipe(facts: InputFacts, layout: ImageLayout, said: dict[str, Any], guess: Guess | None) -> Recipe:
    told = _told_scale(facts)
    recipe = default_recipe(layout)
    if guess is not None:
        recipe = recipe.overridden(guess.values(layout, recipe_is_said="recipe" in said), source="guess")
    recipe = recipe.overridden({"scale": told} if told else {}, source="graph")
    if facts.resizes_itself:
        recipe = recipe.overridden({"size": recipe.size}, source="graph")
    implied = implied_by(said["recipe"], layout) if "recipe" in said else {}
    if told is not None:
        implied.pop("scale", None)
    return recipe.overridden({**implied, **said}, source="sidecar")


def _told_scale(facts: InputFacts) -> NamedScale | None:
    return "0..255" if facts.spec.dtype.startswith(_INTEGERS) else facts.scale


def _warnings(facts: InputFacts, recipe: Recipe) -> tuple[str, ...]:
    """Return what is surely done twice, or not at all, where the sidecar's scale is none that the graph takes."""
    told = _told_scale(facts)
    if told is None or recipe.scale == told or is_near(reach_of(recipe.scale), reach_of(told)):
        return ()
    name = facts.spec.name
    if facts.spec.dtype.startswith(_INTEGERS):
        return (f"Input {name} takes {facts.spec.dtype}: pictures go in as 0..255, and `scale` is not used; drop it.",)
    return (
        f"The first layers after {name} are made for pixels of {told}, and the sidecar has them scaled to "
        f"{reach_in_words(recipe.scale)} before that. Unless the model was trained so, say "
        f'scale = "{told}" in model.toml.',
    )


def _notes(facts: InputFacts, recipe: Recipe, guess: Guess | None) -> tuple[str, ...]:
    source = recipe.source_of("scale")
    if source == "guess" and guess is not None:
        return (f"How {facts.spec.name} was scaled in training is a guess: {guess.reason}",)
    if source == "default":
        return (
            f"How {facts.spec.name} was scaled in training is not known: 0..1 is a default. "
            "Say it in model.toml under [preprocessing] scale.",
        )
    return ()
