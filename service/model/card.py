"""Owns the model card: what was read off the model, merged with what its sidecar says, each value with its source."""

from dataclasses import asdict, dataclass
from typing import Any

from service.errors import SidecarError
from service.model.description import Description, InputFacts, OutputFacts
from service.model.head import DEFAULT_THRESHOLD, TWO_CLASS_HEADS, Head, class_count, guess_head
from service.model.labels import checked_labels, numbered_labels
from service.model.recipe import COLOR_OF_CHANNELS, Color, MeanStd, Recipe, Source, default_recipe
from service.model.sidecar import Sidecar
from service.model.tensors import ImageLayout, TensorSpec, image_layout, units_of


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


@dataclass(frozen=True, slots=True)
class OutputCard:
    """One output with its head, its labels (one per class) and the threshold of a yes-or-no decision."""

    spec: TensorSpec
    head: Head
    head_source: Source
    labels: tuple[str, ...]
    labels_source: Source
    threshold: float = DEFAULT_THRESHOLD

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form the card shows."""
        return {
            **self.spec.to_json(),
            "head": {"value": self.head, "source": self.head_source},
            "labels": {"value": list(self.labels), "source": self.labels_source},
            "threshold": self.threshold,
        }


@dataclass(frozen=True, slots=True)
class ModelCard:
    """Everything known about one version of a model."""

    name: str
    version: int
    fingerprint: str
    engine: str
    inputs: tuple[InputCard, ...]
    outputs: tuple[OutputCard, ...]
    facts: Description
    sidecar: Sidecar
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of the card, layers in brief."""
        facts = self.facts
        return {
            "name": self.name,
            "version": self.version,
            "description": self.sidecar.description,
            "inputs": [one.to_json() for one in self.inputs],
            "outputs": [one.to_json() for one in self.outputs],
            "classes": len(self.outputs[0].labels),
            "parameters": facts.parameters,
            "layers": [layer.brief() for layer in facts.layers],
            "engine": self.engine,
            "verification": [asdict(one) for one in facts.verification],
            "source": asdict(facts.source),
            "fingerprint": self.fingerprint,
            "built_with": dict(facts.built_with),
            "provenance": dict(self.sidecar.provenance),
            "warnings": list(self.warnings),
        }


def compose_card(facts: Description, sidecar: Sidecar, *, version: int, fingerprint: str, engine: str) -> ModelCard:
    """Merge the facts of a bundle with a sidecar; raise SidecarError where the two contradict each other.

    Raises UnsupportedModelError where an output is a map, not one vector of classes.
    """
    _check_names(facts, sidecar)
    inputs = tuple(_input_card(one, sidecar) for one in facts.inputs)
    outputs = tuple(_output_card(one, sidecar, is_only=len(facts.outputs) == 1) for one in facts.outputs)
    return ModelCard(
        name=facts.name,
        version=version,
        fingerprint=fingerprint,
        engine=engine,
        inputs=inputs,
        outputs=outputs,
        facts=facts,
        sidecar=sidecar,
        warnings=tuple(_warnings(inputs, outputs)),
    )


def _check_names(facts: Description, sidecar: Sidecar) -> None:
    _check_known("preprocessing", set(sidecar.preprocessing), [one.spec.name for one in facts.inputs])
    _check_known("output", set(sidecar.outputs), [one.spec.name for one in facts.outputs])


def _check_known(section: str, named: set[str], known: list[str]) -> None:
    for name in sorted(named - {"", *known}):
        raise SidecarError(f"[{section}.{name}] names nothing this model has; it has {', '.join(known)}.")


def _input_card(facts: InputFacts, sidecar: Sidecar) -> InputCard:
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


def _labels(sidecar: Sidecar, classes: int, *, is_only_output: bool) -> tuple[str, ...] | None:
    """Return the sidecar's labels; of several outputs, those have them that have as many classes."""
    if sidecar.labels is None or (not is_only_output and len(sidecar.labels) != classes):
        return None
    return checked_labels(sidecar.labels, classes=classes)


def _output_card(facts: OutputFacts, sidecar: Sidecar, *, is_only: bool) -> OutputCard:
    said = sidecar.output_settings(facts.spec.name)
    units = units_of(facts.spec)
    guessed = guess_head(units=units, activation=facts.activation, loss=facts.loss)
    head = said.head or guessed
    if head in TWO_CLASS_HEADS and units > 1:
        raise SidecarError(f"The head {head!r} is for a model of one output; {facts.spec.name} has {units}.")
    classes = class_count(head, units)
    labels = _labels(sidecar, classes, is_only_output=is_only)
    return OutputCard(
        spec=facts.spec,
        head=head,
        head_source="sidecar" if said.head else _head_source(facts, units),
        labels=labels or numbered_labels(classes),
        labels_source="sidecar" if labels else "default",
        threshold=DEFAULT_THRESHOLD if said.threshold is None else said.threshold,
    )


def _head_source(facts: OutputFacts, units: int) -> Source:
    """Say whether the graph itself tells the head; several sigmoids without a known loss leave it open."""
    is_told = facts.activation == "softmax" or (
        facts.activation == "sigmoid" and (units == 1 or facts.loss is not None)
    )
    return "graph" if is_told else "guess"


def _warnings(inputs: tuple[InputCard, ...], outputs: tuple[OutputCard, ...]) -> list[str]:
    notes = []
    for one in inputs:
        if one.layout is None:
            notes.append(f"Input {one.spec.name} {list(one.spec.shape)} is no image; it is served for numbers only.")
        elif one.recipe and one.recipe.source_of("scale") == "default":
            notes.append(
                f"How {one.spec.name} was scaled in training is not known: 0..1 is a default. "
                "Say it in model.toml under [preprocessing] scale."
            )
    if any(one.labels_source == "default" for one in outputs):
        notes.append('The classes have no names. Give them in model.toml: labels = ["cat", "dog", …].')
    return notes
