"""Real Keras models of many shapes, built and run; Keras is the oracle for every number.

Most are built in this process, which imports TensorFlow once; what a build may do to its surroundings is tested in the
real child process.
"""

import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.builder.build import build as build_here
from service.builder.order import BuildOrder
from service.builder.process import BuildLimits, build_bundle
from service.errors import (
    BrokenModelError,
    BuildInterruptedError,
    ModelError,
    UnsafeModelError,
    UnsupportedModelError,
)
from service.model.layers import Layer
from service.model.sidecar import Sidecar
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.saved import Saved, sha256_of
from service.repository.sources import find_sources
from service.serving.live_model import LiveModel, load_model
from tests import toys

keras = pytest.importorskip("keras")
layers = keras.layers

LIMITS = BuildLimits(seconds=120, memory=8 * 2**30)
Build = Callable[..., LiveModel]


@pytest.fixture
def store(tmp_path: Path) -> BundleStore:
    return BundleStore(tmp_path / "cache")


@pytest.fixture
def build(store: BundleStore, tmp_path: Path) -> Build:
    """Save a Keras model, build it here and load the bundle."""

    def build_one(model: Any, *, file: str = "toy.keras") -> LiveModel:
        path = tmp_path / file
        model.save(path)
        fingerprint = fingerprint_of(sha256_of(path))
        with store.staging("toy") as staged:
            order = BuildOrder(
                saved=Saved(path), staged=staged, name="toy", version=1, fingerprint=fingerprint, memory=0
            )
            build_here(order, progress=print)
            bundle = store.add(staged, "toy", fingerprint)
        return load_model(bundle, Sidecar(), 1, fingerprint)

    return build_one


def stack_of(live: LiveModel) -> tuple[Layer, ...]:
    """Return the layers as the bundle describes them."""
    assert live.card.facts.layers is not None
    return live.card.facts.layers


def build_file(path: Path, store: BundleStore, limits: BuildLimits = LIMITS) -> Bundle:
    (source,) = find_sources(path)
    return build_bundle(source, fingerprint_of(sha256_of(path)), store=store, limits=limits)


def randomised(model: Any) -> Any:
    """Give every weight a value of its own, so that a mix-up of layers or channels shows."""
    random = np.random.default_rng(3)
    model.set_weights([random.normal(0, 0.3, weight.shape) for weight in model.get_weights()])
    return model


def sequential(*stack: Any) -> Any:
    return randomised(keras.Sequential(list(stack)))


def assert_answers_as_keras(live: LiveModel, model: Any, *shapes: tuple[int, ...], high: float = 1.0) -> None:
    random = np.random.default_rng(7)
    arrays = [random.uniform(0, high, shape).astype("float32") for shape in shapes]
    names = [one.spec.name for one in live.card.inputs]
    found, _ = live.run(dict(zip(names, arrays, strict=True)), deadline=time.monotonic() + 60)
    expected = model(arrays if len(arrays) > 1 else arrays[0], training=False)
    for got, want in zip(found.values(), keras.tree.flatten(expected), strict=True):
        np.testing.assert_allclose(got, np.asarray(want), rtol=1e-4, atol=1e-5)


