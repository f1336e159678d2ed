"""The hints on a card: each given where it must be, and not where it would be a false alarm."""

from dataclasses import replace
from typing import Any

import pytest

from service.model.description import Description, InputFacts, OutputFacts
from service.model.head import Head
from service.model.hints import hints_of
from service.model.layers import Layer
from service.model.tensors import TensorSpec
from tests.fakes import describe

ORDER = "row, column, channel"


def layer(name: str, kind: str, taken: Any, given: Any, inbound: str = "", **more: Any) -> Layer:
    """Return a layer by its item shapes, without the batch axis, with the parameters that Keras would count."""
    side, channels = more.get("kernel_size", (1, 1))[0], taken[-1]
    has_weights = kind in ("Dense", "Conv2D")
    return Layer(
        name,
        kind,
        (None, *given),
        (side * side * channels + 1) * given[-1] if has_weights else 0,
        input_shape=(None, *taken),
        inbound=(inbound,) if inbound else (),
        **more,
    )


def conv(name: str, taken: Any, given: Any, inbound: str, *, kernel: int = 3, strides: int = 1) -> Layer:
    sides = {"kernel_size": (kernel, kernel), "strides": (strides, strides)}
    return layer(name, "Conv2D", taken, given, inbound, activation="relu", **sides)


def dense(name: str, taken: int, given: int, inbound: str, activation: str = "relu") -> Layer:
    return layer(name, "Dense", (taken,), (given,), inbound, activation=activation)


def image(*item: int) -> Layer:
    return layer("image", "InputLayer", item, item)


def facts(*layers: Layer, order: Any = "channels_last", outputs: tuple[OutputFacts, ...] = ()) -> Description:
    inputs = (InputFacts(TensorSpec("image", (None, 28, 28, 1)), order),)
    return replace(describe(inputs=inputs), layers=layers, outputs=outputs)


def hints(*layers: Layer, **more: Any) -> tuple[str, ...]:
    return hints_of(facts(*layers, **more), {})


# ------------------------------------------------------------------------------ a large Dense after a Flatten

BODY = (
    image(28, 28, 1),
    conv("conv2d", (28, 28, 1), (26, 26, 32), "image"),
    layer("pool", "MaxPooling2D", (26, 26, 32), (13, 13, 32), "conv2d", pool_size=(2, 2)),
    conv("conv2d_1", (13, 13, 32), (11, 11, 64), "pool"),
    layer("pool_1", "MaxPooling2D", (11, 11, 64), (5, 5, 64), "conv2d_1", pool_size=(2, 2)),
)
FLATTEN = layer("flatten", "Flatten", (5, 5, 64), (1600,), "pool_1", order=ORDER)
MNIST = (*BODY, FLATTEN, dense("dense", 1600, 128, "flatten"), dense("dense_1", 128, 10, "dense", "softmax"))
PAIR = (
    "dense (Dense) takes all 1,600 numbers of flatten and so holds 204,928 of the model's 225,034 parameters (91 %); "
    "with global pooling in place of Flatten, 64 numbers, it would hold 8,320."
)


def test_a_dense_that_holds_most_parameters_after_a_flatten_is_pointed_at() -> None:
    assert hints(*MNIST) == (PAIR,)


def test_a_dropout_between_the_two_hides_nothing() -> None:
    dropout = layer("dropout", "Dropout", (1600,), (1600,), "flatten")
    assert hints(*BODY, FLATTEN, dropout, dense("dense", 1600, 128, "dropout"), MNIST[-1]) == (PAIR,)


def test_two_flattens_that_are_joined_are_both_named() -> None:
    other = replace(FLATTEN, name="flatten_1")
    join = Layer("join", "Concatenate", (None, 3200), 0, ((None, 1600),) * 2, inbound=("flatten", "flatten_1"))
    (hint,) = hints(*BODY, FLATTEN, other, join, dense("dense", 3200, 128, "join"))
    assert hint.startswith("dense (Dense) takes all 3,200 numbers of flatten and flatten_1 ")
    assert hint.endswith("with global pooling in place of Flatten, 128 numbers, it would hold 16,512.")


