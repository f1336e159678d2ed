"""Owns making a model's inputs of an example: pictures through their recipe, numbers as they came."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.errors import MisfitError, RequestError
from service.image.decode import ImageLimits, open_image
from service.image.pipeline import picture_to_input
from service.image.reshape import numbers_to_batch, range_warning
from service.model.card import ModelCard
from service.model.input_card import InputCard
from service.model.regions.cost import bytes_per_number
from service.serving.examples import ANY_INPUT, Example, Numbers, Origin, Part, Picture, Unusable
from service.serving.free_size import check_items, is_free

_SMALL_FILE = 4096
"""Bytes of a picture that is decoded to see its size: it has hardly more than four million numbers."""


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
    if told := told_items(example, card, limits=limits):
        check_items(told, bytes_per_number=bytes_per_number(card.facts))
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


def told_items(example: Example, card: ModelCard, *, limits: ImageLimits) -> dict[str, tuple[int, ...]]:
    """Return the shape that pictures will have for inputs of free size, by their headers: no pixel is decoded.

    None is told of a picture that is resized, of a small file, nor of one that cannot be read: decoding says why.
    """
    free = [one for one in card.inputs if is_free(one.spec)]
    found = {one.spec.name: _told(part_for(example, one), one, limits) for one in free}
    return {name: item for name, item in found.items() if item is not None}


def _told(part: Picture | Numbers, card: InputCard, limits: ImageLimits) -> tuple[int, ...] | None:
    recipe, layout = card.recipe, card.layout
    if not isinstance(part, Picture) or len(part.data) < _SMALL_FILE or recipe is None or layout is None:
        return None
    if layout.size != (None, None) or recipe.size != (None, None) or recipe.shortest_edge is not None:
        return None
    try:
        width, height = open_image(part.data, limits=limits).header.size
    except RequestError:
        return None
    sides = iter((height, width))
    return tuple(next(sides) if axis is None else axis for axis in card.spec.item_shape)


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