def test_batches_larger_than_a_chunk_are_answered_as_one(build: Build) -> None:
    model = sequential(keras.Input((8, 8, 1)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(4))
    assert_answers_as_keras(build(model), model, (77, 8, 8, 1))


@pytest.mark.parametrize("suffix", ["keras", "h5"])
def test_both_kinds_of_file_are_built(build: Build, suffix: str) -> None:
    model = sequential(keras.Input((8, 8, 3)), layers.Conv2D(3, 3), layers.Flatten(), layers.Dense(4))
    live = build(model, file=f"toy.{suffix}")

    assert_answers_as_keras(live, model, (2, 8, 8, 3))
    assert live.card.facts.source.written_by.startswith("Keras 3.15")


def test_an_hdf5_file_under_a_keras_name_is_built_by_what_it_is(store: BundleStore, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "toy.h5")
    (tmp_path / "renamed").mkdir()
    shutil.copy(tmp_path / "toy.h5", tmp_path / "renamed/toy.keras")

    assert build_file(tmp_path / "renamed/toy.keras", store).facts.parameters > 0


def test_an_input_without_a_channel_axis_takes_grey_pictures(build: Build) -> None:
    model = sequential(keras.Input((28, 28)), layers.Flatten(), layers.Dense(10, activation="softmax"))
    live = build(model)

    assert_answers_as_keras(live, model, (3, 28, 28))
    layout = live.card.inputs[0].layout
    assert layout is not None
    assert (layout.channels, layout.has_channel_axis) == (1, False)
    assert stack_of(live)[1].order == "row, column"


def test_a_flat_input_is_a_square_picture(build: Build) -> None:
    model = sequential(keras.Input((784,)), layers.Dense(10, activation="softmax"))
    live = build(model)

    assert_answers_as_keras(live, model, (3, 784))
    layout = live.card.inputs[0].layout
    assert layout is not None
    assert (layout.height, layout.width, layout.is_flat) == (28, 28, True)


def test_a_free_height_and_width_stay_free(build: Build) -> None:
    model = sequential(
        keras.Input((None, None, 3)),
        layers.Conv2D(4, 3),
        layers.GlobalAveragePooling2D(),
        layers.Dense(3, activation="softmax"),
    )
    live = build(model)

    assert_answers_as_keras(live, model, (2, 40, 52, 3))
    assert_answers_as_keras(live, model, (1, 17, 9, 3))
    assert stack_of(live)[1].output_shape == (None, None, None, 4)
    assert stack_of(live)[1].macs is None


def test_two_inputs_and_two_outputs_keep_their_names(build: Build) -> None:
    large, small = keras.Input((16, 16, 1), name="zoomed"), keras.Input((8, 8, 3), name="around")
    joined = layers.Concatenate(name="joined")([layers.Flatten(name="l")(large), layers.Flatten(name="s")(small)])
    kind = layers.Dense(3, activation="softmax", name="kind")(joined)
    worth = layers.Dense(1, activation="sigmoid", name="any")(joined)
    model = randomised(keras.Model([large, small], [kind, worth]))
    live = build(model)

    assert [one.spec.name for one in live.card.inputs] == ["zoomed", "around"]
    assert_answers_as_keras(live, model, (2, 16, 16, 1), (2, 8, 8, 3))
    assert [one.head for one in live.card.outputs] == ["softmax", "binary"]
    assert next(one for one in stack_of(live) if one.name == "joined").inbound == ("l", "s")


def test_a_nested_model_shows_its_layers_under_its_name(build: Build) -> None:
    inner = keras.Sequential([keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv")], name="backbone")
    outer = keras.Input((8, 8, 3))
    model = randomised(keras.Model(outer, layers.Dense(2)(layers.Flatten()(inner(outer)))))
    live = build(model)

    names = [one.name for one in stack_of(live)]
    assert "backbone/conv" in names
    assert_answers_as_keras(live, model, (2, 8, 8, 3))
    assert live.card.facts.parameters == model.count_params()
    flatten = next(one for one in stack_of(live) if one.type == "Flatten")
    assert flatten.order == "row, column, channel"
    assert flatten.inbound == ("backbone/conv",)


@pytest.mark.parametrize(
    ("stack", "scale", "source"),
    [
        ([layers.Rescaling(1 / 255)], "0..255", "graph"),
        ([layers.Rescaling(1 / 127.5, offset=-1)], "0..255", "graph"),
        ([layers.Resizing(8, 8), layers.RandomFlip(), layers.Rescaling(1 / 255)], "0..255", "graph"),
        ([layers.Normalization(mean=[120.0, 115.0, 100.0], variance=[60.0, 60.0, 60.0])], "0..255", "graph"),
        ([layers.Rescaling(2.0, offset=-1)], "0..1", "graph"),
        ([layers.Rescaling(255.0)], "0..1", "graph"),
        ([layers.Rescaling(127.5, offset=127.5)], "-1..1", "graph"),
        ([layers.Rescaling(0.5, offset=0.5)], "-1..1", "graph"),
        ([layers.Rescaling(255.0), layers.Rescaling(1 / 127.5, offset=-1)], "0..1", "graph"),
        ([layers.Normalization(mean=[0.5, 0.5, 0.5], variance=[0.1, 0.1, 0.1])], "0..1", "graph"),
        ([layers.Normalization(mean=[0.485, 0.456, 0.406], variance=[0.0524, 0.0502, 0.0506])], "0..1", "graph"),
        ([layers.Rescaling(2.0, offset=-1), layers.Normalization(mean=[0.1], variance=[0.3])], "0..1", "graph"),
        ([layers.Normalization(mean=[-0.1, 0.0, 0.1], variance=[0.3, 0.3, 0.3])], "0..1", "default"),
        ([layers.Rescaling(1.0)], "0..1", "default"),
        ([layers.Rescaling(0.5)], "0..1", "default"),
        ([], "0..1", "default"),
    ],
)
def test_scaling_inside_the_model_is_found_so_that_nothing_is_scaled_twice(
    build: Build, stack: list[Any], scale: str, source: str
) -> None:
    # The layers are made when the tests are collected; copies have names of their own.
    stack = [type(one).from_config(one.get_config()) for one in stack]
    model = sequential(keras.Input((8, 8, 3)), *stack, layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3))
    recipe = build(model).card.inputs[0].recipe

    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == (scale, source)


@pytest.mark.parametrize(
    ("units", "activation", "head"),
    [
        (5, "softmax", "softmax"),
        (5, None, "logits"),
        (1, "sigmoid", "binary"),
        (1, None, "binary-logit"),
        (5, "sigmoid", "multi-label"),
        (5, "relu", "scores"),
    ],
)
def test_the_head_is_inferred_from_the_last_layer(build: Build, units: int, activation: str, head: str) -> None:
    model = sequential(keras.Input((8, 8, 1)), layers.Flatten(), layers.Dense(units, activation=activation))
    live = build(model)

    assert live.card.outputs[0].head == head
    assert_answers_as_keras(live, model, (4, 8, 8, 1))


def test_agreement_is_judged_before_a_softmax_however_it_is_written(build: Build) -> None:
    def stack(*last: Any) -> Any:
        return sequential(keras.Input((6, 6, 1)), layers.Flatten(), *last)

    for model in (
        stack(layers.Dense(3, activation="softmax")),
        stack(layers.Dense(3), layers.Softmax()),
        stack(layers.Dense(3), layers.Activation("softmax")),
    ):
        (verification,) = build(model).card.facts.verification
        assert verification.compared == "before the head"
        assert 0 < verification.max_relative <= 1
        assert verification.cases >= 5


@pytest.mark.parametrize(
    "behind",
    [
        lambda: [layers.Reshape((3,))],
        lambda: [layers.Flatten()],
        lambda: [layers.Dropout(0.5)],
        lambda: [layers.Activation("linear", dtype="float32")],
        lambda: [layers.Reshape((1, 1, 3))],
    ],
    ids=["reshape", "flatten", "dropout", "linear activation", "map of one"],
)
def test_a_softmax_behind_a_reshape_is_not_applied_twice(build: Build, behind: Callable[[], list[Any]]) -> None:
    model = sequential(keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3, activation="softmax"), *behind())
    live = build(model)

    assert live.card.outputs[0].head == "softmax"
    assert len(live.card.outputs[0].labels) == 3
    assert live.card.facts.verification[0].compared == "before the head"
    assert_answers_as_keras(live, model, (4, 6, 6, 1))


def test_a_softmax_inside_a_nested_model_is_found_behind_what_follows(build: Build) -> None:
    inner = keras.Sequential([keras.Input((36,)), layers.Dense(3, activation="softmax"), layers.Identity()])
    image = keras.Input((6, 6, 1))
    model = randomised(keras.Model(image, layers.Dropout(0.2)(inner(layers.Flatten()(image)))))
    live = build(model)

    assert live.card.outputs[0].head == "softmax"
    assert live.card.facts.verification[0].compared == "before the head"


def two_branches(activation: str | None, joined: Any) -> Any:
    image = keras.Input((6, 6, 1))
    flat = layers.Flatten()(image)
    return randomised(keras.Model(image, joined([layers.Dense(3, activation=activation)(flat) for _ in range(2)])))


@pytest.mark.parametrize(
    ("activation", "joining", "head"),
    [
        ("softmax", "Average", "softmax"),
        ("softmax", "Add", "scores"),
        ("softmax", "Concatenate", "scores"),
        ("sigmoid", "Concatenate", "multi-label"),
        ("relu", "Add", "scores"),
        (None, "Add", "logits"),
        (None, "Multiply", "scores"),
    ],
)
def test_a_layer_that_joins_answers_is_read_by_what_it_joins(
    build: Build, activation: str | None, joining: str, head: str
) -> None:
    live = build(two_branches(activation, getattr(layers, joining)()))

    assert live.card.outputs[0].head == head


@pytest.mark.parametrize(("activation", "head"), [(None, "logits"), ("relu", "scores"), ("softmax", "softmax")])
def test_pooling_at_the_end_is_read_by_what_it_pools(build: Build, activation: str | None, head: str) -> None:
    stack = [layers.Conv2D(3, 3, activation=activation), layers.GlobalAveragePooling2D()]
    output = build(sequential(keras.Input((6, 6, 1)), *stack)).card.outputs[0]

    assert output.head == head


def test_a_softmax_that_is_used_elsewhere_too_is_compared_at_the_outputs(build: Build) -> None:
    image, share = keras.Input((6, 6, 1)), layers.Softmax()
    gate = share(layers.Dense(36)(layers.Flatten()(image)))
    model = randomised(keras.Model(image, share(layers.Dense(3)(gate))))
    live = build(model)

    assert live.card.outputs[0].head == "softmax"
    assert live.card.facts.verification[0].compared == "outputs"


def test_one_head_that_feeds_another_is_left_out_in_both(build: Build) -> None:
    image = keras.Input((6, 6, 1))
    coarse = layers.Dense(3, activation="softmax", name="coarse")(layers.Flatten()(image))
    fine = layers.Dense(4, activation="softmax", name="fine")(coarse)
    live = build(randomised(keras.Model(image, [coarse, fine])))

    assert live.card.facts.verification[0].compared == "before the head"


def test_a_softmax_as_a_bare_operation_counts_and_a_logarithm_is_no_logit(build: Build) -> None:
    image = keras.Input((6, 6, 1))
    dense = layers.Dense(3)(layers.Flatten()(image))

    assert build(randomised(keras.Model(image, keras.ops.softmax(dense)))).card.outputs[0].head == "softmax"
    assert build(randomised(keras.Model(image, keras.ops.exp(dense)))).card.outputs[0].head == "scores"


def test_weights_that_are_not_numbers_are_refused(build: Build) -> None:
    model = sequential(keras.Input((6, 6, 1)), layers.Flatten(), layers.Dense(3, activation="softmax"))
    model.set_weights([np.full(weight.shape, np.nan) for weight in model.get_weights()])

    with pytest.raises(BrokenModelError, match="NaN"):
        build(model)


@pytest.mark.parametrize("inside", [[layers.Resizing(12, 10)], [layers.Rescaling(1 / 255), layers.CenterCrop(6, 6)]])
def test_a_model_that_resizes_itself_is_given_pictures_at_their_own_size(build: Build, inside: list[Any]) -> None:
    inside = [type(one).from_config(one.get_config()) for one in inside]
    model = sequential(keras.Input((None, None, 3)), *inside, layers.Conv2D(2, 3), layers.Flatten(), layers.Dense(3))
    live = build(model)
    recipe = live.card.inputs[0].recipe

    assert recipe is not None
    assert (recipe.size, recipe.source_of("size")) == ((None, None), "graph")
    for size in ((20, 31), (7, 9)):
        assert_answers_as_keras(live, model, (2, *size, 3))


def test_a_model_of_free_size_that_pools_is_not_said_to_resize(build: Build) -> None:
    model = sequential(
        keras.Input((None, None, 3)), layers.Conv2D(2, 3), layers.GlobalAveragePooling2D(), layers.Dense(3)
    )
    recipe = build(model).card.inputs[0].recipe

    assert recipe is not None
    assert recipe.source_of("size") == "default"


def test_scaling_is_found_for_each_input_by_itself(build: Build) -> None:
    one, other = keras.Input((6, 6, 3), name="one"), keras.Input((6, 6, 3), name="other")
    scaled = layers.Rescaling(1 / 255)(one)
    joined = layers.Concatenate()([layers.Flatten()(scaled), layers.Flatten()(other)])
    cards = build(randomised(keras.Model([one, other], layers.Dense(2)(joined)))).card.inputs

    assert [card.recipe.scale for card in cards if card.recipe] == ["0..255", "0..1"]


@pytest.mark.parametrize("family", ["mobilenet_v2", "resnet50", "densenet"])
def test_preprocess_input_written_into_the_graph_is_not_done_twice(build: Build, family: str) -> None:
    image = keras.Input((8, 8, 3))
    scaled = getattr(keras.applications, family).preprocess_input(image)
    model = randomised(keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Conv2D(2, 3)(scaled)))))
    live = build(model)

    assert live.card.inputs[0].recipe is not None
    assert live.card.inputs[0].recipe.scale == "0..255"
    assert_answers_as_keras(live, model, (2, 8, 8, 3), high=255)


