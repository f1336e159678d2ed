"""Where a unit looks, proved by trial: no pixel outside its rectangle changes it, and one on each edge does."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.influence import Slopes, Trial

keras = pytest.importorskip("keras")
layers = keras.layers
ops = keras.ops

Make = Callable[[], Any]
Draw = Callable[[Any], Any]


def stack(*parts: Any, shape: tuple[int | None, ...] = (11, 9, 3)) -> Any:
    image = keras.Input(shape, name="image")
    out = image
    for part in parts:
        out = part(out)
    return keras.Model(image, out)


def some(count: int, *, most: int = 40) -> list[int]:
    """Return the first and the last number of a layer, and some between."""
    return sorted({0, count - 1, *np.random.default_rng(1).integers(0, count, most).tolist()})


def assert_whole_stack(model: Any, **options: Any) -> None:
    """Assert that units of what the model gives look where Keras says."""
    trial = Trial(model, **options)
    output = model.outputs[0]
    trial.assert_found(output, output._keras_history[0].name, some(trial.count(output)))


FIRST = {"data_format": "channels_first"}
ON_IMAGES: dict[str, Make] = {
    "valid": lambda: [layers.Conv2D(2, (3, 2))],
    "same": lambda: [layers.Conv2D(2, (4, 3), padding="same")],
    "same, strided": lambda: [layers.Conv2D(2, 3, strides=2, padding="same"), layers.Conv2D(2, 2, strides=2)],
    "strided more than wide": lambda: [layers.Conv2D(2, 2, strides=3, padding="same")],
    "dilated": lambda: [layers.Conv2D(2, 3, dilation_rate=(2, 3)), layers.Conv2D(2, 2, padding="same")],
    "dilated over padding": lambda: [layers.Conv2D(2, 2, dilation_rate=4, padding="same")],
    "grouped": lambda: [layers.Conv2D(6, 3, groups=3)],
    "depthwise": lambda: [layers.DepthwiseConv2D(3, strides=2, padding="same", depth_multiplier=2)],
    "separable": lambda: [layers.SeparableConv2D(2, 3, dilation_rate=2, padding="same")],
    "pooled": lambda: [layers.Conv2D(2, 2), layers.MaxPooling2D(2), layers.AveragePooling2D(3, 1)],
    "pooled, padded": lambda: [layers.MaxPooling2D(3, strides=2, padding="same"), layers.AveragePooling2D(2)],
    "adaptive": lambda: [layers.AdaptiveAveragePooling2D((4, 7))],
    "transposed": lambda: [layers.Conv2DTranspose(2, 3, strides=2), layers.Conv2D(1, 2)],
    "transposed, same": lambda: [layers.Conv2DTranspose(2, (4, 3), strides=(2, 3), padding="same")],
    "transposed with holes": lambda: [layers.Conv2DTranspose(2, 2, strides=3)],
    "transposed, output_padding": lambda: [
        layers.Conv2DTranspose(2, 3, strides=2, padding="same", output_padding=1),
        layers.Conv2DTranspose(2, 3, strides=2, output_padding=0),
    ],
    "transposed, dilated": lambda: [layers.Conv2DTranspose(2, 3, dilation_rate=2)],
    "zeros round it": lambda: [layers.ZeroPadding2D(((2, 1), (0, 3))), layers.Conv2D(2, 3, strides=2)],
    "only zeros": lambda: [layers.ZeroPadding2D(5), layers.Conv2D(2, 3, strides=2)],
    "cropped": lambda: [layers.Conv2D(2, 3, padding="same"), layers.Cropping2D(((1, 2), (3, 0)))],
    "upsampled": lambda: [layers.UpSampling2D((2, 3)), layers.Conv2D(2, 2)],
    "upsampled, bilinear": lambda: [layers.UpSampling2D((2, 3), interpolation="bilinear")],
    "upsampled, bicubic": lambda: [layers.UpSampling2D(2, interpolation="bicubic")],
    "resized": lambda: [layers.Resizing(5, 14), layers.Conv2D(2, 2)],
    "resized, nearest": lambda: [layers.Resizing(7, 5, interpolation="nearest")],
    "resized, bicubic": lambda: [layers.Resizing(6, 13, interpolation="bicubic")],
    "resized, area": lambda: [layers.Resizing(4, 5, interpolation="area")],
    "resized, lanczos": lambda: [layers.Resizing(4, 14, interpolation="lanczos3")],
    "resized, antialias": lambda: [layers.Resizing(4, 5, antialias=True)],
    "resized, cut": lambda: [layers.Resizing(6, 8, crop_to_aspect_ratio=True)],
    "resized, padded": lambda: [layers.Resizing(12, 6, pad_to_aspect_ratio=True)],
    "centre": lambda: [layers.CenterCrop(6, 4)],
    "centre of too small a picture": lambda: [layers.CenterCrop(12, 4)],
    "flattened": lambda: [layers.Conv2D(2, 3, padding="same"), layers.Flatten(), layers.Dropout(0.5)],
    "dense on a map": lambda: [layers.Conv2D(2, 3), layers.Dense(4)],
    "refolded": lambda: [layers.Conv2D(2, 3, padding="same"), layers.Reshape((99, 2)), layers.Reshape((11, 9, 2))],
    "refolded into other rows": lambda: [layers.Reshape((9, 11, 3)), layers.Conv2D(1, 2)],
    "permuted": lambda: [layers.Permute((2, 1, 3)), layers.Conv2D(2, (3, 2)), layers.Permute((3, 1, 2))],
    "normalized": lambda: [layers.BatchNormalization(), layers.Conv2D(4, 2), layers.LayerNormalization()],
    "augmented": lambda: [layers.RandomFlip(), layers.RandomRotation(0.2), layers.Rescaling(0.5), layers.Conv2D(1, 2)],
    "global": lambda: [layers.Conv2D(2, 3, strides=2), layers.GlobalAveragePooling2D()],
    "global, kept": lambda: [layers.Cropping2D(1), layers.GlobalMaxPooling2D(keepdims=True), layers.Conv2D(2, 1)],
    "softmax over columns": lambda: [layers.Conv2D(2, 3), layers.Softmax(axis=2)],
    "softmax as an activation": lambda: [layers.Permute((1, 3, 2)), layers.Dense(4, activation="softmax")],
    "sliced": lambda: [lambda x: x[:, 1:-2, ::-2, ::2], layers.Conv2D(1, 2)],
    "one row": lambda: [lambda x: x[:, -2], layers.Conv1D(2, 3, padding="causal", dilation_rate=2)],
    "padded by an operation": lambda: [lambda x: ops.pad(x, ((0, 0), (0, 2), (3, 0), (0, 0))), layers.Conv2D(1, 3)],
    "transposed by an operation": lambda: [lambda x: ops.transpose(x, (0, 2, 1, 3)), layers.Conv2D(1, (1, 3))],
    "a mean of rows": lambda: [layers.Conv2D(1, 2, strides=2), lambda x: ops.mean(x, axis=1)],
    "arithmetic": lambda: [lambda x: ops.clip(x / 2.0 + 1.0, 0.0, 1e6), layers.Conv2D(1, 2)],
    "pooled by an operation": lambda: [lambda x: ops.average_pool(x, 3, padding="same")],
    "one part of a split": lambda: [lambda x: ops.split(x, [2, 5], axis=1)[1], layers.Conv2D(1, 2)],
    "stacked": lambda: [lambda x: ops.stack([x[:, :5], x[:, 6:]], axis=1)],
    "rows as a sequence": lambda: [layers.Reshape((11, 27)), layers.Conv1D(2, 3), layers.MaxPooling1D(2)],
}  # fmt: skip


@pytest.mark.parametrize("name", ON_IMAGES)
def test_units_look_where_a_trial_says(name: str) -> None:
    assert_whole_stack(stack(*ON_IMAGES[name]()))


# ------------------------------------------------------------------------------------------------------------- branches


def test_branches_are_joined_and_each_channel_is_of_its_own_branch() -> None:
    image = keras.Input((10, 12, 3), name="image")
    wide = layers.Conv2D(2, (1, 5), padding="same", name="wide")(image)
    tall = layers.Conv2D(2, (5, 1), padding="same", name="tall")(image)
    added = layers.Add(name="added")([wide, tall])
    joined = layers.Concatenate(name="joined")([layers.Conv2D(1, 3, padding="same")(image), added, wide])
    flat = layers.Concatenate(name="flats")([layers.Flatten()(joined), layers.Flatten()(tall)])
    trial = Trial(keras.Model(image, flat))

    for name, tensor in (("added", added), ("joined", joined), ("flats", flat)):
        trial.assert_found(tensor, name, some(trial.count(tensor)))
    assert trial.unit("flats", 10 * 12 * 5 + 1).map == "tall"


def test_squeeze_and_excite_looks_at_everything_through_its_gate() -> None:
    image = keras.Input((9, 9, 4), name="image")
    gate = layers.Reshape((1, 1, 4))(layers.GlobalAveragePooling2D()(image))
    gated = layers.Multiply(name="gated")([layers.DepthwiseConv2D(3)(layers.ZeroPadding2D(1)(image)), gate])
    trial = Trial(keras.Model(image, gated))

    trial.assert_found(gated, "gated", [0, 100, 323])
    assert trial.regions("gated", 100) == {"image": (0, 0, 9, 9)}


def test_inputs_have_regions_of_their_own() -> None:
    left, right = keras.Input((8, 9, 1), name="left"), keras.Input((6, 5, 3), name="right")
    small = layers.Flatten()(layers.Conv2D(1, 3, strides=2)(left))
    large = layers.Flatten()(layers.Conv2D(2, 2)(right))
    joined = layers.Concatenate(name="joined")([small, large])
    out = layers.Dense(2, name="out")(joined)
    trial = Trial(keras.Model([left, right], out))

    trial.assert_found(joined, "joined", some(trial.count(joined)))
    trial.assert_found(out, "out", [0, 1])
    assert list(trial.regions("out", 0)) == ["left", "right"]


def test_calls_of_a_shared_layer_and_nested_models_are_told_apart() -> None:
    inside = keras.Input((None, None, 2), name="inside")
    first = layers.Conv2D(2, 3, name="first")(inside)
    body = keras.Model(inside, [first, layers.MaxPooling2D(2, name="second")(first)], name="body")
    image = keras.Input((21, 20, 3), name="image")
    start = layers.Conv2D(2, 2, name="start")(image)
    shared = layers.Conv2D(2, (1, 3), name="shared")
    early, late = body(start)
    again, more = body(layers.MaxPooling2D(2)(late))
    ends = [shared(early), shared(late), again]
    trial = Trial(keras.Model(image, [*ends, more]))

    trial.assert_found(early, "body/first", some(trial.count(early), most=10))
    trial.assert_found(late, "body/second", some(trial.count(late), most=10))
    trial.assert_found(again, "body/first", some(trial.count(again), most=10), call=1)
    calls = sorted(trial.unit("shared", 0, call=call).regions[0].bottom for call in (0, 1))
    assert calls == [4, 5]


def test_the_parts_of_a_split_are_told_apart() -> None:
    image = keras.Input((10, 6, 4), name="image")
    parts = ops.split(layers.Conv2D(4, 3)(image), 2, axis=1)
    trial = Trial(keras.Model(image, parts))

    for number, part in enumerate(parts):
        trial.assert_found(part, part._keras_history[0].name, some(trial.count(part), most=10), part=number)


def test_channels_first_is_read_from_the_layers() -> None:
    pool = layers.MaxPooling2D((2, 3), data_format="channels_first", name="pool")
    model = keras.Sequential([keras.Input((3, 8, 10)), pool, layers.Flatten(data_format="channels_first", name="flat")])
    trial = Trial(model)
    unit = trial.unit("pool", 1 * 12 + 2 * 3 + 1)

    assert (unit.channel, unit.row, unit.column) == (1, 2, 1)
    assert list(trial.regions("pool", unit.index).values()) == [(4, 3, 6, 6)]
    flat = trial.unit("flat", (2 * 3 + 1) * 3 + 1)
    assert (flat.map, flat.channel, flat.row, flat.column) == ("pool", 1, 2, 1)
    assert flat.regions == unit.regions


def test_a_flat_picture_is_laid_out_as_it_is() -> None:
    model = keras.Sequential(
        [keras.Input((784,), name="image"), layers.Reshape((28, 28, 1)), layers.Conv2D(2, 3, name="seen")]
    )
    assert Trial(model).regions("seen", (4 * 26 + 7) * 2) == {"image": (4, 7, 7, 10)}


def test_any_size_is_followed_once_it_is_said() -> None:
    parts = [
        layers.Conv2D(4, 3, strides=2, padding="same"),
        layers.MaxPooling2D(2),
        layers.Conv2DTranspose(3, 3, strides=2),
    ]
    trial = Trial(stack(*parts, layers.GlobalAveragePooling2D(), shape=(None, None, 3)), size=(17, 12))

    for part in parts:
        trial.assert_found(part.output, part.name, some(trial.count(part.output), most=20))


def test_a_unit_of_zeros_alone_looks_nowhere() -> None:
    trial = Trial(stack(layers.ZeroPadding2D(4, name="zeros"), layers.Conv2D(1, 2)))
    (region,) = trial.unit("zeros", 0).regions

    assert (region.top, region.left, region.bottom, region.right) == (0, 0, 0, 0)


def test_what_is_not_known_is_taken_to_look_at_everything() -> None:
    class Conv2D(keras.layers.Layer):  # type: ignore[name-defined]
        def call(self, inputs: Any) -> Any:
            return ops.roll(inputs, 3, axis=1)

    custom = Conv2D(name="custom")
    trial = Trial(
        stack(layers.Conv2D(2, 3), custom, layers.Conv2D(1, 2, activation=lambda x: ops.flip(x, 1), name="odd"))
    )

    assert trial.regions("custom", 0) == {"image": (0, 0, 11, 9)}
    assert trial.regions("odd", 0) == {"image": (0, 0, 11, 9)}


# ------------------------------------------------------------------------------------------------------ random networks


def convolved(draw: Draw, out: Any) -> Any:
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)))
    strides, dilation = draw(st.sampled_from([(1, 1), (2, 1), (3, 1), (1, 2), (1, 3)]))
    kind = draw(st.sampled_from([layers.Conv2D, layers.DepthwiseConv2D, layers.SeparableConv2D]))
    filters = () if kind is layers.DepthwiseConv2D else (2,)
    return kind(
        *filters, kernel, strides=strides, dilation_rate=dilation, padding=padding_for(draw, out, kernel, dilation)
    )(out)


def padding_for(draw: Draw, out: Any, kernel: tuple[int, int], dilation: int = 1) -> str:
    fits = all((size - 1) * dilation < side for size, side in zip(kernel, out.shape[1:3], strict=True))
    return draw(st.sampled_from(["valid", "same"])) if fits else "same"


def pooled(draw: Draw, out: Any) -> Any:
    size = (draw(st.integers(1, 3)), draw(st.integers(1, 3)))
    kind = draw(st.sampled_from([layers.MaxPooling2D, layers.AveragePooling2D]))
    return kind(size, strides=draw(st.integers(1, 3)), padding=padding_for(draw, out, size))(out)


def grown(draw: Draw, out: Any) -> Any:
    if max(out.shape[1:3]) > 20:
        return out
    kernel, strides = draw(st.integers(1, 4)), draw(st.integers(1, 3))
    return draw(
        st.sampled_from(
            [
                layers.Conv2DTranspose(2, kernel, strides=strides, padding=draw(st.sampled_from(["valid", "same"]))),
                layers.UpSampling2D(2, interpolation=draw(st.sampled_from(["nearest", "bilinear"]))),
                layers.ZeroPadding2D(((draw(st.integers(0, 3)), 1), (0, draw(st.integers(0, 3))))),
                layers.Resizing(draw(st.integers(3, 15)), draw(st.integers(3, 15))),
            ]
        )
    )(out)


def branched(draw: Draw, out: Any) -> Any:
    other = layers.Conv2D(out.shape[-1], (draw(st.integers(1, 4)), draw(st.integers(1, 4))), padding="same")(out)
    return draw(st.sampled_from([layers.Add(), layers.Concatenate(), layers.Maximum()]))([out, other])


RANDOM = (convolved, convolved, pooled, grown, branched)


@settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    phases=[Phase.generate],  # shrinking would build hundreds of networks
    suppress_health_check=list(HealthCheck),
)
@given(st.data())
def test_units_of_random_networks_look_where_a_trial_says(data: st.DataObject) -> None:
    image = keras.Input((data.draw(st.integers(7, 13)), data.draw(st.integers(7, 13)), 2), name="image")
    out = image
    for _ in range(data.draw(st.integers(1, 4))):
        out = RANDOM[data.draw(st.integers(0, len(RANDOM) - 1))](data.draw, out)
    trial = Trial(keras.Model(image, out))

    trial.assert_found(out, trial.layers[-1].name, some(trial.count(out), most=12))


# --------------------------------------------------------------------------------------------------------- whole models

BUNDLED = sorted(path.name for path in (Path(__file__).resolve().parents[2] / "models").iterdir() if path.is_dir())


@pytest.mark.parametrize("name", BUNDLED)
def test_units_of_every_layer_of_the_bundled_models_look_where_slopes_say(name: str, bundled_models: Path) -> None:
    model = linear(keras.models.load_model(bundled_models / name / "1/model.keras"))
    trial = Trial(model, size=(21, 24) if None in model.inputs[0].shape[1:] else None)
    assert_slopes(trial, [layer.name for layer in trial.layers])


def test_units_of_mobilenet_look_where_slopes_say() -> None:
    trial = Trial(linear(keras.applications.MobileNetV2((64, 64, 3), weights=None, include_top=False, pooling="avg")))
    assert_slopes(trial, [layer.name for layer in trial.layers[1::25]])


def assert_slopes(trial: Trial, names: list[str]) -> None:
    for (layer, index), found in Slopes(trial, names).regions().items():
        assert trial.regions(layer, index) == found, (layer, index)


def linear(model: Any) -> Any:
    """Return a copy whose layers let every change through: means for maxima, and no activations."""

    def copied(layer: Any) -> Any:
        config = layer.get_config()
        if isinstance(layer, layers.ReLU):
            return layers.Activation("linear", name=layer.name)
        kind = layers.AveragePooling2D if isinstance(layer, layers.MaxPooling2D) else type(layer)
        return kind.from_config(config | ({"activation": "linear"} if "activation" in config else {}))

    return keras.models.clone_model(model, clone_function=copied)


def test_functions_that_keras_2_wrapped_are_followed() -> None:
    tf = pytest.importorskip("tensorflow")
    tf_keras = pytest.importorskip("tf_keras")
    image = tf_keras.Input((12, 10, 3), name="image")
    out = tf.pad(image / 127.5 + 1.0, [[0, 0], [2, 0], [0, 1], [0, 0]])
    out = tf_keras.layers.Conv2D(2, 3)(tf.concat([out[:, 1:-1, :8], out[:, 2:, 3:]], 3))
    out = tf.transpose(tf.nn.relu(tf.squeeze(tf.expand_dims(out, 1), 1)), [0, 2, 1, 3])
    mean = tf.reduce_mean(out[:, :2], [1, 3], keepdims=True)
    trial = Trial(tf_keras.Model(image, mean))

    assert_slopes(trial, [layer.name for layer in trial.layers])


# ----------------------------------------------------------------------------------------------------- receptive fields


def test_the_receptive_field_is_the_size_of_an_inner_units_region() -> None:
    parts = [
        layers.Conv2D(2, 3, padding="same"),
        layers.MaxPooling2D(2),
        layers.DepthwiseConv2D(3, dilation_rate=2, padding="same"),
        layers.Conv2D(2, (3, 1), strides=2),
        layers.AveragePooling2D(2, strides=1),
    ]
    trial = Trial(stack(*parts, shape=(64, 64, 1)))

    for layer in trial.layers:
        _, rows, columns, channels = trial.model.get_layer(layer.name).output.shape
        index = ((rows // 2) * columns + columns // 2) * channels
        (region,) = trial.unit(layer.name, index).regions
        assert (region.bottom - region.top, region.right - region.left) == layer.receptive_field, layer.name
