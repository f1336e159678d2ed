"""Stands in for what is slow or heavy: models described, built and run without Keras and without TensorFlow.

The tiny model is a real one, written op by op: `brightest` takes pictures of 2x2 grey pixels and gives the softmax of
them, so that its four classes are the four corners.
"""

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from service.builder.process import BuildLimits, Progress
from service.errors import BuildInterruptedError
from service.model.card import ModelCard, compose_card
from service.model.description import Description, InputFacts, OutputFacts, SourceFacts, Verification
from service.model.layers import Layer
from service.model.sidecar import Sidecar
from service.model.tensors import TensorSpec
from service.repository.bundle_files import GRAPH, Probes, write_bundle
from service.repository.bundles import Bundle, BundleStore
from service.repository.saved import Saved
from service.repository.sources import Source
from service.repository.stamp import Stamp

CORNERS = 4


def describe(
    name: str = "brightest",
    version: int = 1,
    *,
    inputs: Sequence[InputFacts] = (InputFacts(TensorSpec("pixels", (None, 2, 2, 1))),),
    outputs: Sequence[OutputFacts] = (OutputFacts(TensorSpec("corners", (None, CORNERS)), "softmax"),),
    layers: tuple[Layer, ...] | None = None,
) -> Description:
    """Return what a build would have read off the tiny model, or off one with these inputs and outputs."""
    flat = (None, CORNERS)
    return Description(
        name=name,
        version=version,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        layers=layers
        or (
            Layer("pixels", "InputLayer", (None, 2, 2, 1), 0),
            Layer("flatten", "Flatten", flat, 0, (None, 2, 2, 1), inbound=("pixels",), order="row, column, channel"),
            Layer("corners", "Softmax", flat, 0, flat, inbound=("flatten",), receptive_field=(2, 2)),
        ),
        summary="Model: brightest",
        source=SourceFacts("model.keras", 1234, "ab" * 32, "Keras 3.15.1", "Keras 3.15.1"),
        verification=(Verification("litert", "outputs", 1e-7, 0.01, 8),),
        built_with={"keras": "3.15.1"},
    )


def card_of(facts: Description, sidecar: Sidecar | None = None) -> ModelCard:
    """Return the card of a described model with a sidecar, the empty one by default."""
    return compose_card(facts, sidecar or Sidecar(), version=facts.version, fingerprint="ab-1", engine="fake")


def softmax(rows: Any, *, beta: float = 1.0) -> NDArray[np.float64]:
    """Return the softmax of each row by its formula, in double precision."""
    powers = np.exp(beta * np.asarray(rows, np.float64))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


