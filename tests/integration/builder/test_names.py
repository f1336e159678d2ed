"""Models whose inputs, layers or selves have names that TensorFlow allows no operation; Keras is the oracle."""

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.builder.reason import one_line
from service.explain.insight import Insights
from service.model.insight import LayerTap
from service.serving.live_model import LiveModel
from tests.served import served

keras = pytest.importorskip("keras")
layers = keras.layers


def a_minute() -> float:
    return time.monotonic() + 60


def pictures(*shape: int) -> NDArray[Any]:
    return np.random.default_rng(5).random(shape, np.float32)


def answers(live: LiveModel, *arrays: NDArray[Any]) -> list[NDArray[Any]]:
    """Return what is answered, in the order of the outputs, to an array for each input in the order of these."""
    names = [one.spec.name for one in live.card.inputs]
    given, _ = live.run(dict(zip(names, arrays, strict=True)), deadline=a_minute())
    return [given[one.spec.name] for one in live.card.outputs]


def assert_close(found: NDArray[Any], expected: Any) -> None:
    np.testing.assert_allclose(found, np.asarray(expected), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["my image", "<b>&\"'é", "_m<i>", "relu:0"])
def test_any_name_of_input_model_and_layers_is_served_and_looked_into(name: str, tmp_path: Path) -> None:
    image = keras.Input((8, 8, 3), name=name)
    backbone = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(4, 3, name=name)], name=f"{name} backbone")
    maps = layers.Conv2D(4, 3, activation="relu", name=f"{name} conv")(backbone(image))
    vector = layers.Flatten(name=f"{name} flat")(maps)
    model = keras.Model(image, layers.Dense(3, activation="softmax", name=f"{name} classes")(vector), name=name)
    live = served(model, tmp_path, insight=True)
    array = pictures(2, 8, 8, 3)

    assert [one.spec.name for one in live.card.inputs] == [name]
    shown = [one.name for one in live.card.facts.layers or () if one.type != "InputLayer"]
    assert shown == [f"{name} backbone/{name}", *(f"{name} {one}" for one in ("conv", "flat", "classes"))]
    assert_close(answers(live, array)[0], model(array))
    insight = live.card.facts.insight
    assert insight.missing is insight.no_gradient is None
    tap = LayerTap(f"{name} backbone/{name}")
    (inside,) = Insights().activations(live, {name: array}, [tap], deadline=a_minute())
    assert_close(inside, backbone(array))


def test_names_that_look_like_places_in_the_graph_are_not_taken_for_them(tmp_path: Path) -> None:
    first, second = keras.Input((4, 4, 1), name="input_1"), keras.Input((4, 4, 1), name="input_0")
    joined = layers.Concatenate()([layers.Flatten()(first), layers.Flatten()(second)])
    model = keras.Model([first, second], [layers.Dense(2, name=name)(joined) for name in ("output_1", "output_0")])
    arrays = [pictures(2, 4, 4, 1), 1 - pictures(2, 4, 4, 1)]

    for found, expected in zip(answers(served(model, tmp_path), *arrays), model(arrays), strict=True):
        assert_close(found, expected)


def test_a_batch_that_the_file_fixes_is_freed(tmp_path: Path) -> None:
    stack = [layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3)]
    model = keras.Sequential([keras.Input(batch_shape=(4, 8, 8, 1)), *stack])
    live = served(model, tmp_path)

    for count in (1, 3):
        array = pictures(count, 8, 8, 1)
        assert_close(answers(live, array)[0], keras.Sequential(stack)(array))


def test_inputs_and_outputs_in_structures_are_served(tmp_path: Path) -> None:
    a, b, c = (keras.Input((4, 4, 1), name=name) for name in ("b", "c", "a"))
    flat = [layers.Flatten()(one) for one in (a, b, c)]
    outputs = {"z": layers.Dense(2, name="z")(flat[0] - 2 * flat[1]), "y": [layers.Dense(3)(flat[2] - flat[0])]}
    model = keras.Model([a, {"c": b, "a": c}], outputs)
    live = served(model, tmp_path)
    arrays = {name: pictures(2, 4, 4, 1) * scale for name, scale in (("a", 1), ("b", 2), ("c", 3))}
    given, _ = live.run(arrays, deadline=a_minute())
    expected = model([arrays["b"], {"c": arrays["c"], "a": arrays["a"]}])

    assert_close(given["z"], expected["z"])
    (other,) = (given[name] for name in given if name != "z")
    assert_close(other, expected["y"][0])


def test_a_diagnosis_has_no_colours_of_a_terminal() -> None:
    said = ValueError("Exception in call.\n\n\x1b[1;31m'a' is not valid in /home/me/net.py\x1b[0m")

    assert one_line(said) == "Exception in call. 'a' is not valid in net.py"
