"""Owns one signature as one flat graph: the functions it calls put in place, its variables become constants."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

Tensors = dict[str, Any]
Function = Callable[[Mapping[str, Any]], Tensors]


@dataclass(frozen=True, slots=True)
class FlatGraph:
    """A frozen TensorFlow function, and the tensors that are its inputs and outputs by the signature's names."""

    function: Any
    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]
    _fed: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        waiting = [tensor.op for tensor in self.inputs.values()]
        while waiting:
            operation = waiting.pop()
            if operation.name not in self._fed:
                self._fed.add(operation.name)
                waiting += [taker for tensor in operation.outputs for taker in tensor.consumers()]

    def is_constant(self, tensor: Any) -> bool:
        """Return whether a tensor is the same whatever the inputs are."""
        return tensor.op.name not in self._fed

    def value_of(self, tensor: Any) -> NDArray[Any]:
        """Return the value of a constant tensor."""
        (value,) = self.function.prune([], [tensor])()
        return np.asarray(value)

    def cut_at(self, tensors: Mapping[str, Any]) -> Function:
        """Return a function of the same inputs that gives these tensors instead of the outputs."""
        names = list(self.inputs)
        cut = self.function.prune([self.inputs[name] for name in names], list(tensors.values()))
        return lambda fed: dict(zip(tensors, cut(*(fed[name] for name in names)), strict=True))


def flattened(signature: Any) -> FlatGraph:
    """Return the flat graph of a loaded signature; raises ValueError where it needs more than constants."""
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    function = convert_variables_to_constants_v2(signature, lower_control_flow=False)
    # NOTE: TensorFlow orders what comes in a dict by its keys.
    names = sorted(signature.structured_input_signature[1])
    if len(function.inputs) > len(names):
        raise ValueError("it uses a table")
    inputs = dict(zip(names, function.inputs, strict=True))
    outputs = dict(zip(sorted(signature.structured_outputs), function.outputs, strict=True))
    return FlatGraph(function, inputs, outputs)


def weights_in(graph: FlatGraph) -> int:
    """Return how many numbers a graph that came without variables has for weights: its constants with axes."""
    constants = [one for one in graph.function.graph.get_operations() if one.type == "Const"]
    tensors = [one.outputs[0] for one in constants if one.outputs[0].dtype.is_floating and one.outputs[0].shape.rank]
    return sum(int(tensor.shape.num_elements()) for tensor in tensors)