@pytest.mark.parametrize(
    ("flatten", "order"),
    [(FLATTEN, "channels_first"), (replace(FLATTEN, order=None), "channels_last")],
    ids=["channels first", "order not known"],
)
def test_where_the_channels_are_is_not_guessed(flatten: Layer, order: str) -> None:
    (hint,) = hints(*BODY, flatten, *MNIST[-2:], order=order)
    assert hint.endswith("parameters (91 %).")


def test_a_small_dense_is_not_worth_a_hint_whatever_its_share() -> None:
    assert hints(*BODY, FLATTEN, dense("dense", 1600, 60, "flatten")) == ()


def test_a_dense_that_holds_less_than_half_is_none() -> None:
    wide = conv("wide", (5, 5, 64), (5, 5, 640), "pool_1")
    back = conv("back", (5, 5, 640), (5, 5, 64), "wide", kernel=1)
    flatten = replace(FLATTEN, inbound=("back",))
    assert hints(*BODY, wide, back, flatten, dense("dense", 1600, 128, "flatten")) == ()


def test_a_large_dense_after_global_pooling_is_none() -> None:
    pool = layer("global", "GlobalAveragePooling2D", (5, 5, 64), (64,), "pool_1")
    assert hints(*BODY, pool, dense("dense", 64, 4000, "global")) == ()


def test_a_net_of_dense_layers_alone_flattens_its_picture_and_gets_no_hint() -> None:
    flatten = layer("flatten", "Flatten", (28, 28), (784,), "image", order="row, column")
    assert hints(image(28, 28), flatten, dense("dense", 784, 512, "flatten")) == ()


# ----------------------------------------------------------------------------------- a kernel given as strides


def test_strides_as_large_as_the_first_kernel_are_pointed_at() -> None:
    (hint,) = hints(image(64, 64, 3), conv("conv2d", (64, 64, 3), (21, 21, 32), "image", strides=3))
    assert hint == (
        "conv2d (Conv2D) moves its 3x3 kernel by 3 pixels at a time and so makes 64x64x3 to 21x21x32: that is what "
        "Conv2D(n, 3, 3) means since Keras 2; a 3x3 kernel moved by 1 is Conv2D(n, (3, 3))."
    )


def test_a_rescaling_before_the_first_kernel_hides_nothing() -> None:
    rescaling = layer("rescaling", "Rescaling", (64, 64, 3), (64, 64, 3), "image")
    conv2d = conv("conv2d", (64, 64, 3), (21, 21, 32), "rescaling", strides=3)
    assert len(hints(image(64, 64, 3), rescaling, conv2d)) == 1


@pytest.mark.parametrize(
    ("kernel", "strides", "given"),
    [(3, 1, (62, 62, 32)), (3, 2, (31, 31, 32)), (4, 4, (16, 16, 32)), (16, 16, (4, 4, 32)), (1, 1, (64, 64, 32))],
    ids=["plain", "strided", "patches of 4", "patches of 16", "one by one"],
)
def test_other_strides_are_not(kernel: int, strides: int, given: tuple[int, ...]) -> None:
    assert hints(image(64, 64, 3), conv("conv2d", (64, 64, 3), given, "image", kernel=kernel, strides=strides)) == ()


def test_large_strides_deeper_in_the_net_may_be_meant() -> None:
    first = conv("conv2d", (64, 64, 3), (62, 62, 8), "image")
    assert hints(image(64, 64, 3), first, conv("down", (62, 62, 8), (20, 20, 8), "conv2d", strides=3)) == ()


# ------------------------------------------------------------------------------------- two Dense in a row


def test_two_dense_without_an_activation_between_are_one() -> None:
    (hint,) = hints(image(20), dense("hidden", 20, 64, "image", "linear"), dense("out", 64, 3, "hidden", "softmax"))
    assert hint == (
        "hidden (Dense) has no activation before out (Dense): the two with their 1,539 parameters can do no more than "
        "one Dense of 3 units with 63."
    )


def test_a_dropout_between_two_dense_is_no_activation() -> None:
    dropout = layer("dropout", "Dropout", (64,), (64,), "hidden")
    first, second = dense("hidden", 20, 64, "image", "linear"), dense("out", 64, 3, "dropout", "softmax")
    assert len(hints(image(20), first, dropout, second)) == 1