@pytest.mark.parametrize(
    ("scaling", "scale"),
    [
        (lambda image: image * (1 / 127.5) - 1.0, "0..255"),
        (lambda image: (image - 127.5) / 127.5, "0..255"),
        (lambda image: 255 - image, "0..255"),
        (lambda image: keras.ops.divide(image, x2=255), "0..255"),
        (lambda image: image[..., ::-1] - np.array([104.0, 117.0, 124.0], "float32"), "0..255"),
        (lambda image: image * 2 - 1, "0..1"),
        (lambda image: image - 0.5, "0..1"),
        (lambda image: image * 127.5 + 127.5, "-1..1"),
        (lambda image: (image - 0.45) / 0.225, "0..1"),
        (lambda image: image * 255 / 127.5 - 1, "0..1"),
        (lambda image: 1 - image, "0..1"),
    ],
)
def test_inline_arithmetic_is_read_as_scaling(build: Build, scaling: Callable[[Any], Any], scale: str) -> None:
    image = keras.Input((6, 6, 3))
    recipe = build(keras.Model(image, layers.Dense(2)(layers.Flatten()(scaling(image))))).card.inputs[0].recipe

    assert recipe is not None
    assert recipe.scale == scale


def test_a_convolution_behind_a_permute_has_its_rows_and_columns_swapped(build: Build) -> None:
    stack = [layers.Permute((2, 1, 3)), layers.Conv2D(2, (5, 3)), layers.Flatten(), layers.Dense(2)]
    found = stack_of(build(sequential(keras.Input((12, 16, 1)), *stack)))

    assert found[2].receptive_field == (3, 5)
    assert found[3].order == "column, row, channel"


