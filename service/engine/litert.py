"""Owns running LiteRT graphs (`.tflite`), on the CPU with XNNPACK."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from service.engine.base import Arrays
from service.errors import BrokenModelError


class LiteRtEngine:
    """One interpreter over one graph file; the file stays mapped while the engine lives, unless it is `in_memory`.

    `inputs` and `outputs` are the model's names in the model's order. A graph exported by Keras sorts the
    names of its signature; inputs are found by name, outputs by their number in the signature.
    """

    name = "litert"

    def __init__(
        self, graph: Path, *, inputs: Sequence[str], outputs: Sequence[str], threads: int = 1, in_memory: bool = False
    ) -> None:
        place = {"model_content": graph.read_bytes()} if in_memory else {"model_path": str(graph)}
        self._open = partial(Interpreter, **place, num_threads=threads)
        try:
            self._interpreter = self._open()
        except (ValueError, RuntimeError) as error:
            raise BrokenModelError("The exported graph cannot be loaded by LiteRT.") from error
        self._inputs = _indices(_by_signature(self._interpreter, "inputs", inputs))
        self._outputs = _indices(_by_signature(self._interpreter, "outputs", outputs))
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Arrays, *, only: Sequence[str] | None = None) -> dict[str, NDArray[Any]]:
        """Run the graph; see `Engine.run`. Where `only` some outputs are wanted the others are not copied."""
        self._resize(inputs)
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], array)
        self._interpreter.invoke()
        names = self._outputs if only is None else only
        return {name: self._interpreter.get_tensor(self._outputs[name]) for name in names}

    def release(self) -> None:
        """Open the graph anew: an interpreter keeps what its largest run took. Where the file is gone, keep the old."""
        try:
            self._interpreter = self._open()
        except (ValueError, RuntimeError):
            return
        self._shapes = {}

    def _resize(self, inputs: Arrays) -> None:
        shapes = {name: array.shape for name, array in inputs.items()}
        if shapes == self._shapes:
            return
        self._shapes = {}
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


class TensorNames(NamedTuple):
    """What a graph calls the tensors of the model's inputs and outputs, by the model's names."""

    inputs: dict[str, str]
    outputs: dict[str, str]


def tensor_names(graph: Path, *, inputs: Sequence[str], outputs: Sequence[str]) -> TensorNames:
    """Return the names by which another engine finds the tensors; raises BrokenModelError."""
    try:
        interpreter = Interpreter(model_path=str(graph))
    except (ValueError, RuntimeError) as error:
        raise BrokenModelError("The exported graph cannot be loaded by LiteRT.") from error
    sides = (_by_signature(interpreter, "inputs", inputs), _by_signature(interpreter, "outputs", outputs))
    return TensorNames(*({name: str(one["name"]) for name, one in side.items()} for side in sides))


def _indices(details: dict[str, Any]) -> dict[str, int]:
    return {name: int(one["index"]) for name, one in details.items()}


def _by_signature(interpreter: Interpreter, side: str, names: Sequence[str]) -> dict[str, Any]:
    """Return the tensor of each of the model's `names` on one side of the graph's only signature."""
    signature = next(iter(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(signature)
    details = runner.get_input_details() if side == "inputs" else runner.get_output_details()
    keys = _matching(list(details), names, side)
    return {name: details[key] for name, key in zip(names, keys, strict=True)}


def _matching(keys: list[str], names: Sequence[str], side: str) -> list[str]:
    if set(keys) == set(names):
        return list(names)
    if len(keys) != len(names):
        raise BrokenModelError(f"The exported graph has {len(keys)} {side}, the model {len(names)}.")
    return sorted(keys, key=_number)


def _number(key: str) -> tuple[int, str]:
    digits = key.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0, key)
