"""Owns the model card: what was read off the model, merged with what its sidecar says, each value with its source."""

from dataclasses import asdict, dataclass
from typing import Any

from service.errors import SidecarError
from service.model.description import Description, OutputFacts
from service.model.guess import guesses_of
from service.model.head import DEFAULT_THRESHOLD, TWO_CLASS_HEADS, Head, class_count, guess_head
from service.model.hints import hints_of
from service.model.input_card import InputCard, input_card
from service.model.labels import checked_labels, fitting_none, numbered_labels, repeated_note
from service.model.recipe import Source
from service.model.sidecar import Sidecar
from service.model.stack import maps_to_vector, maps_to_vector_text
from service.model.tensors import TensorSpec, units_of


@dataclass(frozen=True, slots=True)
class OutputCard:
    """One output with its head, its labels (one per class) and the threshold of a yes-or-no decision.

    An output that is a map has no labels: its numbers are the answer.
    """

    spec: TensorSpec
    head: Head
    head_source: Source
    labels: tuple[str, ...]
    labels_source: Source
    threshold: float = DEFAULT_THRESHOLD
    labels_file: str | None = None

    @property
    def classes(self) -> int | None:
        """Return the number of classes, None where the output is a map."""
        return len(self.labels) or None

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form the card shows."""
        file = {"file": self.labels_file} if self.labels_file else {}
        labels = {"value": list(self.labels), "source": self.labels_source, **file}
        return {
            **self.spec.to_json(),
            "head": {"value": self.head, "source": self.head_source},
            "classes": self.classes,
            "labels": labels if self.classes else None,
            "threshold": self.threshold if self.classes else None,
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

    @property
    def classes(self) -> int | None:
        """Return the number of classes of the first output that has classes; None where all outputs are maps."""
        return next((one.classes for one in self.outputs if one.classes), None)

    @property
    def takes(self) -> str:
        """Say what may be sent: pictures where an input takes them, numbers always."""
        return "pictures and numbers" if any(one.layout for one in self.inputs) else "numbers"

    @property
    def answers(self) -> str:
        """Say what comes back: classes, plain numbers where an output is a map, or both."""
        kinds = {"classes" if one.classes else "numbers" for one in self.outputs}
        return " and ".join(sorted(kinds))

    def to_json(self) -> dict[str, Any]:
        """Return the JSON form of the card, layers in brief."""
        facts = self.facts
        return {
            "name": self.name,
            "version": self.version,
            "description": self.sidecar.description,
            "inputs": [one.to_json() for one in self.inputs],
            "outputs": [one.to_json() for one in self.outputs],
            "takes": self.takes,
            "answers": self.answers,
            "classes": self.classes,
            "parameters": facts.parameters,
            "layers": None if facts.layers is None else [layer.brief() for layer in facts.layers],
            "maps_to_vector": {
                "steps": [one.to_json() for one in maps_to_vector(facts.layers or ())],
                "text": maps_to_vector_text(facts.layers or ()),
            },
            "engine": self.engine,
            "verification": [asdict(one) for one in facts.verification],
            "source": facts.source.to_json(),
            "fingerprint": self.fingerprint,
            "built_with": dict(facts.built_with),
            "provenance": dict(self.sidecar.provenance),
            "warnings": list(self.warnings),
            "hints": list(hints_of(facts, {one.spec.name: one.head for one in self.outputs})),
        }


def compose_card(facts: Description, sidecar: Sidecar, *, version: int, fingerprint: str, engine: str) -> ModelCard:
    """Merge the facts of a bundle with a sidecar; raise SidecarError where the two contradict each other."""
    _check_names(facts, sidecar)
    guesses = guesses_of(facts)
    inputs = tuple(input_card(one, sidecar, guess=guesses.get(one.spec.name)) for one in facts.inputs)
    outputs = tuple(_output_card(one, sidecar, is_only=len(facts.outputs) == 1) for one in facts.outputs)
    _check_labels_fit(outputs, sidecar)
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


def _labels(sidecar: Sidecar, head: Head, classes: int, *, is_only_output: bool) -> tuple[str, ...] | None:
    """Return the sidecar's labels; of several outputs, those have them that have as many classes."""
    if sidecar.labels is None or (not is_only_output and len(sidecar.labels) != classes):
        return None
    is_one_unit = head in TWO_CLASS_HEADS
    return checked_labels(sidecar.labels, classes=classes, file=sidecar.labels_file, is_one_unit=is_one_unit)