def test_a_permute_to_channels_first_leaves_the_input_channels_last(build: Build) -> None:
    pool = layers.MaxPooling2D(2, data_format="channels_first")
    stack = [layers.Permute((3, 1, 2)), pool, layers.Flatten(), layers.Dense(2)]
    live = build(sequential(keras.Input((8, 10, 3)), *stack))

    assert live.card.inputs[0].layout is not None
    assert (live.card.inputs[0].layout.order, live.card.inputs[0].layout.size) == ("channels_last", (8, 10))
    assert stack_of(live)[3].order == "channel, row, column"


@pytest.mark.parametrize(
    ("stack", "field"),
    [
        (lambda: [layers.Reshape((14, 14, 4))], (28, 28)),
        (lambda: [layers.Reshape((28, 28))], (1, 1)),
        (lambda: [layers.Reshape((28, 28)), layers.Dense(3)], (1, 28)),
        (lambda: [layers.Reshape((28, 28)), layers.Reshape((1, 28, 28))], (1, 1)),
    ],
)
def test_only_a_reshape_into_the_picture_keeps_positions(
    build: Build, stack: Callable[[], list[Any]], field: tuple[int, int]
) -> None:
    model = sequential(keras.Input((784,)), *stack(), layers.Flatten(), layers.Dense(2))

    assert stack_of(build(model))[-3].receptive_field == field


