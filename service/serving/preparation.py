"""Owns making a model's inputs of an example: pictures through their recipe, numbers as they came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.image.reshape import numbers_to_batch, range_warning
from service.model.card import ModelCard
from service.model.input_card import InputCard
from service.serving.examples import ANY_INPUT, Example, Numbers, Origin, Part, Picture, Unusable


@dataclass(frozen=True, slots=True)
class Prepared:
    """One part of a request as arrays by input name, each (n, *item) with the same n."""

    origin: Origin
    arrays: Mapping[str, NDArray[Any]]
    warnings: tuple[str, ...]

    @property
    def count(self) -> int:
        """Return how many examples it holds."""
        return len(next(iter(self.arrays.values())))

    @property
    def nbytes(self) -> int:
        """Return the memory its arrays take, in bytes."""
        return sum(array.nbytes for array in self.arrays.values())

    @property
    def shapes(self) -> tuple[tuple[int, ...], ...]:
        """Return the shape of one example of each array."""
        return tuple(array.shape[1:] for array in self.arrays.values())


def prepare(example: Example, card: ModelCard, *, limits: ImageLimits) -> Prepared:
    """Return the inputs that an example gives the model of `card`; raises RequestError where it gives none."""
    check_names(example, card)
    arrays: dict[str, NDArray[Any]] = {}
    origin = Origin(filename_of(example))
    warnings: list[str | None] = []
    for one in card.inputs:
        part = part_for(example, one)
        if isinstance(part, Picture):
            arrays[one.spec.name], origin = _decoded(part, one, limits)
            warnings += one.warnings
        else:
            arrays[one.spec.name] = numbers_to_batch(part.array, one.spec, one.layout)
            warnings.append(range_warning(arrays[one.spec.name], one.recipe))
    if len(arrays) > 1:
        check_counts({name: len(array) for name, array in arrays.items()})
    return Prepared(origin, arrays, tuple(dict.fromkeys(filter(None, warnings))))


def part_for(example: Example, card: InputCard) -> Picture | Numbers:
    """Return the part that feeds an input; raises the error of one that could not be read."""
    part: Part = example.parts.get(card.spec.name) or example.parts[ANY_INPUT]
    if isinstance(part, Unusable):
        raise part.error
    return part


def filename_of(example: Example) -> str | None:
    """Return the name of the first file an example came in, where one had a name."""
    return next((part.filename for part in example.parts.values() if isinstance(part, Picture | Numbers)), None)


def check_names(example: Example, card: ModelCard) -> None:
    """Raise MisfitError unless the example feeds every input and names no other."""
    if len(example.parts) == 1 and ANY_INPUT in example.parts:
        return
    known = [one.spec.name for one in card.inputs]
    unknown = [name for name in example.parts if name not in (ANY_INPUT, *known)]
    if unknown:
        raise MisfitError(f"There is no input {unknown[0]!r}; this model has {', '.join(known)}.")
    missing = [name for name in known if name not in example.parts and ANY_INPUT not in example.parts]
    if missing:
        raise MisfitError(f"Nothing was sent for input {', '.join(missing)}; this model has {', '.join(known)}.")


def check_takes_pictures(card: InputCard) -> None:
    """Raise MisfitError where an input takes numbers only."""
    if card.layout is None or card.recipe is None:
        raise MisfitError(f"Input {card.spec.name} of shape {list(card.spec.shape)} takes no pictures; send numbers.")


def _decoded(picture: Picture, card: InputCard, limits: ImageLimits) -> tuple[NDArray[Any], Origin]:
    check_takes_pictures(card)
    assert card.recipe is not None
    assert card.layout is not None
    prepared = picture_to_input(
        picture.data, recipe=card.recipe, layout=card.layout, dtype=card.spec.dtype, limits=limits
    )
    return prepared.array[np.newaxis], Origin(picture.filename, prepared.format, prepared.size)


def check_counts(counts: Mapping[str, int]) -> None:
    """Raise MisfitError unless every input has as many examples as the others."""
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise MisfitError(f"The inputs have different numbers of examples ({listed}); send as many for each.")
