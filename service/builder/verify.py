"""Owns proving that an exported graph gives the numbers Keras gives, and the probes that prove it again later."""

import math
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.builder.exhaustion import has_used_most_memory, is_out_of_memory
from service.builder.program import Program
from service.builder.reason import one_line
from service.builder.tap import tapped_graph
from service.engine.litert import LiteRtEngine
from service.errors import BrokenModelError, DisagreementError, UnsupportedModelError
from service.model.agreement import Difference, largest_difference
from service.model.description import InputFacts, OutputFacts, Verification
from service.model.tensors import TensorSpec
from service.repository.bundle_files import Probes

FREE_SIDES = (64, 48)
"""Sides given to free axes while verifying; two, so that a graph frozen to one of them is found out."""
_SEED = 20261121
_EXTREME = "extreme"
_EXTREME_SLACK = 10.0
_ROUNDING = 2.0**-14
"""Relative change of an input that no answer should hang on: what roundings in a hundred layers come to."""
_SHAKES = 5
_AS_FAR = 4.0
"""Times the largest of so few shakes that a graph may be off where the model itself is shaken."""
_PROBE_BATCH = 2
_LARGE_ITEM = 300_000
"""Values of an example over which batches hold two at most: five of 528x528 took EfficientNetB6 over 14 GB."""


@dataclass(frozen=True, slots=True)
class Case:
    """One input for verification: how it was made and its arrays by input name, batch axis first.

    `slack` is how many times the usual difference is allowed: far outside of what a net was trained on, large terms
    cancel in every layer.
    """

    label: str
    inputs: dict[str, NDArray[Any]]
    slack: float = 1.0

    @property
    def batch(self) -> int:
        """Return the number of examples."""
        return len(next(iter(self.inputs.values())))


def verify_litert(
    program: Program, graph: Path, *, inputs: tuple[InputFacts, ...], outputs: tuple[OutputFacts, ...]
) -> Verification:
    """Compare the graph with the loaded model on several inputs, before the head where both can be looked at there.

    Raises DisagreementError where a difference goes over what is allowed, UnsupportedModelError where LiteRT cannot
    run the graph.
    """
    cases = list(cases_for(inputs))
    for case in cases[:2]:
        _check_answers(_answered(program, case), case)
    compared = _Comparison(program, cases, [one.spec.name for one in inputs], [one.spec.name for one in outputs])
    served = compared.worst(graph)
    with tempfile.TemporaryDirectory() as folder:
        tapped = Path(folder) / "tapped.tflite"
        without_heads = program.without_heads()
        if without_heads is not None and tapped_graph(graph, tapped):
            with without_heads:
                before = compared.worst(tapped, where="before the head")
            return _report("before the head", [served, before], len(cases))
    return _report("outputs", [served], len(cases))


def _answered(program: Program, case: Case) -> dict[str, NDArray[Any]]:
    try:
        return program.run(case.inputs)
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise UnsupportedModelError(
            "The model cannot run on numbers such as pictures are made of; models of words, positions or categories "
            f"are not served. It said: {one_line(error)}"
        ) from error


def _check_answers(answers: dict[str, NDArray[Any]], case: Case) -> None:
    if not any(np.isfinite(array).any() for array in answers.values()):
        raise BrokenModelError("The model answers nothing but NaN: its weights are damaged, or its training diverged.")
    for name, array in answers.items():
        if len(array) != case.batch:
            raise UnsupportedModelError(
                f"Output {name} has {len(array)} rows for {case.batch} example(s): the model mixes the examples of a "
                "batch, for instance by a reshape to (-1, …), so that no answer belongs to one picture."
            )


def _report(compared: str, differences: list[Difference], cases: int) -> Verification:
    return Verification(
        engine="litert",
        compared=compared,
        max_difference=differences[-1].absolute,
        max_relative=max(one.of_allowed for one in differences),
        cases=cases,
    )