def test_what_a_nested_model_gives_is_named_by_the_layer_that_gives_it(build: Build) -> None:
    inside = keras.Input((8, 8, 3), name="inside")
    first = layers.Conv2D(2, 3, name="first")(inside)
    second = layers.Conv2D(2, 3, name="second")(first)
    nested = keras.Model(inside, [first, second], name="body")
    image = keras.Input((8, 8, 3), name="image")
    early, late = nested(image)
    joined = layers.Concatenate()([layers.Flatten(name="of_late")(late), layers.Flatten(name="of_early")(early)])
    live = build(randomised(keras.Model(image, layers.Dense(2)(joined))))
    found = {one.name: one for one in stack_of(live)}

    assert found["of_early"].inbound == ("body/first",)
    assert found["of_late"].inbound == ("body/second",)
    assert found["body/inside"].inbound == ("image",)


def test_dense_on_a_map_sees_one_position_and_reshape_and_permute_keep_the_axes(build: Build) -> None:
    model = sequential(
        keras.Input((784,)),
        layers.Reshape((28, 28, 1)),
        layers.Conv2D(4, 3),
        layers.Dense(5),
        layers.Permute((2, 1, 3)),
        layers.Flatten(),
        layers.Dense(2),
    )
    found = stack_of(build(model))

    assert [one.receptive_field for one in found] == [(1, 1), (1, 1), (3, 3), (3, 3), (3, 3), (28, 28), (28, 28)]
    assert found[5].order == "column, row, channel"


