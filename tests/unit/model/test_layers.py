"""What is said of a layer, in brief and in full, and the batch axis in its shapes."""

import json
from typing import Any

import pytest

from service.model.layers import Layer, with_batch

CONVOLUTION = Layer(
    "conv2d",
    "Conv2D",
    (None, 26, 26, 32),
    320,
    input_shape=(None, 28, 28, 1),
    trainable_parameters=320,
    dtype="float32",
    activation="relu",
    kernel_size=(3, 3),
    strides=(1, 1),
    padding="valid",
    dilation_rate=(1, 1),
    macs=26 * 26 * 32 * 9,
    activation_bytes=26 * 26 * 32 * 4,
    receptive_field=(3, 3),
    inbound=("input",),
)
JOIN = Layer(
    "join",
    "Concatenate",
    (None, 6),
    0,
    input_shape=((None, 4), (None, 2)),
    inbound=("left", "right"),
)
FLATTEN = Layer("flatten", "Flatten", (None, 784), 0, order="row, column, channel")

SHAPES = {
    "free batch": ((None, 26, 26, 32), 5, [5, 26, 26, 32]),
    "batch left open": ((None, 26), None, [None, 26]),
    "fixed batch": ((8, 26), 5, [8, 26]),
    "other free axes stay free": ((None, None, 3), 5, [5, None, 3]),
    "several shapes": (((None, 4), (None, 2)), 5, [[5, 4], [5, 2]]),
    "no shape": (None, 5, None),
    "no axes": ((), 5, []),
}


@pytest.mark.parametrize(("shape", "batch", "filled"), SHAPES.values(), ids=SHAPES)
def test_the_batch_goes_into_the_free_first_axis_alone(shape: Any, batch: int | None, filled: Any) -> None:
    assert with_batch(shape, batch) == filled


def test_in_brief_a_layer_has_name_type_shape_and_parameters() -> None:
    assert CONVOLUTION.brief(batch=1) == {
        "name": "conv2d",
        "type": "Conv2D",
        "output_shape": [1, 26, 26, 32],
        "parameters": 320,
    }


def test_in_full_both_shapes_carry_the_batch() -> None:
    full = JOIN.full(batch=2)
    assert (full["input_shape"], full["output_shape"]) == ([[2, 4], [2, 2]], [2, 6])


def test_in_full_a_layer_leaves_out_what_it_has_not() -> None:
    assert set(JOIN.full()) == {
        "name",
        "type",
        "output_shape",
        "parameters",
        "input_shape",
        "trainable_parameters",
        "inbound",
    }


def test_in_full_a_flatten_says_its_order() -> None:
    assert FLATTEN.full()["order"] == "row, column, channel"


@pytest.mark.parametrize("layer", [CONVOLUTION, JOIN, FLATTEN], ids=lambda layer: layer.name)
def test_a_layer_comes_back_from_json_as_it_was(layer: Layer) -> None:
    assert Layer.from_json(json.loads(json.dumps(layer.to_json()))) == layer
