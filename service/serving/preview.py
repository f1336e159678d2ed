"""Owns the preview: what a model is given for an example, to look at, with every conversion on the way there."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from service.errors import MisfitError, RequestError
from service.image.account import conversions
from service.image.decode import ImageLimits
from service.image.pipeline import decode_picture, finish, fit_pixels
from service.image.reshape import numbers_to_batch, range_warning
from service.image.unscale import to_picture, to_planes
from service.model.input_card import InputCard
from service.serving.admission import check_deadline
from service.serving.examples import Example, Numbers, Origin, Picture
from service.serving.free_size import Items
from service.serving.live_model import LiveModel
from service.serving.polarity_watch import PolarityWatch
from service.serving.preparation import (
    check_counts,
    check_names,
    check_takes_pictures,
    filename_of,
    part_for,
    told_items,
)


@dataclass(frozen=True, slots=True)
class SeenInput:
    """One input as the model is given it.

    `array` is one example without the batch axis, in the model's shape and dtype. `planes` (height, width, channels)
    and `picture` (the same in 0..255, RGB, uint8) are None where the input takes no pictures.
    """

    array: NDArray[Any]
    planes: NDArray[Any] | None
    picture: NDArray[np.uint8] | None
    conversions: tuple[str, ...]
    warnings: tuple[str, ...]

    def png(self) -> bytes | None:
        """Return the picture as PNG, a pixel for each of the input's; None where there is none."""
        if self.picture is None:
            return None
        pixels = self.picture[..., 0] if self.picture.shape[-1] == 1 else self.picture
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "PNG")
        return buffer.getvalue()

    def npy(self) -> bytes:
        """Return the array as `.npy`, batch axis of 1 included: what predictions take."""
        buffer = io.BytesIO()
        np.save(buffer, self.array[np.newaxis], allow_pickle=False)
        return buffer.getvalue()

    def statistics(self) -> dict[str, list[float]]:
        """Return min, max and mean of each channel in the model's order; of all values where there are no channels."""
        values = self.array.reshape(-1, 1) if self.planes is None else self.planes.reshape(-1, self.planes.shape[-1])
        exact = values.astype(np.float64)
        return {"min": exact.min(0).tolist(), "max": exact.max(0).tolist(), "mean": exact.mean(0).tolist()}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a model is given for one example, by input name."""

    origin: Origin
    inputs: Mapping[str, SeenInput]

    def input(self, name: str | None) -> SeenInput:
        """Return the input of that name, the first where None; raises MisfitError where there is none of that name."""
        if name is None:
            return next(iter(self.inputs.values()))
        if name not in self.inputs:
            raise MisfitError(f"There is no input {name!r}; this model has {', '.join(self.inputs)}.")
        return self.inputs[name]


@dataclass(frozen=True, slots=True)
class Failed:
    """An example that the model cannot be given, and why."""

    origin: Origin
    error: RequestError


class Previewer:
    """Shows what models are given."""

    def __init__(self, *, limits: ImageLimits, polarity: PolarityWatch) -> None:
        self._limits = limits
        self._polarity = polarity

    def preview(self, example: Example, model: LiveModel, *, check: Callable[[Items], None] | None = None) -> Preview:
        """Return what a model is given for an example; of a batch of numbers, for the first, with a warning.

        `check` is given what `told_items` tells, before anything is decoded. Raises RequestError as a prediction would.
        """
        card = model.card
        check_names(example, card)
        if check is not None:
            check(told_items(example, card, limits=self._limits))
        origin = Origin(filename_of(example))
        seen: dict[str, SeenInput] = {}
        counts = {one.spec.name: 1 for one in card.inputs}
        for one in card.inputs:
            part = part_for(example, one)
            if isinstance(part, Picture):
                found, origin = _of_picture(part, one, self._limits)
                seen[one.spec.name] = self._watched(found, model)
            else:
                seen[one.spec.name], counts[one.spec.name] = _of_numbers(part, one)
        check_counts(counts)
        return Preview(origin, seen)

    def tried(self, example: Example, model: LiveModel, *, deadline: float) -> Preview | Failed:
        """Return what `preview` does, or the error of an example that cannot be shown.

        Raises DeadlineExceededError where `deadline`, a `time.monotonic()` value, has passed.
        """
        check_deadline(deadline)
        try:
            return self.preview(example, model)
        except RequestError as error:
            return Failed(Origin(filename_of(example)), error)

    def _watched(self, seen: SeenInput, model: LiveModel) -> SeenInput:
        """Return a picture as it is seen, with the warning that its prediction has where it is the other way round."""
        (warning,) = self._polarity.warnings(seen.array[np.newaxis], model)
        return seen if warning is None else replace(seen, warnings=(*seen.warnings, warning))


def _of_picture(picture: Picture, card: InputCard, limits: ImageLimits) -> tuple[SeenInput, Origin]:
    check_takes_pictures(card)
    recipe, layout, dtype = card.recipe, card.layout, card.spec.dtype
    assert recipe is not None
    assert layout is not None
    decoded = decode_picture(picture.data, recipe=recipe, limits=limits)
    pixels = fit_pixels(decoded, recipe=recipe, layout=layout)
    size = pixels.shape[0], pixels.shape[1]
    array = finish(pixels, recipe=recipe, layout=layout, dtype=dtype)
    steps = conversions(decoded, recipe=recipe, size=size, dtype=dtype)
    planes = to_planes(array, layout, size=size)
    seen = SeenInput(array, planes, to_picture(planes, recipe), steps, card.warnings)
    return seen, Origin(picture.filename, decoded.format, decoded.size)


def _of_numbers(numbers: Numbers, card: InputCard) -> tuple[SeenInput, int]:
    """Return the first example of posted numbers as it is seen, and how many there are."""
    batch = numbers_to_batch(numbers.array, card.spec, card.layout)
    alone = f"The first of {len(batch)} examples is shown." if len(batch) > 1 else None
    warnings = tuple(filter(None, (range_warning(batch, card.recipe), alone)))
    seen = SeenInput(batch[0], None, None, ("numbers are given to the model as they came",), warnings)
    if card.layout is None or card.recipe is None:
        return seen, len(batch)
    planes = to_planes(seen.array, card.layout, size=_size(seen.array, card))
    return replace(seen, planes=planes, picture=to_picture(planes, card.recipe)), len(batch)


def _size(array: NDArray[Any], card: InputCard) -> tuple[int, int]:
    layout = card.layout
    assert layout is not None
    if layout.is_flat:
        assert layout.height is not None
        assert layout.width is not None
        return layout.height, layout.width
    return (array.shape[1], array.shape[2]) if layout.order == "channels_first" else (array.shape[0], array.shape[1])