@pytest.mark.parametrize(
    "between",
    [
        dense("hidden", 20, 64, "image", "relu"),
        dense("hidden", 20, 2, "image", "linear"),
    ],
    ids=["an activation", "a bottleneck"],
)
def test_dense_layers_that_do_more_than_one_are_left_alone(between: Layer) -> None:
    out = dense("out", between.output_shape[-1], 3, "hidden", "softmax")  # type: ignore[index,arg-type]
    assert hints(image(20), between, out) == ()


def test_an_activation_of_its_own_between_two_dense_counts() -> None:
    relu = layer("relu", "ReLU", (64,), (64,), "hidden", activation="relu")
    layers = (dense("hidden", 20, 64, "image", "linear"), relu, dense("out", 64, 3, "relu", "softmax"))
    assert hints(image(20), *layers) == ()


# ------------------------------------------------------------------------------------- softmax of one unit

ALWAYS_ONE = (
    "out ({kind}) takes the softmax of 1 unit, which is always 1.0: for yes or no use 1 unit with a sigmoid, or 2 "
    "with a softmax."
)


@pytest.mark.parametrize("kind", ["Dense", "Activation", "Softmax"])
def test_a_softmax_of_one_unit_is_pointed_at(kind: str) -> None:
    assert hints(image(20), layer("out", kind, (20,), (1,), "image", activation="softmax")) == (
        ALWAYS_ONE.format(kind=kind),
    )


@pytest.mark.parametrize(
    ("kind", "given", "activation"),
    [
        ("Dense", (1,), "sigmoid"),
        ("Dense", (2,), "softmax"),
        ("Softmax", (9, 9, 1), "softmax"),
        ("LSTM", (1,), "softmax"),
    ],
    ids=["sigmoid", "two units", "over other axes, perhaps", "inside a cell"],
)
def test_other_ends_are_not(kind: str, given: tuple[int, ...], activation: str) -> None:
    assert hints(image(20), layer("out", kind, given, given, "image", activation=activation)) == ()


# --------------------------------------------------------------------------------------- sigmoids of one class

SIGMOIDS = OutputFacts(TensorSpec("kind", (None, 5)), "sigmoid", "categorical_crossentropy")


@pytest.mark.parametrize(
    ("loss", "reading"),
    [
        ("categorical_crossentropy", "trained with categorical_crossentropy, a one-of-many loss"),
        (None, "read as one of many"),
    ],
)
def test_exclusive_sigmoids_need_not_add_up_to_one(loss: str | None, reading: str) -> None:
    described = facts(image(20), outputs=(replace(SIGMOIDS, loss=loss),))
    assert hints_of(described, {"kind": "sigmoid-exclusive"}) == (
        f"Output kind has 5 sigmoids {reading}: each probability stands for itself, and together they need not add up "
        "to 1.",
    )


@pytest.mark.parametrize("head", ["multi-label", "softmax", "binary"])
def test_other_heads_say_nothing_of_a_sum(head: Head) -> None:
    assert hints_of(facts(image(20), outputs=(SIGMOIDS,)), {"kind": head}) == ()


# ------------------------------------------------------------------------------------------- a Dense on maps


@pytest.mark.parametrize("end", [(), (layer("soft", "Softmax", (26, 26, 10), (26, 26, 10), "dense"),)])
def test_a_dense_on_maps_at_the_end_is_pointed_at(end: tuple[Layer, ...]) -> None:
    last = layer("dense", "Dense", (26, 26, 32), (26, 26, 10), "conv2d", activation="linear")
    assert hints(*BODY[:2], last, *end) == (
        "dense (Dense) works on maps of 26x26x32 position by position, so that the output is a map of 26x26x10: if one "
        "answer for the whole was meant, put a Flatten or a global pooling before it.",
    )


def test_a_dense_on_maps_inside_a_net_may_be_meant() -> None:
    inner = layer("dense", "Dense", (26, 26, 32), (26, 26, 10), "conv2d")
    assert hints(*BODY[:2], inner, layer("pool", "GlobalAveragePooling2D", (26, 26, 10), (10,), "dense")) == ()


def test_a_convolution_at_the_end_gives_a_map_on_purpose() -> None:
    assert hints(*BODY[:2]) == ()