class FakeEngine:
    """Gives the outputs a function makes of the inputs; remembers what it was asked."""

    name = "fake"

    def __init__(self, answer: Callable[[Mapping[str, NDArray[Any]]], dict[str, NDArray[Any]]]) -> None:
        self._answer = answer
        self.asked: list[Mapping[str, NDArray[Any]]] = []

    def run(self, inputs: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        self.asked.append(inputs)
        return self._answer(inputs)

    def release(self) -> None:
        """There is nothing to let go of."""


def write_graph(path: Path, *, beta: float = 1.0) -> None:
    """Write the tiny model as a LiteRT graph: reshape to (N, 4), then softmax of `beta` times it."""
    path.write_bytes(_packed(_graph(beta)))


def add_bundle(
    store: BundleStore,
    fingerprint: str,
    *,
    facts: Description | None = None,
    beta: float = 1.0,
    probes: Probes | None = None,
) -> Bundle:
    """Put the tiny model into a store as a finished bundle; `probes` are its true ones by default."""
    facts = facts or describe()
    with store.staging(facts.name) as staged:
        write_graph(staged / GRAPH, beta=beta)
        write_bundle(staged, facts, probes or true_probes(beta=beta))
        return store.add(staged, facts.name, fingerprint)


def true_probes(*, beta: float = 1.0) -> Probes:
    """Return two pictures and what the tiny model makes of them."""
    pixels = np.array([[0, 0.25, 0.5, 1], [1, 0, 0, 0]], np.float32)
    corners = softmax(pixels, beta=beta).astype(np.float32)
    return Probes({"pixels": pixels.reshape(-1, 2, 2, 1)}, {"corners": corners})


def source(name: str = "brightest", version: int = 1, *, size: int = 1000) -> Source:
    """Return a saved file that need not exist."""
    path = Path("/nowhere", name, str(version), "model.keras")
    return Source(name, version, Saved(path), Stamp(size, 0, 0), ())


class FakeClock:
    """Takes the place of the module `time` where pauses are measured: stands still, or leaps at every look."""

    def __init__(self, *, leap: float = 0.0) -> None:
        self.now = 0.0
        self.leap = leap

    def monotonic(self) -> float:
        self.now += self.leap
        return self.now


class FakeBuilder:
    """Takes the place of `build_bundle`: ends each build as `verdicts` say, or with a bundle, and logs the order.

    While `gate` is cleared, a build that has begun waits in it, until it is cancelled.
    """

    def __init__(self, verdicts: Mapping[str, Sequence[Exception | None]] | None = None) -> None:
        self.built: list[str] = []
        self.running = 0
        self.most_at_once = 0
        self.gate = threading.Event()
        self.gate.set()
        self._left = {name: list(verdict) for name, verdict in (verdicts or {}).items()}

    def __call__(
        self,
        source: Source,
        fingerprint: str,
        *,
        store: BundleStore,
        limits: BuildLimits,
        progress: Progress,
        cancelled: threading.Event,
    ) -> Bundle:
        self.running += 1
        self.most_at_once = max(self.most_at_once, self.running)
        self.built.append(source.name)
        progress("exporting")
        try:
            self._pass(cancelled)
            verdict = self._left[source.name].pop(0) if self._left.get(source.name) else None
            if verdict is not None:
                raise verdict
            return add_bundle(store, fingerprint, facts=describe(source.name, source.version))
        finally:
            self.running -= 1

    def _pass(self, cancelled: threading.Event) -> None:
        while not self.gate.wait(timeout=0.005):
            if cancelled.is_set():
                raise BuildInterruptedError("The build was cancelled because the server is stopping.")


def _graph(beta: float) -> Any:
    graph = schema.SubGraphT()
    graph.tensors = [
        _tensor("pixels", [1, 2, 2, 1], signature=[-1, 2, 2, 1]),
        _tensor("shape", [2], kind=schema.TensorType.INT32, buffer=1),
        _tensor("flat", [1, CORNERS], signature=[-1, CORNERS]),
        _tensor("corners", [1, CORNERS], signature=[-1, CORNERS]),
    ]
    graph.inputs, graph.outputs = [0], [3]
    options = schema.SoftmaxOptionsT()
    options.beta = beta
    graph.operators = [
        _operator(0, [0, 1], [2], schema.BuiltinOptions.ReshapeOptions, schema.ReshapeOptionsT()),
        _operator(1, [2], [3], schema.BuiltinOptions.SoftmaxOptions, options),
    ]
    constant = schema.BufferT()
    constant.data = np.frombuffer(np.array([-1, CORNERS], np.int32).tobytes(), np.uint8)
    model = schema.ModelT()
    model.version = 3
    model.operatorCodes = [_code(schema.BuiltinOperator.RESHAPE), _code(schema.BuiltinOperator.SOFTMAX)]
    model.buffers = [schema.BufferT(), constant]
    model.subgraphs = [graph]
    model.signatureDefs = [_signature()]
    return model


def _tensor(name: str, shape: list[int], *, signature: list[int] | None = None, kind: int = 0, buffer: int = 0) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.shapeSignature = name, shape, signature
    tensor.type, tensor.buffer = kind, buffer
    return tensor


def _operator(code: int, inputs: list[int], outputs: list[int], kind: int, options: Any) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = code, inputs, outputs
    operator.builtinOptionsType, operator.builtinOptions = kind, options
    return operator


def _code(builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.deprecatedBuiltinCode = code.builtinCode = builtin
    code.version = 1
    return code


def _signature() -> Any:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = "serving_default", 0
    signature.inputs, signature.outputs = [_named("pixels", 0)], [_named("corners", 3)]
    return signature


def _named(name: str, index: int) -> Any:
    tensor = schema.TensorMapT()
    tensor.name, tensor.tensorIndex = name, index
    return tensor


def _packed(model: Any) -> bytes:
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
