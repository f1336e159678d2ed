"""Owns the proof that nothing which is run reaches the operations that read and write checkpoints.

Every SavedModel holds them, for TensorFlow's own saver. In one of TensorFlow 2 they are in functions that no object
names: loading does not call them. In one of TensorFlow 1 loading runs one node, the restore node of its saver.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from service.builder.saved_model.graph import TOP, Graph, node_name
from service.builder.saved_model.operations import RESTORE, SAVING
from service.builder.scan.wording import shown
from service.errors import UnsafeModelError

_SAVERS = "savers"  # a collection of TensorFlow 1 that describes savers; nothing of it is run at loading


def check_saving(meta_graph: Any, graph: Graph, *, is_modern: bool) -> None:
    """Refuse a meta graph where loading or serving could read or write a checkpoint of its own choice.

    `is_modern` says whether TensorFlow will load it by its object graph, as TensorFlow 2 writes one.
    """
    if is_modern:
        _check_functions(graph, graph.reached_from(meta_graph.object_graph_def.concrete_functions))
    else:
        _check_functions(graph, graph.functions)
        _check_top(meta_graph, graph.top)


def _check_functions(graph: Graph, names: Iterable[str]) -> None:
    for name in sorted(names):
        for node in graph.functions.get(name, ()):
            if node.op in SAVING:
                raise _refusal(f"Function {shown(name)}", node)


def _check_top(meta_graph: Any, nodes: Iterable[Any]) -> None:
    named = {node.name: node for node in nodes}
    saver = meta_graph.saver_def
    for name in _before(node_name(saver.restore_op_name), named, until=node_name(saver.filename_tensor_name)):
        node = named[name]
        if node.op in SAVING and not _restores(node, saver.filename_tensor_name):
            raise _refusal(TOP, node)
    tainted = _after({name for name, node in named.items() if node.op in SAVING}, named)
    for name in sorted(tainted):
        if _is_named(name, meta_graph):
            raise _refusal(TOP, next(named[one] for one in _before(name, named) if named[one].op in SAVING))


def _restores(node: Any, filename: str) -> bool:
    """Return whether a node reads the checkpoint that loading hands the saver, and no other."""
    return node.op == RESTORE and [node_name(one) for one in node.input[:1]] == [node_name(filename)]


def _before(name: str, named: Mapping[str, Any], *, until: str = "") -> list[str]:
    """Return a node and all it waits for; what feeds `until`, which is fed from outside, is not run."""
    found: dict[str, None] = {}
    waiting = [name]
    while waiting:
        one = waiting.pop()
        if one not in found and one != until and one in named:
            found[one] = None
            waiting += [node_name(tensor) for tensor in named[one].input]
    return list(found)


def _after(names: set[str], named: Mapping[str, Any]) -> set[str]:
    """Return these nodes and all that wait for one of them."""
    takers: dict[str, list[str]] = defaultdict(list)
    for name, node in named.items():
        for tensor in node.input:
            takers[node_name(tensor)].append(name)
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += takers[one]
    return found


def _is_named(name: str, meta_graph: Any) -> bool:
    """Return whether a signature or a collection, such as that of the initializers, names a node.

    Both hold messages of many kinds: the name is looked for in their bytes, which may refuse too much and
    never too little.
    """
    collections = [one for key, one in meta_graph.collection_def.items() if key != _SAVERS]
    messages = (*meta_graph.signature_def.values(), *collections)
    return any(name.encode() in one.SerializeToString() for one in messages)


def _refusal(place: str, node: Any) -> UnsafeModelError:
    return UnsafeModelError(
        f"{place} holds the operation {shown(node.op)} ({shown(node.name)}), which reads or writes a checkpoint file, "
        "where loading or serving the model would run it. It was not run. Export the model again without it."
    )
