"""Finds out by trial which pixels of a picture change a number that a layer gives; Keras is the oracle."""

import importlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.inspect import input_facts, layers_of
from service.model.insight import LayerTap
from service.model.regions import Region, Size, Unit, unit_at

BUMP = 1e4
_NOISE = 1e-5  # of a number that is the same: its sum may be made in another order
Rectangle = tuple[int, int, int, int]
"""Top, left, bottom, right."""


class Trial:
    """A Keras model made so that nothing hides an influence: its weights are positive, and so are its pictures."""

    def __init__(self, model: Any, *, size: Size | None = None, seed: int = 0) -> None:
        self._random = np.random.default_rng(seed)
        self.model = model
        self.inputs = input_facts(model)
        self.layers = layers_of(model, order=self.inputs[0].order)
        self._size = size
        make_positive(model, self._random)

    def count(self, output: Any) -> int:
        """Return how many numbers an output has."""
        import keras

        return int(self._run(keras.Model(self.model.inputs, output), self.pictures()).shape[1])

    def unit(self, layer: str, index: int, *, call: int = 0, part: int = 0) -> Unit:
        sizes = {one.spec.name: self._size for one in self.inputs} if self._size else {}
        return unit_at(self.layers, self.inputs, LayerTap(layer, call, part), index, sizes=sizes)

    def regions(self, layer: str, index: int, *, call: int = 0, part: int = 0) -> dict[str, Rectangle]:
        """Return what Convoy says."""
        found = self.unit(layer, index, call=call, part=part).regions
        return {one.input: rectangle(one) for one in found if one.bottom > one.top}

    def assert_found(self, output: Any, layer: str, indices: Sequence[int], *, call: int = 0, part: int = 0) -> None:
        """Assert that Keras' `output`, which `layer` gives, depends on just those rectangles."""
        influenced = self.influenced(output, indices)
        for index in indices:
            assert self.regions(layer, index, call=call, part=part) == influenced[index], (layer, index)

    def influenced(self, output: Any, indices: Sequence[int]) -> dict[int, dict[str, Rectangle]]:
        """Return for each number the least rectangle of each input outside which no pixel changes it."""
        import keras

        part = keras.Model(self.model.inputs, output)
        base = self.pictures()
        before = self._run(part, base)[0, list(indices)]
        found: dict[int, dict[str, Rectangle]] = {index: {} for index in indices}
        for number, facts in enumerate(self.inputs):
            after = self._changed(part, base, number, list(indices))
            changed = np.abs(after - before) > _NOISE * np.abs(before)
            for column, index in enumerate(indices):
                seen = hull(changed[:, column].reshape(self._sides(number)))
                found[index] |= {facts.spec.name: seen} if seen else {}
        return found

    def _changed(self, part: Any, base: list[NDArray[Any]], number: int, indices: list[int]) -> NDArray[Any]:
        """Return the numbers (pixels, indices) after each pixel of one input was made brighter, by itself."""
        height, width = self._sides(number)
        batch = np.repeat(base[number], height * width, axis=0)
        rows, columns = np.divmod(np.arange(height * width), width)
        if self.inputs[number].order == "channels_first":
            batch[np.arange(height * width), :, rows, columns] += BUMP
        else:
            batch[np.arange(height * width), rows, columns] += BUMP
        fed = [np.repeat(one, len(batch), axis=0) for one in base]
        return self._run(part, [*fed[:number], batch, *fed[number + 1 :]])[:, indices]

    def _run(self, part: Any, fed: list[NDArray[Any]]) -> NDArray[Any]:
        answer = np.asarray(part(fed, training=False))
        return answer.reshape(len(fed[0]), -1)

    def _item(self, number: int) -> list[int]:
        facts = self.inputs[number]
        sides = iter(self._size or ())
        return [next(sides) if axis is None else axis for axis in facts.spec.item_shape]

    def _sides(self, number: int) -> Size:
        item = self._item(number)
        first = 1 if len(item) == 3 and self.inputs[number].order == "channels_first" else 0
        return item[first], item[first + 1]

    def pictures(self) -> list[NDArray[Any]]:
        items = [self._item(number) for number in range(len(self.inputs))]
        return [self._random.uniform(0.5, 1.0, (1, *item)).astype("float32") for item in items]


class Slopes:
    """The slopes of what layers give by the pixels of a picture: 0 where nothing leads from one to the other.

    For whole models, where a change may be too small to be told from noise: no sum is made of slopes that are 0.
    """

    def __init__(self, trial: Trial, names: Sequence[str]) -> None:
        import tensorflow as tf

        self._inputs = [one.spec.name for one in trial.inputs]
        self._fed = [tf.constant(one) for one in trial.pictures()]
        given = [output_of(trial.model, name) for name in names]
        with tf.GradientTape(persistent=True) as self._tape:
            self._tape.watch(self._fed)
            found = functional(trial.model)(trial.model.inputs, given)(self._fed, training=False)
            self._flat = {name: tf.reshape(one, (-1,)) for name, one in zip(names, found, strict=True)}
            self._numbers: dict[tuple[str, int], Any] = {}
            for name, numbers in self._flat.items():
                for index in ends_and_middle(int(numbers.shape[0])):
                    self._numbers[name, index] = numbers[index]

    def regions(self) -> dict[tuple[str, int], dict[str, Rectangle]]:
        """Return for some numbers of each layer the least rectangle of each input that they depend on."""
        return {unit: self._hulls(number) for unit, number in self._numbers.items()}

    def _hulls(self, number: Any) -> dict[str, Rectangle]:
        slopes = self._tape.gradient(number, self._fed)
        found: dict[str, Rectangle] = {}
        for name, one in zip(self._inputs, slopes, strict=True):
            seen = None if one is None else hull(np.asarray(one)[0].reshape(*one.shape[1:3], -1).any(axis=-1))
            found |= {name: seen} if seen else {}
        return found


def functional(model: Any) -> Any:
    """Return the class of models with several outputs, of the library that `model` is of."""
    return importlib.import_module(type(model).__module__.partition(".")[0]).Model


def output_of(model: Any, name: str) -> Any:
    """Return the tensor that a layer gives; a Sequential hides its InputLayer."""
    return next((layer.output for layer in model.layers if layer.name == name), model.inputs[0])


def ends_and_middle(count: int) -> list[int]:
    return sorted({0, count // 2 + count // 7, count - 1} & set(range(count)))


def make_positive(model: Any, random: np.random.Generator) -> None:
    """Give a model positive weights, small enough that numbers neither grow nor vanish on their way."""
    for variable in model.weights:
        if variable.dtype in ("float32",):
            fan = max(int(np.prod(variable.shape[:-1])), 1)
            variable.assign(random.uniform(0.5, 1.5, variable.shape) / fan)


def hull(changed: NDArray[np.bool_]) -> Rectangle | None:
    rows, columns = np.flatnonzero(changed.any(axis=1)), np.flatnonzero(changed.any(axis=0))
    if not len(rows):
        return None
    return int(rows[0]), int(columns[0]), int(rows[-1]) + 1, int(columns[-1]) + 1


def rectangle(region: Region) -> Rectangle:
    return region.top, region.left, region.bottom, region.right
