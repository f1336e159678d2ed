"""Owns how a model card is put into words on a terminal: inputs, heads, labels, preprocessing."""

from typing import Any

from service.model.card import ModelCard, OutputCard
from service.model.input_card import InputCard
from service.model.recipe import MeanStd, Recipe, Rescale

_COLORS = {"grayscale": "grey", "rgb": "RGB", "bgr": "BGR", "rgba": "RGBA"}
_FEW = 6


def inputs_in_words(card: ModelCard) -> str:
    """Return all inputs in one line, such as `64x64 RGB, 0..1`."""
    return " + ".join(map(input_in_words, card.inputs))


def input_in_words(one: InputCard) -> str:
    """Return what one input takes: its picture and scale, or the shape of its numbers."""
    if one.layout is None or one.recipe is None:
        return f"numbers {shape_in_words(one.spec.item_shape)}"
    size = "any size" if one.layout.size == (None, None) else shape_in_words(one.layout.size)
    return f"{size} {_COLORS[one.recipe.color]}, {_scale(one.recipe)}"


def shape_in_words(shape: Any) -> str:
    """Return a shape as 28x28x1; an axis of any length is `any`, no axis at all is `one`."""
    return "x".join("any" if axis is None else str(axis) for axis in shape) or "one"


def heads_in_words(card: ModelCard) -> str:
    """Return all outputs in one line, such as `softmax, 10 classes`."""
    return " + ".join(map(head_in_words, card.outputs))


def head_in_words(one: OutputCard) -> str:
    """Return how one output is read: its head and number of classes, or the shape of its numbers."""
    if one.classes is None:
        return f"numbers {shape_in_words(one.spec.item_shape)}"
    return f"{one.head}, {one.classes} class{'' if one.classes == 1 else 'es'}"


def labels_in_words(one: OutputCard) -> str:
    """Return the first labels of an output and where they came from."""
    shown = ", ".join(one.labels[:_FEW]) + (", …" if len(one.labels) > _FEW else "")
    return f"{shown} ({one.labels_file or one.labels_source})"


def sourced(recipe: Recipe, name: str) -> str:
    """Return one value of a recipe with where it came from, such as `0..255 (graph)`."""
    value = _scale(recipe) if name == "scale" else getattr(recipe, name)
    text = shape_in_words(value) if isinstance(value, tuple) else str(value)
    if name == "size" and None in recipe.size and recipe.source_of(name) == "graph":
        text = "the picture's own, resized by the model itself"
    return f"{text} ({recipe.source_of(name)})"


def _scale(recipe: Recipe) -> str:
    if isinstance(recipe.scale, MeanStd):
        return f"mean {list(recipe.scale.mean)} std {list(recipe.scale.std)}"
    if isinstance(recipe.scale, Rescale):
        return f"x * {recipe.scale.factor:g} {recipe.scale.offset:+g}"
    return recipe.scale