def test_an_input_of_bytes_is_described_as_such(build: Build) -> None:
    image = keras.Input((6, 6, 3), dtype="uint8")
    model = randomised(keras.Model(image, layers.Dense(2)(layers.Flatten()(layers.Rescaling(1 / 255)(image)))))
    live = build(model)

    assert (stack_of(live)[0].dtype, stack_of(live)[0].activation_bytes) == ("uint8", 6 * 6 * 3)
    assert live.card.inputs[0].recipe is not None
    assert live.card.inputs[0].recipe.scale == "0..255"


@pytest.mark.parametrize(
    ("own", "upstream", "order"),
    [
        ("channels_last", "channels_last", "row, column, channel"),
        ("channels_first", "channels_first", "row, column, channel"),
        ("channels_last", "channels_first", "channel, row, column"),
        ("channels_first", "channels_last", "column, channel, row"),
    ],
)
def test_flatten_says_its_order_and_keras_agrees(build: Build, own: str, upstream: str, order: str) -> None:
    axes = ("row", "column", "channel") if upstream == "channels_last" else ("channel", "row", "column")
    sizes = {"row": 4, "column": 3, "channel": 2}
    shape = tuple(sizes[axis] for axis in axes)
    pool = layers.AveragePooling2D(1, data_format=upstream)
    model = keras.Sequential([keras.Input(shape), pool, layers.Flatten(data_format=own)])
    flatten = stack_of(build(model))[-1]

    assert flatten.order == order
    cube = np.arange(24, dtype="float32").reshape(4, 3, 2)  # row, column, channel
    fed = cube.transpose([["row", "column", "channel"].index(axis) for axis in axes])
    told = cube.transpose([["row", "column", "channel"].index(axis) for axis in order.split(", ")])
    flattened = np.asarray(layers.Flatten(data_format=own)(fed[np.newaxis]))
    np.testing.assert_array_equal(flattened[0], told.reshape(-1))


def test_channels_first_models_are_described_and_answer_as_keras(build: Build) -> None:
    model = sequential(
        keras.Input((3, 8, 10)),
        layers.MaxPooling2D(2, data_format="channels_first"),
        layers.Flatten(data_format="channels_first"),
        layers.Dense(2),
    )
    live = build(model)
    layout = live.card.inputs[0].layout

    assert layout is not None
    assert (layout.height, layout.width, layout.channels, layout.order) == (8, 10, 3, "channels_first")
    assert_answers_as_keras(live, model, (2, 3, 8, 10))


