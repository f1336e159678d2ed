"""Owns the recipes that calibration tries: what people train Keras models with, the plainest first."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from service.model.card import ModelCard
from service.model.input_card import InputCard
from service.model.recipe import Color, Fit, Recipe, Resize, Scale
from service.model.recipes import library_of

COLOURS = 3
FINISHING = ("scale", "color", "invert")
FITTING = ("recipe", "resize", "fit", "exif", "antialias", "shortest_edge")


@dataclass(frozen=True, slots=True)
class Candidate:
    """Values of `Recipe` to try for every input that takes pictures; `color` counts for those of three channels."""

    scale: Scale
    color: Color = "rgb"
    invert: bool = False
    recipe: str = "keras.load_img"
    resize: Resize = "bilinear"
    fit: Fit = "stretch"
    exif: bool = False
    antialias: bool = False
    shortest_edge: int | None = None

    def recipe_for(self, one: InputCard, recipe: Recipe) -> Recipe:
        """Return the recipe of an input with these values in it."""
        values = {name.name: getattr(self, name.name) for name in fields(self)}
        if not is_coloured(one):
            del values["color"]
        return recipe.overridden(values, source="sidecar")

    @property
    def fitting(self) -> tuple[Any, ...]:
        """Return the values that pixels depend on before they are scaled; equal ones share the work."""
        return tuple(getattr(self, name) for name in (*FITTING, "color"))


def is_coloured(one: InputCard) -> bool:
    """Return whether an input has three channels, whose order can be one or the other."""
    return one.layout is not None and one.layout.channels == COLOURS


def picture_inputs(card: ModelCard) -> tuple[InputCard, ...]:
    """Return the inputs that take pictures."""
    return tuple(one for one in card.inputs if one.layout is not None)


def in_force(card: ModelCard) -> Candidate:
    """Return the values of the card's recipe; of several inputs, those of the first, and of the first in colour."""
    inputs = picture_inputs(card)
    recipe = _recipe_of(inputs[0])
    coloured = [_recipe_of(one) for one in inputs if is_coloured(one)]
    values = {name: getattr(recipe, name) for name in (*FITTING, "scale", "invert")}
    return Candidate(**values, color=coloured[0].color if coloured else "rgb")


def is_one_for_all(card: ModelCard) -> bool:
    """Return whether every input that takes pictures has the values of `in_force` already."""
    own = in_force(card)
    return all(
        getattr(_recipe_of(one), name) == getattr(own, name)
        for one in picture_inputs(card)
        for name in (*FITTING, "scale", "invert")
    )


def _recipe_of(one: InputCard) -> Recipe:
    if one.recipe is None:
        raise ValueError(f"input {one.spec.name} takes no pictures")
    return one.recipe


_SCALES: tuple[Scale, ...] = ("0..1", "-1..1", "0..255")
_COLOUR_SCALES: tuple[Scale, ...] = ("torch", "caffe")


def finishing_candidates(card: ModelCard) -> list[Candidate]:
    """Return the candidates that differ from the recipe in force in scale, colour order and polarity, it included."""
    own = in_force(card)
    inputs = picture_inputs(card)
    scales = [*_SCALES, *(_COLOUR_SCALES if all(map(is_coloured, inputs)) else ())]
    colors: list[Color] = ["rgb", "bgr"] if any(map(is_coloured, inputs)) else [own.color]
    return [
        replace(own, scale=scale, color=color, invert=invert)
        for invert in (False, True)
        for color in colors
        for scale in dict.fromkeys([*scales, own.scale])
    ]


# What each library is used with; the resizes that nobody trains with are left out.
_LOAD_IMG: tuple[Resize, ...] = ("bilinear", "nearest", "bicubic", "lanczos")
_DATASET: tuple[Resize, ...] = ("bilinear", "nearest", "bicubic", "area")
_OPENCV: tuple[Resize, ...] = ("bilinear", "area", "nearest")


def _fittings() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"recipe": "keras.load_img", "resize": one} for one in _LOAD_IMG]
    found += [{"recipe": "keras.image_dataset", "resize": one} for one in _DATASET]
    found += [
        {"recipe": recipe, "resize": "bilinear", "fit": fit}
        for recipe in ("keras.load_img", "keras.image_dataset")
        for fit in ("crop", "pad")
    ]
    found.append({"recipe": "teachable-machine", "resize": "lanczos", "fit": "crop"})
    found += [{"recipe": "opencv", "resize": one, "exif": True} for one in _OPENCV]
    return found


def fitting_candidates(base: Candidate) -> list[Candidate]:
    """Return `base` with each library, resize and fit that is tried."""
    plain = replace(base, fit="stretch", exif=False, antialias=False, shortest_edge=None)
    return [base, *(replace(plain, **values) for values in _fittings())]


_PLAIN_SCALES = ("0..1", "-1..1", "0..255", "torch", "caffe")
_PLAIN_LIBRARIES = ("pillow", "tensorflow", "opencv")
_PLAIN_RESIZES = ("bilinear", "nearest", "bicubic", "area", "lanczos")
_PLAIN_FITS = ("stretch", "crop", "pad")


def plainness(one: Candidate) -> tuple[Any, ...]:
    """Return what sorts candidates, the plainest first: polarity, colour order, scale, library, fit, resize."""
    return (
        one.invert,
        one.color != "rgb",
        _place(_PLAIN_SCALES, one.scale),
        _place(_PLAIN_LIBRARIES, library_of(one.recipe)),
        one.recipe != "keras.load_img",
        _place(_PLAIN_FITS, one.fit),
        _place(_PLAIN_RESIZES, one.resize),
    )


def _place(order: Sequence[object], value: object) -> int:
    return order.index(value) if value in order else len(order)
