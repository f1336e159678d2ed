"""Owns loaded SavedModels: a signature described from its graph, exported, and called as TensorFlow calls it."""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.convert import convert_function
from service.builder.program import Facts
from service.builder.saved_model.flat import FlatGraph, Function, Tensors, weights_in
from service.builder.saved_model.reading import activation_of, channel_order, head_of, scale_taken
from service.builder.verify import FREE_SIDES
from service.engine.base import Arrays
from service.model.description import InputFacts, OutputFacts
from service.model.tensors import Shape, TensorSpec

_NO_LAYERS = "Its layers are not in it: a SavedModel holds operations. Save the model as .keras to have them shown."


class SavedModelProgram:
    """One signature of a loaded SavedModel; see `Program`.

    `inputs` are its tensors by name, `graph` the same signature as a flat graph. `saved` is the loaded object, held
    because a signature holds its variables weakly.
    """

    def __init__(
        self, saved: Any, endpoint: str, *, graph: FlatGraph, inputs: tuple[TensorSpec, ...], loaded_by: str
    ) -> None:
        self.loaded_by = loaded_by
        self.repairs: tuple[str, ...] = ()
        self._saved = saved
        self._endpoint = endpoint
        self._graph = graph
        self.inputs = inputs
        self._outputs = tuple(graph.outputs)
        self._leaving_out: Function | None = None

    def facts(self, *, loss: str | None) -> Facts:
        """Read inputs and outputs off the graph; the layers are not known."""
        inputs, outputs = self._input_facts(), self._output_facts(loss)
        return Facts(inputs, outputs, None, self._summary(inputs, outputs), self._weights())

    def export(self, path: Path) -> None:
        """Write the LiteRT graph; see `Program.export`."""
        flat = self._graph.cut_at(self._graph.outputs)
        names = [one.name for one in self.inputs]

        def listed(*fed: Any) -> list[Any]:
            given = flat(dict(zip(names, fed, strict=True)))
            return [given[name] for name in self._outputs]

        convert_function(listed, self.inputs, path, holder=None)

    def layered(self) -> None:
        """Return nothing: a SavedModel holds operations, no layers."""

    def run(self, arrays: Arrays) -> dict[str, NDArray[Any]]:
        """Return what TensorFlow answers, by output name."""
        if self._leaving_out is None:
            return called(self._signature, arrays)
        return _as_arrays(self._leaving_out(_as_tensors(arrays)))

    def without_heads(self) -> AbstractContextManager[None] | None:
        """Return the context in which `run` leaves the heads out; see `Program.without_heads`."""
        heads = {name: head_of(self._graph.outputs[name]) for name in self._outputs}
        if None in heads.values():
            return None
        return self._calling(self._graph.cut_at({name: head.inputs[0] for name, head in heads.items()}))

    @contextmanager
    def _calling(self, other: Function) -> Iterator[None]:
        self._leaving_out = other
        try:
            yield
        finally:
            self._leaving_out = None

    @property
    def _signature(self) -> Any:
        return self._saved.signatures[self._endpoint]

    def _input_facts(self) -> tuple[InputFacts, ...]:
        tensors = [self._graph.inputs[one.name] for one in self.inputs]
        return tuple(
            InputFacts(spec, channel_order(tensor), scale_taken(tensor, self._graph))
            for spec, tensor in zip(self.inputs, tensors, strict=True)
        )

    def _output_facts(self, loss: str | None) -> tuple[OutputFacts, ...]:
        shapes = self._shapes()
        tensors = self._graph.outputs
        specs = [TensorSpec(name, shapes[name], tensors[name].dtype.name) for name in self._outputs]
        return tuple(OutputFacts(spec, activation_of(tensors[spec.name], self._graph), loss) for spec in specs)

    def _shapes(self) -> Mapping[str, Shape]:
        """Return the shape of each output; where nothing is free, TensorFlow knows it best once it has run."""
        is_free = any(None in one.item_shape for one in self.inputs)
        zeros = {
            one.name: np.zeros((1, *(axis or FREE_SIDES[0] for axis in one.item_shape)), one.dtype)
            for one in self.inputs
        }
        answers = self.run(zeros)
        return {name: _shape(self._graph.outputs[name], answers[name], is_free=is_free) for name in self._outputs}

    def _weights(self) -> int:
        variables = self._signature.variables or getattr(self._saved, "variables", ())
        return sum(int(one.shape.num_elements()) for one in variables) or weights_in(self._graph)

    def _summary(self, inputs: tuple[InputFacts, ...], outputs: tuple[OutputFacts, ...]) -> str:
        lines = [f'SavedModel, signature "{self._endpoint}"', ""]
        lines += [f"input   {_shown(one.spec)}" for one in inputs]
        lines += [f"output  {_shown(one.spec)}" for one in outputs]
        return "\n".join([*lines, "", f"{self._weights():,} parameters", _NO_LAYERS])


def called(signature: Any, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Return what a loaded signature answers, by output name; a SavedModel keeps no order of them."""
    return _as_arrays(dict(sorted(signature(**_as_tensors(arrays)).items())))


def _as_tensors(arrays: Arrays) -> Tensors:
    import tensorflow as tf

    return {name: tf.convert_to_tensor(array) for name, array in arrays.items()}


def _as_arrays(tensors: Tensors) -> dict[str, NDArray[Any]]:
    return {name: np.asarray(tensor) for name, tensor in tensors.items()}


def _shown(spec: TensorSpec) -> str:
    return f"{spec.name}: {spec.dtype} {tuple(spec.shape)}"


def _shape(tensor: Any, answer: NDArray[Any], *, is_free: bool) -> Shape:
    if is_free:
        return (None,) * answer.ndim if tensor.shape.rank is None else tuple(tensor.shape.as_list())
    return (None, *answer.shape[1:])[: answer.ndim]
