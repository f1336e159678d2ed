"""Owns what a picture goes through to each input of a model, looked up once for millions of them."""

from dataclasses import dataclass

from service.model.card import ModelCard
from service.model.recipe import Recipe
from service.model.tensors import ImageLayout
from service.offline.errors import UnsuitableModelError


@dataclass(frozen=True, slots=True)
class PictureInput:
    """One input, and how a picture becomes it."""

    name: str
    recipe: Recipe
    layout: ImageLayout
    dtype: str


def picture_inputs(card: ModelCard) -> tuple[PictureInput, ...]:
    """Return every input of a model, each of which is given the picture; raises UnsuitableModelError for numbers."""
    found = [
        PictureInput(one.spec.name, one.recipe, one.layout, one.spec.dtype)
        for one in card.inputs
        if one.recipe is not None and one.layout is not None
    ]
    if len(found) < len(card.inputs):
        raise UnsuitableModelError(f"{card.name} takes numbers, no pictures alone; expected one that takes pictures.")
    return tuple(found)