def _check_labels_fit(outputs: tuple[OutputCard, ...], sidecar: Sidecar) -> None:
    if sidecar.labels is not None and all(one.labels_source != "sidecar" for one in outputs):
        raise fitting_none(sidecar.labels, {one.spec.name: one.classes for one in outputs}, file=sidecar.labels_file)


def _output_card(facts: OutputFacts, sidecar: Sidecar, *, is_only: bool) -> OutputCard:
    said = sidecar.output_settings(facts.spec.name)
    units = units_of(facts.spec)
    if units is None:
        return _map_card(facts.spec, said.head)
    guessed = guess_head(units=units, activation=facts.activation, loss=facts.loss)
    head = said.head or guessed
    if head in TWO_CLASS_HEADS and units > 1:
        raise SidecarError(f"The head {head!r} is for a model of one output; {facts.spec.name} has {units}.")
    if said.head in _OF_SEVERAL and units == 1:
        raise SidecarError(
            f"The head {said.head!r} is for a model of several outputs; {facts.spec.name} has one: use 'binary', or "
            "'binary-logit' where it ends in a raw number. Or drop `head`."
        )
    _check_not_twice(said.head, facts)
    classes = class_count(head, units)
    labels = _labels(sidecar, head, classes, is_only_output=is_only)
    return OutputCard(
        spec=facts.spec,
        head=head,
        head_source="sidecar" if said.head else _head_source(facts, units),
        labels=labels or numbered_labels(classes),
        labels_source="sidecar" if labels else "default",
        threshold=DEFAULT_THRESHOLD if said.threshold is None else said.threshold,
        labels_file=sidecar.labels_file if labels else None,
    )


_OF_SEVERAL: tuple[Head, ...] = ("softmax", "logits", "sigmoid-exclusive")
_APPLIED_BY: dict[str, tuple[Head, ...]] = {"softmax": ("logits",), "sigmoid": ("logits", "binary-logit")}


def _check_not_twice(head: Head | None, facts: OutputFacts) -> None:
    """Raise SidecarError where a head would apply what the model ends in a second time."""
    if head is not None and head in _APPLIED_BY.get(facts.activation or "", ()):
        raise SidecarError(
            f"The head {head!r} is for raw numbers; output {facts.spec.name} ends in a {facts.activation} already, "
            "which would be applied twice. Drop `head`."
        )


def _map_card(spec: TensorSpec, head: Head | None) -> OutputCard:
    """Return the card of an output that is a map, which no head but `scores` can read."""
    if head not in (None, "scores"):
        raise SidecarError(
            f"The head {head!r} is for classes; output {spec.name} is a map of shape {list(spec.shape)} and has none. "
            "Drop `head`, or give it under [output.NAME] to the output that it is for."
        )
    return OutputCard(spec, "scores", "sidecar" if head else "graph", labels=(), labels_source="graph")


def _head_source(facts: OutputFacts, units: int) -> Source:
    """Say whether the graph itself tells the head; several sigmoids without a known loss leave it open."""
    is_told = facts.activation == "softmax" or (
        facts.activation == "sigmoid" and (units == 1 or facts.loss is not None)
    )
    return "graph" if is_told else "guess"


def _warnings(inputs: tuple[InputCard, ...], outputs: tuple[OutputCard, ...]) -> list[str]:
    notes = [note for one in inputs for note in (*one.warnings, *one.notes)]
    notes += [
        f"Output {one.spec.name} is a map of shape {list(one.spec.shape)}: no classes; its numbers are given as they "
        "are."
        for one in outputs
        if one.classes is None
    ]
    notes += filter(None, dict.fromkeys(repeated_note(one.labels) for one in outputs))
    if any(one.labels_source == "default" for one in outputs):
        notes.append(
            'The classes have no names. Give them in model.toml: labels = ["cat", "dog", …], '
            "or one a line in a labels.txt, in a folder that is this model's alone."
        )
    return notes
