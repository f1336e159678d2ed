"""A graph that differs on extreme input is refused, but where Keras itself is shaken as far by a few roundings."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.errors import DisagreementError

pytest.importorskip("keras")

import keras

from service.builder.keras_program import KerasProgram
from service.builder.verify import verify_litert

layers, ops = keras.layers, keras.ops


class Wave(keras.layers.Layer):
    """Sines of squares: on input of 1e4 they hang on the last digits."""

    def call(self, inputs: Any) -> Any:
        return ops.sin(inputs * inputs / 1000)


class Limit(keras.layers.Layer):
    """Cuts off what no picture holds."""

    def call(self, inputs: Any) -> Any:
        return ops.clip(inputs, -5000, 5000)


def net(middle: Callable[[], list[Any]], *, changed: float = 0.0) -> Any:
    keras.utils.set_random_seed(3)
    model = keras.Sequential([keras.Input((6, 6, 1), name="image"), *middle(), layers.Dense(4, name="last")])
    model.set_weights([weight * (1 + changed) for weight in model.get_weights()])
    return model


def verified(reference: Any, exported: Any, folder: Path) -> float:
    """Return how far the graph of `exported` is from `reference`, as a share of what is allowed."""
    graph = folder / "graph.tflite"
    KerasProgram(exported, loaded_by="this test").export(graph)
    program = KerasProgram(reference, loaded_by="this test")
    facts = program.facts(loss=None)
    return verify_litert(program, graph, inputs=facts.inputs, outputs=facts.outputs).max_relative


def waves() -> list[Any]:
    return [layers.Flatten(), layers.Dense(8), Wave()]


def flat() -> list[Any]:
    return [layers.Flatten()]


def limited() -> list[Any]:
    return [Limit(), layers.Flatten()]


def test_a_net_whose_numbers_hang_on_roundings_there_is_served(tmp_path: Path) -> None:
    assert verified(net(waves), net(waves, changed=2.0**-21), tmp_path) <= 1


def test_another_net_is_refused_all_the_same(tmp_path: Path) -> None:
    with pytest.raises(DisagreementError):
        verified(net(waves), net(waves, changed=0.01), tmp_path)


def test_a_steady_net_is_refused_for_extreme_input_alone(tmp_path: Path) -> None:
    with pytest.raises(DisagreementError, match="on extreme input"):
        verified(net(flat), net(limited), tmp_path)
