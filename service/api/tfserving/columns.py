"""Owns what is sent for one input, one entry for each example: numbers in one array, or encoded images among them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.api.encoded import b64_image, is_b64
from service.api.room import Room
from service.api.tfserving.tensors import dense_array
from service.api.tfserving.wording import type_error
from service.errors import MalformedBodyError, MisfitError, RequestError
from service.model.input_card import InputCard
from service.serving.examples import Example, Numbers, Part, Picture

Column = NDArray[Any] | list[Part]
"""The values of one input: an array (N, *item), or a part for each of N examples."""
Place = Callable[[int, str], str]
"""Words an error text for the example of a number."""


def is_named(value: Any) -> bool:
    """Return whether a JSON value is an object of inputs by name."""
    return isinstance(value, dict) and not is_b64(value)


def part_of(value: Any, card: InputCard) -> Part:
    """Return what one JSON value gives an input: an encoded image, or the numbers of one example."""
    if is_b64(value):
        return picture_of(value, card)
    return Numbers(dense_array(value, card.spec.dtype)[np.newaxis])


def picture_of(value: dict[str, str], card: InputCard) -> Picture:
    """Return the image in `{"b64": …}`; raises MisfitError where the input takes no pictures."""
    if card.layout is None:
        raise type_error(value, card.spec.dtype)
    try:
        return Picture(b64_image(value))
    except MalformedBodyError as error:
        raise MalformedBodyError("Unable to base64 decode") from error


def column_of(values: Sequence[Any], card: InputCard, place: Place) -> Column:
    """Return the values of one input, one for each example; `place` words what is wrong with one of them."""
    if dict in set(map(type, values)):
        return [_placed(number, place, partial(part_of, one, card)) for number, one in enumerate(values)]
    try:
        return dense_array(values, card.spec.dtype)
    except MisfitError:
        _check_each(values, card, place)
        raise


def _placed(number: int, place: Place, read: Callable[[], Any]) -> Any:
    try:
        return read()
    except RequestError as error:
        raise type(error)(place(number, error.message)) from error


def _check_each(values: Sequence[Any], card: InputCard, place: Place) -> None:
    """Raise the error of the first value that is none for this input, or is of another shape than the first one."""
    first: NDArray[Any] | None = None
    for number, one in enumerate(values):
        array = _placed(number, place, partial(dense_array, one, card.spec.dtype))
        first = array if first is None else first
        if array.shape != first.shape:
            raise MisfitError(place(number, _unlike(first, array)))


def _unlike(first: NDArray[Any], array: NDArray[Any]) -> str:
    if first.size != array.size:
        return f"Expecting tensor size: {first.size} but got: {array.size}"
    return f"Expecting shape {_shape(first)} but got: {_shape(array)}"


def _shape(array: NDArray[Any]) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def examples_of(columns: Mapping[str, Column], cards: Sequence[InputCard], room: Room) -> tuple[list[Example], bool]:
    """Return the examples of equally long columns, and whether each of them is one example.

    They are one batch where all are numbers in the declared shape. Raises MisfitError or TooLargeError.
    """
    if all(_is_declared(columns[one.spec.name], one) for one in cards):
        return [Example({name: Numbers(np.asarray(column)) for name, column in columns.items()})], False
    count = _count(columns)
    room.check_examples(count)
    examples = [Example({name: _part(column, number) for name, column in columns.items()}) for number in range(count)]
    room.check_images(images_in(examples))
    return examples, True


def images_in(examples: Sequence[Example]) -> int:
    """Return how many encoded images examples hold."""
    return sum(isinstance(part, Picture) for one in examples for part in one.parts.values())


def _count(columns: Mapping[str, Column]) -> int:
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) > 1:
        listed = ", ".join(f"{name}: {count}" for name, count in counts.items())
        raise MisfitError(f"The inputs have different numbers of examples ({listed}); send as many for each.")
    return next(iter(counts.values()))


def _part(column: Column, number: int) -> Part:
    return column[number] if isinstance(column, list) else Numbers(column[number : number + 1])


def _is_declared(column: Column, card: InputCard) -> bool:
    """Return whether a column is a batch in the declared shape, which can be read in no other way."""
    if isinstance(column, list):
        return False
    if card.layout is not None and not card.layout.has_channel_axis and None in card.spec.item_shape:
        return False
    came, wanted = column.shape[1:], card.spec.item_shape
    return len(came) == len(wanted) and all(want in (None, have) for have, want in zip(came, wanted, strict=True))