def cases_for(inputs: tuple[InputFacts, ...]) -> Iterator[Case]:
    """Yield batches of one and more: random in the ranges pictures come in, constant, and extreme values."""
    random = np.random.default_rng(_SEED)
    plans = [
        ("0..1", 1, lambda shape: random.random(shape)),
        ("0..255", 3, lambda shape: random.integers(0, 256, shape)),
        ("-1..1", 2, lambda shape: random.uniform(-1, 1, shape)),
        ("normal", 5, lambda shape: random.normal(0, 3, shape)),
        ("zeros", 1, np.zeros),
        ("white", 2, lambda shape: np.full(shape, 255.0)),
        (_EXTREME, 1, lambda shape: random.choice([-1e4, 1e4], shape)),
    ]
    most = max(batch for _, batch, _ in plans) if _largest_item(inputs) <= _LARGE_ITEM else _PROBE_BATCH
    for number, (label, batch, make) in enumerate(plans):
        side = FREE_SIDES[number % len(FREE_SIDES)]
        arrays = {one.spec.name: _filled(one.spec, min(batch, most), side, make) for one in inputs}
        yield Case(label, arrays, _EXTREME_SLACK if label == _EXTREME else 1.0)


def _largest_item(inputs: tuple[InputFacts, ...]) -> int:
    return max(math.prod(axis or 1 for axis in one.spec.item_shape) for one in inputs)


def _filled(spec: TensorSpec, batch: int, side: int, make: Any) -> NDArray[Any]:
    values = np.asarray(make((batch, *(axis or side for axis in spec.item_shape))))
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        scale = 255 if np.abs(values).max(initial=0) <= 1 else 1
        values = np.clip(np.rint(values * scale), 0, 255)
    return np.ascontiguousarray(values, dtype=spec.dtype)


@dataclass(frozen=True, slots=True)
class _Comparison:
    """A model and what it is asked, to be compared with one graph or another."""

    program: Program
    cases: list[Case]
    inputs: list[str]
    outputs: list[str]

    def worst(self, graph: Path, *, where: str = "at the output") -> Difference:
        engine = LiteRtEngine(graph, inputs=self.inputs, outputs=self.outputs)
        worst = Difference(0.0, 0.0)
        for case in self.cases:
            expected = self.program.run(case.inputs)
            found = largest_difference(_run(engine, case), expected).with_slack(case.slack)
            if found.is_allowed:
                worst = worst.worse(found)
            elif not self._is_shaken_as_far(case, expected, found):
                raise DisagreementError(_complaint(case, found, where=where))
        return worst

    def _is_shaken_as_far(self, case: Case, expected: dict[str, NDArray[Any]], found: Difference) -> bool:
        """Return whether the model itself moves as far where its extreme input changes by a few roundings.

        Far outside of what it was trained on, a deep net may blow up so that its numbers hang on the order of sums, in
        Keras as in the graph: neither is right there. In the ranges pictures come in nothing is forgiven.
        """
        if case.label != _EXTREME:
            return False
        random = np.random.default_rng(_SEED + 2)
        shaken = (largest_difference(self.program.run(_shaken(case, random)), expected) for _ in range(_SHAKES))
        return any(found.of_allowed <= _AS_FAR * one.with_slack(case.slack).of_allowed for one in shaken)


def _shaken(case: Case, random: np.random.Generator) -> dict[str, NDArray[Any]]:
    return {
        name: np.asarray(array * random.uniform(1 - _ROUNDING, 1 + _ROUNDING, array.shape), array.dtype)
        for name, array in case.inputs.items()
    }


def _run(engine: LiteRtEngine, case: Case) -> dict[str, NDArray[Any]]:
    try:
        return engine.run(case.inputs)
    except (RuntimeError, ValueError) as error:
        if has_used_most_memory():
            raise MemoryError from error
        raise UnsupportedModelError(
            "LiteRT cannot run the exported graph, often because of an operation that only TensorFlow has. "
            f"LiteRT said: {' '.join(str(error).split())[:200]}"
        ) from error


def _complaint(case: Case, found: Difference, *, where: str) -> str:
    return (
        f"The exported graph does not give the numbers Keras gives: {where}, on {case.label} input in a batch of "
        f"{case.batch}, they differ by {found.absolute:.3g}, {found.of_allowed:.3g} times what is allowed. "
        "It is not used."
    )


def make_probes(program: Program, *, inputs: tuple[InputFacts, ...]) -> Probes:
    """Return a small random batch with the model's outputs for it, stored for the check when a model goes live."""
    random = np.random.default_rng(_SEED + 1)
    arrays = {one.spec.name: _filled(one.spec, _PROBE_BATCH, FREE_SIDES[0], random.random) for one in inputs}
    return Probes(arrays, program.run(arrays))
