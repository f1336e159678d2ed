"""Owns running LiteRT graphs (`.tflite`), on the CPU with XNNPACK."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
        try:
            self._interpreter = Interpreter(**place, num_threads=threads)
        except (ValueError, RuntimeError) as error:
            raise BrokenModelError("The exported graph cannot be loaded by LiteRT.") from error
        self._inputs = _by_signature(self._interpreter, "inputs", inputs)
        self._outputs = _by_signature(self._interpreter, "outputs", outputs)
        self._shapes: dict[str, tuple[int, ...]] = {}

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; see `Engine.run`."""
        self._resize(inputs)
        for name, array in inputs.items():
            self._interpreter.set_tensor(self._inputs[name], array)
        self._interpreter.invoke()
        return {name: self._interpreter.get_tensor(index) for name, index in self._outputs.items()}

    def _resize(self, inputs: Arrays) -> None:
        shapes = {name: array.shape for name, array in inputs.items()}
        if shapes == self._shapes:
            return
        self._shapes = {}
        for name, shape in shapes.items():
            self._interpreter.resize_tensor_input(self._inputs[name], shape)
        self._interpreter.allocate_tensors()
        self._shapes = shapes


def _by_signature(interpreter: Interpreter, side: str, names: Sequence[str]) -> dict[str, int]:
    """Return the tensor index of each of the model's `names` on one side of the graph's only signature."""
    signature = next(iter(interpreter.get_signature_list()))
    runner = interpreter.get_signature_runner(signature)
    details = runner.get_input_details() if side == "inputs" else runner.get_output_details()
    keys = _matching(list(details), names, side)
    return {name: int(details[key]["index"]) for name, key in zip(names, keys, strict=True)}


def _matching(keys: list[str], names: Sequence[str], side: str) -> list[str]:
    if set(keys) == set(names):
        return list(names)
    if len(keys) != len(names):
        raise BrokenModelError(f"The exported graph has {len(keys)} {side}, the model {len(names)}.")
    return sorted(keys, key=_number)


def _number(key: str) -> tuple[int, str]:
    digits = key.rpartition("_")[2]
    return (int(digits) if digits.isdigit() else 0, key)
