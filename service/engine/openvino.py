"""Owns running LiteRT graphs (`.tflite`) with OpenVINO, on the CPU: an extra, for nets where it is clearly faster."""

import importlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.engine.base import Arrays
from service.engine.litert import tensor_names
from service.errors import BrokenModelError

_MOST_SIZES = 2
"""Compiled graphs that are kept, one for each size of the inputs; each holds the weights."""
_CONFIG = {
    "NUM_STREAMS": 1,
    "PERFORMANCE_HINT": "LATENCY",
    # NOTE: left to itself, it rounds to bfloat16 where the CPU can: other numbers than Keras'.
    "INFERENCE_PRECISION_HINT": "f32",
}


class OpenVinoEngine:
    """One graph, compiled for each size of its inputs that comes: with a free batch axis it is slower.

    The file is read as a whole at the beginning, never mapped; compiling takes from a tenth of a second to some
    seconds. `inputs` and `outputs` are as for `LiteRtEngine`.
    """

    name = "openvino"

    def __init__(
        self, graph: Path, *, inputs: Sequence[str], outputs: Sequence[str], threads: int = 1, in_memory: bool = False
    ) -> None:
        self._core = _runtime().Core()
        self._config = {**_CONFIG, "INFERENCE_NUM_THREADS": threads}
        try:
            self._model = self._core.read_model(graph)
        except RuntimeError as error:
            raise BrokenModelError(f"OpenVINO cannot read the exported graph: {_first_line(error)}") from error
        names = tensor_names(graph, inputs=inputs, outputs=outputs)
        self._inputs = _places(self._model.inputs, names.inputs)
        self._outputs = _places(self._model.outputs, names.outputs)
        self._requests: dict[tuple[tuple[int, ...], ...], Any] = {}

    def run(self, inputs: Arrays) -> dict[str, NDArray[Any]]:
        """Run the graph; see `Engine.run`."""
        request = self._request(inputs)
        request.infer({self._inputs[name]: np.ascontiguousarray(array) for name, array in inputs.items()})
        return {name: request.get_output_tensor(place).data.copy() for name, place in self._outputs.items()}

    def release(self) -> None:
        """Let the compiled graphs go; see `Engine.release`."""
        self._requests.clear()

    def _request(self, inputs: Arrays) -> Any:
        key = tuple(inputs[name].shape for name in self._inputs)
        request = self._requests.pop(key, None) or self._compiled(inputs)
        self._requests[key] = request
        while len(self._requests) > _MOST_SIZES:
            del self._requests[next(iter(self._requests))]
        return request

    def _compiled(self, inputs: Arrays) -> Any:
        self._model.reshape({self._inputs[name]: list(array.shape) for name, array in inputs.items()})
        return self._core.compile_model(self._model, "CPU", self._config).create_infer_request()


def _runtime() -> Any:
    """Return the package `openvino` without its tools.

    NOTE: these tell Google Analytics of every import, unasked, where `openvino-telemetry` is installed, as it is by
    default; and they take three times as long to import as all the rest. The package does well without.
    """
    tools = sys.modules.get("openvino.tools")
    sys.modules["openvino.tools"] = None  # type: ignore[assignment] # the documented way to make an import fail
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules["openvino.tools"]
        if tools is not None:
            sys.modules["openvino.tools"] = tools


def _places(ports: Sequence[Any], names: dict[str, str]) -> dict[str, int]:
    """Return by the model's names at which place among `ports` its tensor stands."""
    by_tensor = {tensor: place for place, port in enumerate(ports) for tensor in port.get_names()}
    missing = [name for name, tensor in names.items() if tensor not in by_tensor]
    if missing:
        raise BrokenModelError(f"OpenVINO does not find {', '.join(missing)} in the exported graph.")
    return {name: by_tensor[tensor] for name, tensor in names.items()}


def _first_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:200] if lines else type(error).__name__
