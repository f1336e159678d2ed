"""Owns what a drawing shows before anything has a place: boxes, arrows between them, and which model holds which."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from service.explain.graph.boxes import Box, Key, Row, input_row, layer_row, model_row, output_row, unknown_row
from service.explain.graph.kinds import is_follower
from service.explain.graph.nesting import Nesting, nested_models
from service.model.layers import Layer
from service.model.stack import shapes_in
from service.model.tensors import Shape, TensorSpec


@dataclass(frozen=True, slots=True)
class Arrow:
    """What one box gives another: the keys of the boxes, and the shapes that go over it."""

    source: Key
    target: Key
    shapes: tuple[Shape, ...]


@dataclass(frozen=True, slots=True)
class Scene:
    """Boxes and arrows; `levels` has for each box the open models that hold it, from the outer drawing ("") inwards."""

    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    levels: dict[Key, tuple[str, ...]]


def scene_of(
    layers: Sequence[Layer] | None,
    *,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    opened: frozenset[str],
) -> Scene:
    """Return the scene of a model; `layers` is None where the file does not hold them."""
    if not layers:
        return _unknown(inputs, outputs)
    return _Maker(layers, Nesting(nested_models(layers), opened)).scene(outputs)


class _Maker:
    def __init__(self, layers: Sequence[Layer], nesting: Nesting) -> None:
        self._layers = {one.name: one for one in layers}
        self._nesting = nesting

    def scene(self, outputs: Sequence[TensorSpec]) -> Scene:
        ends = self._ends(outputs)
        rows = {self._place(name): self._row(name) for name in self._layers}
        rows |= {row.key: row for row, _ in ends}
        arrows = _joined([*self._arrows(), *(self._end(row, maker) for row, maker in ends)])
        heads = self._heads(list(rows), arrows)
        boxes = [Box(tuple(rows[key] for key in rows if heads[key] == head)) for head in dict.fromkeys(heads.values())]
        between = [Arrow(heads[one.source], heads[one.target], one.shapes) for one in arrows]
        kept = tuple(one for one in between if one.source != one.target)
        return Scene(tuple(boxes), kept, {box.key: tuple(self._levels(box.key)) for box in boxes})

    def _place(self, name: str) -> Key:
        closed = self._nesting.closed_around(name)
        return ("layer", name) if closed is None else ("model", closed)

    def _levels(self, key: Key) -> list[str]:
        kind, name = key
        return self._nesting.levels(name) if kind in ("layer", "model") else [""]

    def _row(self, name: str) -> Row:
        kind, path = self._place(name)
        if kind == "layer":
            return layer_row(self._layers[name], within=self._nesting.levels(name)[-1])
        return model_row(path, [one for one in self._layers.values() if one.name.startswith(f"{path}/")])

    def _arrows(self) -> list[Arrow]:
        found = []
        for layer in self._layers.values():
            for name in _feeds(layer):
                if name in self._layers:
                    over = _shapes_over(self._layers[name], layer)
                    found.append(Arrow(self._place(name), self._place(layer.name), over))
        return [one for one in found if one.source != one.target]

    def _ends(self, outputs: Sequence[TensorSpec]) -> list[tuple[Row, str]]:
        """Return the rows of the outputs with the layer that makes each: named ones, and whatever feeds no other."""
        feeding = {name for one in self._layers.values() for name in _feeds(one)}
        loose = [one.name for one in self._layers.values() if one.name not in feeding and one.type != "InputLayer"]
        named = [one.name for one in outputs if one.name in self._layers and one.name not in loose]
        return [(output_row(name), name) for name in [*named, *loose]]

    def _end(self, row: Row, maker: str) -> Arrow:
        return Arrow(self._place(maker), row.key, shapes_in(self._layers[maker].output_shape))

    def _heads(self, keys: Sequence[Key], arrows: Sequence[Arrow]) -> dict[Key, Key]:
        """Return for each row the first row of its box: a follower joins the box of the only layer that feeds it."""
        fed, feeding = _sources(arrows), Counter(one.source for one in arrows)
        heads: dict[Key, Key] = {}
        for key in keys:
            before = fed.get(key, [])
            joins = len(before) == 1 and before[0] in heads and feeding[before[0]] == 1
            heads[key] = heads[before[0]] if joins and self._follows(before[0], key) else key
        return heads

    def _follows(self, before: Key, key: Key) -> bool:
        if before[0] != "layer" or key[0] != "layer" or self._levels(before) != self._levels(key):
            return False
        return is_follower(self._layers[key[1]]) and self._layers[before[1]].type != "InputLayer"


def _sources(arrows: Sequence[Arrow]) -> dict[Key, list[Key]]:
    found: dict[Key, list[Key]] = {}
    for one in arrows:
        found.setdefault(one.target, []).append(one.source)
    return found


def _joined(arrows: Sequence[Arrow]) -> list[Arrow]:
    """Return arrows with one for each pair of boxes, with the shapes of all between them."""
    found: dict[tuple[Key, Key], list[Shape]] = {}
    for one in arrows:
        found.setdefault((one.source, one.target), []).extend(one.shapes)
    return [Arrow(source, target, tuple(dict.fromkeys(over))) for (source, target), over in found.items()]


def _feeds(layer: Layer) -> list[str]:
    """Return the layers that feed any call of `layer`, each once."""
    taps = [tap.layer for call in layer.taken for tap in call]
    return list(dict.fromkeys([*layer.inbound, *taps]))


def _shapes_over(source: Layer, target: Layer) -> tuple[Shape, ...]:
    """Return the shapes that go from `source` to `target`: as its first call takes them, where that takes any."""
    taken, given = shapes_in(target.input_shape), shapes_in(source.output_shape)
    first = target.taken[0] if target.taken else ()
    told = zip(first, taken, strict=True) if len(first) == len(taken) else ()
    return tuple(shape for tap, shape in told if tap.layer == source.name) or given[:1]


def _unknown(inputs: Sequence[TensorSpec], outputs: Sequence[TensorSpec]) -> Scene:
    note = unknown_row()
    ends = [(input_row(one.name), one) for one in inputs], [(output_row(one.name), one) for one in outputs]
    boxes = tuple(Box((row,)) for row in (*(row for row, _ in ends[0]), note, *(row for row, _ in ends[1])))
    coming = [Arrow(row.key, note.key, (one.shape,)) for row, one in ends[0]]
    going = [Arrow(note.key, row.key, (one.shape,)) for row, one in ends[1]]
    return Scene(boxes, (*coming, *going), {box.key: ("",) for box in boxes})
