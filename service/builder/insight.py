"""Owns building the second graph of a model: looked for, exported, compared with Keras; or why there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.convert import convert_function
from service.builder.exhaustion import is_out_of_memory
from service.builder.insight_plan import Plan, plan_of
from service.builder.insight_run import Inside, run_eagerly, trace
from service.builder.program import Facts, Program
from service.builder.reason import one_line
from service.builder.verify import Case, cases_for
from service.engine.litert import LiteRtEngine
from service.errors import DisagreementError
from service.model.agreement import Difference, largest_difference
from service.model.insight import Insight, output_names, weight_input, without_insight
from service.model.layers import Layer
from service.model.stack import maps_to_vector, maps_to_vector_text
from service.model.tensors import TensorSpec

LARGEST = 2**30
"""Bytes of weights, or of what all layers give, over which no second graph is written: it holds them at once."""
_CASES = ("0..1", "0..255", "normal")
_SEED = 20261123
_NO_LAYERS = "The saved file does not hold its layers, so there is nothing to look into; save the model as .keras."
_TOO_LARGE = "The model is too large for a second graph that gives the output of every layer."
_NO_OUTPUT = "No output is a vector of classes, so there is no score to take a gradient of."
_UNCONNECTED = "No output hangs on the maps by a gradient."
Progress = Callable[[str], None]


def look_inside(program: Program, facts: Facts, graph: Path, *, progress: Progress) -> Insight:
    """Write the second graph to `graph` and return what it gives; where there can be none, say why and write nothing.

    Raises nothing but what ends a process: a model is served without its insides, too.
    """
    layered = program.layered()
    if facts.layers is None or layered is None:
        return without_insight(_NO_LAYERS)
    if _is_too_large(facts.layers):
        return without_insight(_TOO_LARGE)
    try:
        return _looked(plan_of(layered, facts), facts, graph, progress)
    except Exception as error:  # noqa: BLE001 - the boundary of what a model can do without
        graph.unlink(missing_ok=True)
        return without_insight(f"There is no second graph, which gives the output of every layer: {_reason(error)}")


def _is_too_large(layers: Sequence[Layer]) -> bool:
    weights = 4 * sum(layer.parameters for layer in layers)
    return max(weights, sum(layer.activation_bytes or 0 for layer in layers)) > LARGEST


def _reason(error: Exception) -> str:
    if is_out_of_memory(error):
        return "memory ran out while it was built (CONVOY_BUILD_MEMORY)."
    return one_line(error)


def _looked(plan: Plan, facts: Facts, graph: Path, progress: Progress) -> Insight:
    """Try with gradients, and without them where that fails."""
    progress("looking inside")
    reason = _why_no_gradient(plan, facts)
    if reason is None:
        try:
            return _Second(plan, facts).written(graph, progress)
        except Exception as error:
            if is_out_of_memory(error):
                raise
            reason = f"There is no gradient of this model in LiteRT: {_reason(error)}"
    return replace(_Second(replace(plan, cams=(), heads=()), facts).written(graph, progress), no_gradient=reason)


def _why_no_gradient(plan: Plan, facts: Facts) -> str | None:
    if not plan.cams:
        return f"Grad-CAM needs maps that convolutions made and a layer turns into a vector; {_text(facts)}"
    return None if plan.heads else _NO_OUTPUT


def _text(facts: Facts) -> str:
    """Say how maps become a vector as a half-sentence does."""
    text = maps_to_vector_text(facts.layers or ())
    return f"here {text}" if maps_to_vector(facts.layers or ()) else f"{text[:1].lower()}{text[1:]}"


@dataclass(frozen=True, slots=True)
class _Probe:
    """One example of each input and weights of each weighted output, with what the model gives for them in Keras."""

    case: Case
    fed: dict[str, NDArray[Any]]
    inside: Inside


class _Second:
    """The second graph of one plan."""

    def __init__(self, plan: Plan, facts: Facts) -> None:
        self._inputs = tuple(_of_one(one.spec) for one in facts.inputs)
        self._plan = plan
        self._cases = [case for case in cases_for(facts.inputs) if case.label in _CASES]
        first = self._probe(plan, self._cases[0])
        if plan.cams and not any(one is not None for one in first.inside.gradients):
            raise DisagreementError(_UNCONNECTED)
        cams = zip(plan.cams, first.inside.gradients, strict=True)
        self._plan = replace(plan, cams=tuple(cam for cam, gradient in cams if gradient is not None))
        places = {name: number for number, name in enumerate(plan.layers)}
        self._bytes_per_number = _bytes_of(first.inside) / sum(first.fed[one.name].size for one in self._inputs)
        self._taps = tuple(sorted(first.inside.layers, key=lambda tap: (places[tap.layer], tap)))

    def written(self, graph: Path, progress: Progress) -> Insight:
        """Write the graph, compare it with Keras, and return what it gives."""
        cams = tuple(cam.tap for cam in self._plan.cams)
        insight = Insight(self._taps, cams, bytes_per_number=self._bytes_per_number)
        progress("exporting a graph of every layer")
        weights = [_weights(name, units) for name, units in self._units().items()]
        convert_function(self._traced, [*self._inputs, *weights], graph, holder=self._plan.layered.model)
        progress("comparing every layer with the model as loaded")
        self._verify(graph, insight)
        return insight

    def _units(self) -> dict[str, int]:
        return {head.name: head.units for head in self._plan.heads}

    def _traced(self, *fed: Any) -> list[Any]:
        inputs, weights = fed[: len(self._inputs)], fed[len(self._inputs) :]
        return self._listed(trace(self._plan, inputs, dict(zip(self._units(), weights, strict=True))))

    def _listed(self, inside: Inside) -> list[Any]:
        pairs = zip(inside.maps, inside.gradients, strict=True)
        return [*(inside.layers[tap] for tap in self._taps), *(one for pair in pairs for one in pair)]

    def _probe(self, plan: Plan, case: Case) -> _Probe:
        import tensorflow as tf

        random = np.random.default_rng(_SEED)
        weights = {head.name: random.normal(size=(1, head.units)).astype(np.float32) for head in plan.heads}
        inputs = {one.name: case.inputs[one.name][:1] for one in self._inputs}
        fed = [tf.convert_to_tensor(array) for array in inputs.values()]
        inside = run_eagerly(plan, fed, {name: tf.convert_to_tensor(array) for name, array in weights.items()})
        return _Probe(case, inputs | {weight_input(name): array for name, array in weights.items()}, inside)

    def _verify(self, graph: Path, insight: Insight) -> None:
        """Raise DisagreementError where the graph gives other numbers than Keras gives."""
        names = output_names(insight)
        inputs = [one.name for one in self._inputs] + [weight_input(name) for name in self._units()]
        engine = LiteRtEngine(graph, inputs=inputs, outputs=names)
        for case in self._cases:
            probe = self._probe(self._plan, case)
            expected = dict(zip(names, map(np.asarray, self._listed(probe.inside)), strict=True))
            found = engine.run(probe.fed)
            for name in names:
                _check(name, case, largest_difference({name: found[name]}, {name: expected[name]}))


def _bytes_of(inside: Inside) -> int:
    return sum(np.asarray(tensor).nbytes for tensor in inside.layers.values())


def _check(name: str, case: Case, difference: Difference) -> None:
    if not difference.is_allowed:
        raise DisagreementError(
            f"{name} differs from Keras by {difference.absolute:.3g} on {case.label} input, "
            f"{difference.of_allowed:.3g} times what is allowed."
        )


def _of_one(spec: TensorSpec) -> TensorSpec:
    """Return an input for one example at a time: with the batch fixed, more gradients have a form in LiteRT."""
    return replace(spec, shape=(1, *spec.item_shape))


def _weights(name: str, units: int) -> TensorSpec:
    return TensorSpec(weight_input(name), (1, units))