def test_receptive_fields_and_costs_follow_the_formulas(build: Build) -> None:
    model = sequential(
        keras.Input((32, 32, 3)),
        layers.Conv2D(8, 5, strides=2, padding="same"),
        layers.DepthwiseConv2D(3),
        layers.SeparableConv2D(6, 3, dilation_rate=2),
        layers.GlobalMaxPooling2D(),
        layers.Dense(2),
    )
    found = stack_of(build(model))

    # 5; 5 + 2*2; 9 + 2*2*2; then the whole picture
    assert [one.receptive_field for one in found] == [(1, 1), (5, 5), (9, 9), (17, 17), (32, 32), (32, 32)]
    assert [one.macs for one in found] == [
        0,
        16 * 16 * 5 * 5 * 3 * 8,
        14 * 14 * 3 * 3 * 8,
        10 * 10 * (3 * 3 * 8 + 8 * 6),
        0,
        6 * 2,
    ]


def test_a_layer_graph_with_branches_names_what_feeds_each(build: Build) -> None:
    image = keras.Input((8, 8, 1), name="image")
    left = layers.Conv2D(2, 3, padding="same", name="left")(image)
    right = layers.Conv2D(2, 5, padding="same", name="right")(image)
    added = layers.Add(name="added")([left, right])
    model = randomised(keras.Model(image, layers.Dense(2, name="out")(layers.Flatten(name="flat")(added))))
    found = {one.name: one for one in stack_of(build(model))}

    assert found["left"].inbound == ("image",)
    assert found["added"].inbound == ("left", "right")
    assert found["added"].receptive_field == (5, 5)
    assert found["added"].input_shape == ((None, 8, 8, 2), (None, 8, 8, 2))


def test_a_build_leaves_nothing_behind_when_it_fails(store: BundleStore, tmp_path: Path) -> None:
    toys.save_with_lambda(tmp_path / "toy.keras", marker=tmp_path / "marker")

    with pytest.raises(UnsafeModelError, match="sneaky"):
        build_file(tmp_path / "toy.keras", store)

    assert list((tmp_path / "cache/toy").iterdir()) == []
    assert not (tmp_path / "marker").exists()


def test_a_build_over_its_memory_is_interrupted_not_blamed_on_the_model(store: BundleStore, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "toy.keras")

    with pytest.raises(BuildInterruptedError):
        build_file(tmp_path / "toy.keras", store, BuildLimits(seconds=60, memory=200 * 2**20))


def test_a_model_whose_layers_ask_for_too_much_is_stopped_by_the_limits(store: BundleStore, tmp_path: Path) -> None:
    sound = tmp_path / "sound.keras"
    toys.save_small_cnn(sound)

    def enlarge(config: dict[str, Any]) -> None:
        config["config"]["layers"][-1]["config"]["units"] = 10**11

    toys.with_config(sound, tmp_path / "huge.keras", enlarge)

    with pytest.raises((ModelError, BuildInterruptedError)):
        build_file(tmp_path / "huge.keras", store)


def test_two_builders_on_one_cache_do_not_build_at_the_same_time(store: BundleStore, tmp_path: Path) -> None:
    import fcntl

    toys.save_small_cnn(tmp_path / "toy.keras")
    store.build_lock.parent.mkdir(parents=True, exist_ok=True)
    with store.build_lock.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(BuildInterruptedError, match="Another builder"):
            build_file(tmp_path / "toy.keras", store)

    assert build_file(tmp_path / "toy.keras", store).facts.name == "toy"


def test_a_model_that_mixes_the_examples_of_a_batch_is_refused(build: Build) -> None:
    inputs = keras.Input((4, 4, 1))
    mixed = keras.ops.reshape(layers.Conv2D(2, 1)(inputs), (-1, 2))
    with pytest.raises(UnsupportedModelError, match="16 rows for 1 example"):
        build(randomised(keras.Model(inputs, mixed)))


def test_a_second_build_costs_nothing(store: BundleStore, tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "toy.keras")
    first = build_file(tmp_path / "toy.keras", store)

    (source,) = find_sources(tmp_path / "toy.keras")
    steps: list[str] = []
    again = build_bundle(
        source, fingerprint_of(sha256_of(source.path)), store=store, limits=LIMITS, progress=steps.append
    )

    assert steps == []
    assert again.path == first.path


def test_a_model_of_words_is_told_that_it_is_not_served(build: Build) -> None:
    model = keras.Sequential(
        [keras.Input((12,), dtype="int32"), layers.Embedding(50, 4), layers.Flatten(), layers.Dense(2)]
    )
    with pytest.raises(UnsupportedModelError, match="models of words"):
        build(model)
