"""Owns what each call of each layer takes: which output of which call of which other, nested models opened."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from service.builder.inspect.graph import functional_of, given_by, is_nested, operation_of, taken_by
from service.model.insight import LayerTap

Takes = tuple[LayerTap, ...]


def takes_of(model: Any) -> dict[str, tuple[Takes, ...]]:
    """Return for each layer, by its path, what each of its calls takes, in the order in which the model makes them."""
    run = _Run()
    run.through(model, [LayerTap(tensor._keras_history[0].name) for tensor in model.inputs], prefix="")
    return {path: tuple(calls) for path, calls in run.takes.items()}


class _Run:
    """Goes through a graph as a run does, without data."""

    def __init__(self) -> None:
        self.takes: dict[str, list[Takes]] = defaultdict(list)

    def through(self, model: Any, inputs: Sequence[LayerTap], *, prefix: str) -> list[LayerTap]:
        """Return what is behind each output of `model`, whose inputs are given."""
        functional = functional_of(model)
        makers = {id(tensor): tap for tensor, tap in zip(functional.inputs, inputs, strict=True)}
        for _, nodes in sorted(functional._nodes_by_depth.items(), reverse=True):
            for node in nodes:
                if not node.is_input:
                    takes = tuple(makers[id(tensor)] for tensor in taken_by(node))
                    given = self._called(operation_of(node), takes, len(given_by(node)), prefix)
                    makers.update(zip(map(id, given_by(node)), given, strict=True))
        return [makers[id(tensor)] for tensor in functional.outputs]

    def _called(self, operation: Any, takes: Takes, parts: int, prefix: str) -> list[LayerTap]:
        path = f"{prefix}{operation.name}"
        if is_nested(operation):
            return self.through(operation, self._entered(operation, takes, f"{path}/"), prefix=f"{path}/")
        return [LayerTap(path, self._noted(path, takes), part) for part in range(parts)]

    def _entered(self, nested: Any, takes: Takes, prefix: str) -> list[LayerTap]:
        """Return the outputs of a nested model's own input layers, which give on what the call takes."""
        names = [f"{prefix}{tensor._keras_history[0].name}" for tensor in functional_of(nested).inputs]
        return [LayerTap(name, self._noted(name, (fed,))) for name, fed in zip(names, takes, strict=True)]

    def _noted(self, path: str, takes: Takes) -> int:
        self.takes[path].append(takes)
        return len(self.takes[path]) - 1
