"""Owns what each call of each layer takes: which output of which call of which other, nested models opened.

Calls are numbered as they were written. Keras runs those that lie equally deep in the graph in another order.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from service.builder.inspect.graph import functional_of, given_by, is_nested, nodes_in, operation_of, taken_by
from service.model.insight import LayerTap

Takes = tuple[LayerTap, ...]
Written = tuple[int, ...]
"""The place of a call among those of its operation as they were written, after that of each nested model around it."""


def takes_of(model: Any) -> dict[str, tuple[Takes, ...]]:
    """Return for each layer, by its path, what each of its calls takes, in the order in which they were written."""
    run = _run(model)
    numbers = _numbers(run)

    def numbered(tap: LayerTap) -> LayerTap:
        return replace(tap, call=numbers[tap.layer][tap.call]) if tap.layer in numbers else tap

    found = {path: sorted(zip(numbers[path], calls, strict=True)) for path, calls in run.takes.items()}
    return {path: tuple(tuple(map(numbered, takes)) for _, takes in calls) for path, calls in found.items()}


def call_numbers(model: Any) -> dict[str, tuple[int, ...]]:
    """Return for each layer, by its path, the number of each of its calls, in the order in which a run makes them."""
    return _numbers(_run(model))


def _run(model: Any) -> "_Run":
    run = _Run()
    run.through(model, [LayerTap(tensor._keras_history[0].name) for tensor in model.inputs], prefix="", within=())
    return run


def _numbers(run: "_Run") -> dict[str, tuple[int, ...]]:
    return {path: tuple(sorted(places).index(one) for one in places) for path, places in run.written.items()}


class _Run:
    """Goes through a graph as a run does, without data; calls are counted as it makes them."""

    def __init__(self) -> None:
        self.takes: dict[str, list[Takes]] = defaultdict(list)
        self.written: dict[str, list[Written]] = defaultdict(list)

    def through(self, model: Any, inputs: Sequence[LayerTap], *, prefix: str, within: Written) -> list[LayerTap]:
        """Return what is behind each output of `model`, whose inputs are given."""
        functional = functional_of(model)
        makers = {id(tensor): tap for tensor, tap in zip(functional.inputs, inputs, strict=True)}
        for _, nodes in sorted(functional._nodes_by_depth.items(), reverse=True):
            for node in nodes:
                if not node.is_input:
                    takes = tuple(makers[id(tensor)] for tensor in taken_by(node))
                    place = (*within, _place_of(node, model))
                    given = self._called(operation_of(node), takes, len(given_by(node)), prefix, place)
                    makers.update(zip(map(id, given_by(node)), given, strict=True))
        return [makers[id(tensor)] for tensor in functional.outputs]

    def _called(self, operation: Any, takes: Takes, parts: int, prefix: str, place: Written) -> list[LayerTap]:
        path = f"{prefix}{operation.name}"
        if is_nested(operation):
            inputs = self._entered(operation, takes, f"{path}/", place)
            return self.through(operation, inputs, prefix=f"{path}/", within=place)
        call = self._noted(path, takes, place)
        return [LayerTap(path, call, part) for part in range(parts)]

    def _entered(self, nested: Any, takes: Takes, prefix: str, place: Written) -> list[LayerTap]:
        """Return the outputs of a nested model's own input layers, which give on what the call takes."""
        names = [f"{prefix}{tensor._keras_history[0].name}" for tensor in functional_of(nested).inputs]
        return [LayerTap(name, self._noted(name, (fed,), place)) for name, fed in zip(names, takes, strict=True)]

    def _noted(self, path: str, takes: Takes, place: Written) -> int:
        self.takes[path].append(takes)
        self.written[path].append(place)
        return len(self.takes[path]) - 1


def _place_of(node: Any, model: Any) -> int:
    return next(place for place, one in enumerate(nodes_in(operation_of(node), model)) if one is node)
