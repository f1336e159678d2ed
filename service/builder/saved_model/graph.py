"""Owns reading the graphs of a SavedModel as data: nodes, the functions they call, what feeds what."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from service.builder.scan.wording import shown
from service.errors import BrokenModelError

TOP = "The graph"
"""What the graph outside all functions is called in a diagnosis."""


@dataclass(frozen=True, slots=True)
class Graph:
    """One meta graph: the nodes outside all functions, and those of each function by its name."""

    top: Sequence[Any]
    functions: Mapping[str, Sequence[Any]]

    def nodes(self) -> Iterator[tuple[str, Any]]:
        """Yield every node with where it is, in words."""
        yield from ((TOP, node) for node in self.top)
        for name, nodes in self.functions.items():
            yield from ((f"Function {shown(name)}", node) for node in nodes)

    def is_function(self, name: str) -> bool:
        """Return whether `name` means a function of this graph, and no operation of TensorFlow's."""
        from tensorflow.python.framework import op_def_registry

        return name in self.functions and op_def_registry.get(name) is None

    def called_by(self, node: Any) -> set[str]:
        """Return the names of the functions that a node calls, as its operation or as what it is handed."""
        handed = {one.name for value in node.attr.values() for one in (value.func, *value.list.func) if one.name}
        return handed | ({node.op} & set(self.functions))

    def reached_from(self, names: Iterable[str]) -> set[str]:
        """Return these functions and all that they call."""
        found: set[str] = set()
        waiting = list(names)
        while waiting:
            name = waiting.pop()
            if name not in found:
                found.add(name)
                waiting += [one for node in self.functions.get(name, ()) for one in self.called_by(node)]
        return found


def graph_of(meta_graph: Any) -> Graph:
    """Return the graph of a meta graph; raises BrokenModelError where its functions cannot be told apart."""
    library = meta_graph.graph_def.library.function
    functions = {one.signature.name: one.node_def for one in library}
    if len(functions) < len(library):
        raise BrokenModelError("Two functions of the SavedModel have one name, so that one could hide the other.")
    return Graph(meta_graph.graph_def.node, functions)


def node_name(tensor: str) -> str:
    """Return the node that gives a tensor, or that a control edge comes from: `conv` of `conv:0` and of `^conv`."""
    return tensor.removeprefix("^").partition(":")[0]
