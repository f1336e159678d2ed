"""Owns the bare engine, without HTTP: one process, one thread calling, the same arrays to LiteRT and to Keras.

`python -m benchmarks.engine SAVED CACHE SECONDS ROUNDS` prints JSON; the benchmark runs it as a child process, since it
loads TensorFlow. LiteRT has one thread, as in the service; TensorFlow all it takes by default. Every call goes from a
NumPy array to a NumPy array. The ways take turns within a round.
"""

import json
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

from benchmarks.baseline import SIDE, by_call, by_function, by_predict
from benchmarks.samples import LITERT, EngineSample
from service.engine.litert import LiteRtEngine
from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of

BATCHES = (1, 32)
_WARM_CALLS = 3
_LEAST_CALLS = 5
_AGREE = 1e-3
Run = Callable[[NDArray[np.float32]], NDArray[Any]]


def litert(saved: Path, cache: Path) -> Run:
    """Return the bundle's graph as the service runs it."""
    bundle = BundleStore(cache).find("mnist", fingerprint_of(sha256_of(saved)))
    if bundle is None:
        raise SystemExit("There is no bundle of mnist in this cache.")
    inputs = [one.spec.name for one in bundle.facts.inputs]
    outputs = [one.spec.name for one in bundle.facts.outputs]
    engine = LiteRtEngine(bundle.graph, inputs=inputs, outputs=outputs)
    return lambda pixels: engine.run({inputs[0]: pixels})[outputs[0]]


def ways(saved: Path, cache: Path, *, batch: int) -> dict[str, Run]:
    """Return every way to run the model on `batch` pictures."""
    model = keras.saving.load_model(saved, compile=False)
    return {
        LITERT: litert(saved, cache),
        "model.predict": by_predict(model),
        "model(x)": by_call(model),
        "tf.function": by_function(model, batch=batch),
    }


def milliseconds(run: Run, pixels: NDArray[np.float32], *, seconds: float) -> float:
    """Return the median ms per picture of calls made for `seconds`."""
    for _ in range(_WARM_CALLS):
        run(pixels)
    spent: list[float] = []
    end = time.perf_counter() + seconds
    while len(spent) < _LEAST_CALLS or time.perf_counter() < end:
        began = time.perf_counter()
        run(pixels)
        spent.append(time.perf_counter() - began)
    return statistics.median(spent) * 1000 / len(pixels)


def measure(saved: Path, cache: Path, *, seconds: float, rounds: int) -> list[EngineSample]:
    """Return one sample per way, batch and round."""
    samples: list[EngineSample] = []
    prepared = [(_pictures(batch), ways(saved, cache, batch=batch)) for batch in BATCHES]
    for pixels, runs in prepared:
        _check(pixels, runs)
    for number in range(1, rounds + 1):
        for pixels, runs in prepared:
            for name, run in runs.items():
                spent = milliseconds(run, pixels, seconds=seconds)
                samples.append(EngineSample(name, len(pixels), number, spent))
    return samples


def _pictures(batch: int) -> NDArray[np.float32]:
    return np.random.default_rng(0).random((batch, SIDE, SIDE, 1), np.float32)


def _check(pixels: NDArray[np.float32], runs: dict[str, Run]) -> None:
    outputs = {name: run(pixels) for name, run in runs.items()}
    for name, output in outputs.items():
        if np.abs(output - outputs[LITERT]).max() > _AGREE:
            raise SystemExit(f"{name} and {LITERT} give different numbers.")


if __name__ == "__main__":
    saved_model, bundle_cache, block_seconds, round_count = sys.argv[1:]
    found = measure(Path(saved_model), Path(bundle_cache), seconds=float(block_seconds), rounds=int(round_count))
    print(json.dumps([asdict(one) for one in found]))
