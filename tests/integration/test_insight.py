"""The second graph against Keras: the output of every layer, gradients; a model without one is served all the same."""

import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.builder.insight import look_inside
from service.builder.legacy_program import LegacyProgram
from service.builder.process import BuildLimits
from service.engine.litert import LiteRtEngine
from service.errors import MisfitError, UnknownLayerError
from service.explain.insight import CamMaps, Insights
from service.model.insight import CamTap, LayerTap, output_names, tap_name, weight_input
from service.repository.bundle_files import INSIGHT
from service.repository.bundles import BundleStore
from service.repository.sources import find_sources
from service.serving.live_model import LiveModel
from service.serving.local import open_model
from tests import toys
from tests.conftest import ROOT
from tests.prebuilt import prebuild
from tests.served import served

keras = pytest.importorskip("keras")
tf = pytest.importorskip("tensorflow")
layers = keras.layers

BUNDLED = sorted(path.name for path in (ROOT / "models").iterdir() if path.is_dir())
RELATIVE = 1e-4
OF_LARGEST = 2e-5
"""Share of the largest value of a layer below which a difference is a rounding: sums of large terms cancel."""


def a_minute() -> float:
    return time.monotonic() + 60


@pytest.fixture(scope="module")
def bundled(cache: Path, bundled_models: Path) -> Path:
    prebuild(bundled_models, cache)
    return cache


def opened(models: Path, cache: Path) -> LiveModel:
    (source,) = find_sources(models)
    return open_model(source, store=BundleStore(cache), limits=BuildLimits(120, 8 * 2**30), progress=lambda _: None)


def randomised(model: Any, *, scale: float = 0.3) -> Any:
    """Give every weight a value of its own; what must be positive is."""
    random = np.random.default_rng(3)
    for weight in model.weights:
        values = random.normal(0, scale, weight.shape)
        is_positive = any(word in weight.name for word in ("moving_variance", "gamma"))
        weight.assign(np.abs(values) + 0.1 if is_positive else values)
    return model


def inputs_for(live: LiveModel, *, count: int = 1, side: int = 20, high: float = 1.0) -> dict[str, NDArray[Any]]:
    random = np.random.default_rng(11)
    specs = [one.spec for one in live.card.inputs]
    shapes = [(count, *(axis or side for axis in spec.item_shape)) for spec in specs]
    return {
        one.name: random.uniform(0, high, shape).astype(one.dtype) for one, shape in zip(specs, shapes, strict=True)
    }


def assert_close(found: NDArray[Any], expected: Any, name: str) -> None:
    expected = np.asarray(expected)
    floor = OF_LARGEST * np.abs(expected).max(initial=0) + 1e-7
    np.testing.assert_allclose(found, expected, rtol=RELATIVE, atol=floor, err_msg=name)


def inside_keras(model: Any, arrays: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """Return what each layer of a model without nested ones gives, by a model of Keras that has them as outputs."""
    shown = [one for one in model.layers if type(one).__name__ != "InputLayer"]
    inner = keras.Model(model.inputs, [one.output for one in shown])
    given = inner(list(arrays.values()), training=False)
    return dict(zip((one.name for one in shown), given if len(shown) > 1 else [given], strict=True))


def assert_every_layer_is_as_in_keras(live: LiveModel, model: Any, **options: Any) -> None:
    arrays = inputs_for(live, **options)
    expected = inside_keras(model, arrays)
    taps = [LayerTap(name) for name in expected]
    found = Insights().activations(live, arrays, taps, deadline=a_minute())
    assert {layer.name for layer in live.card.facts.layers or () if layer.type != "InputLayer"} >= set(expected)
    for tap, array in zip(taps, found, strict=True):
        assert_close(array, expected[tap.layer], tap.layer)


def gradients_of(live: LiveModel, arrays: Any, **weights: Sequence[float]) -> list[CamMaps]:
    rows = {name: np.array([one], np.float32) for name, one in weights.items()}
    return Insights().gradients(live, arrays, rows, deadline=a_minute())


# ------------------------------------------------------------------------------------------- every layer


@pytest.mark.parametrize("name", BUNDLED)
def test_every_layer_of_a_bundled_model_gives_what_it_gives_in_keras(
    name: str, bundled: Path, bundled_models: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundled_models / name, tmp_path / "models" / name)
    saved = next((tmp_path / "models").rglob("model.keras"))

    assert_every_layer_is_as_in_keras(opened(tmp_path / "models", bundled), keras.saving.load_model(saved))


@pytest.mark.parametrize(
    ("name", "options"),
    [("MobileNetV2", {"alpha": 0.35}), ("MobileNetV3Small", {"minimalistic": True})],
)
def test_every_layer_of_a_net_of_keras_applications_gives_what_it_gives_in_keras(
    name: str, options: dict[str, Any], tmp_path: Path
) -> None:
    keras.utils.set_random_seed(1)
    net = getattr(keras.applications, name)(weights=None, input_shape=(64, 64, 3), classes=7, **options)
    live = served(net, tmp_path, insight=True)

    assert_every_layer_is_as_in_keras(live, net, high=255.0)
    assert_gradients_are_as_in_keras(live, net, units=7)


def test_several_examples_are_given_as_one_batch_and_an_input_layer_gives_its_input(toy: LiveModel) -> None:
    arrays = inputs_for(toy, count=3)
    image, maps = Insights().activations(toy, arrays, [LayerTap("image"), LayerTap("convolution")], deadline=a_minute())
    one = Insights().activations(toy, {"image": arrays["image"][2:]}, [LayerTap("convolution")], deadline=a_minute())

    np.testing.assert_array_equal(image, arrays["image"])
    assert maps.shape == (3, 8, 8, 4)
    np.testing.assert_array_equal(maps[2:], one[0])


@pytest.fixture(scope="module")
def toy_model() -> Any:
    return randomised(
        keras.Sequential(
            [
                keras.Input((10, 10, 3), name="image"),
                layers.Conv2D(4, 3, activation="relu", name="convolution"),
                layers.GlobalAveragePooling2D(name="pooled"),
                layers.Dense(5, activation="relu", name="hidden"),
                layers.Dense(3, activation="softmax", name="classes"),
            ]
        )
    )


@pytest.fixture(scope="module")
def toy(toy_model: Any, tmp_path_factory: pytest.TempPathFactory) -> LiveModel:
    return served(toy_model, tmp_path_factory.mktemp("toy"), insight=True)


def test_layers_of_nested_models_are_found_under_their_path_for_each_call(tmp_path: Path) -> None:
    inner = keras.Sequential(
        [keras.Input((8, 8, 3)), layers.Conv2D(2, 3, name="conv"), layers.GlobalMaxPooling2D()], name="twin"
    )
    left, right = keras.Input((8, 8, 3), name="left"), keras.Input((8, 8, 3), name="right")
    joined = layers.Concatenate(name="both")([inner(left), inner(right)])
    model = randomised(keras.Model([left, right], layers.Dense(3, activation="softmax")(joined)))
    live = served(model, tmp_path, insight=True)
    arrays = inputs_for(live)

    taps = [LayerTap("twin/conv"), LayerTap("twin/conv", call=1), LayerTap("both")]
    first, second, both = Insights().activations(live, arrays, taps, deadline=a_minute())

    conv = inner.get_layer("conv")
    assert_close(first, conv(arrays["left"]), "left")
    assert_close(second, conv(arrays["right"]), "right")
    assert_close(both, np.concatenate([inner(arrays["left"]), inner(arrays["right"])], axis=1), "both")
    assert [cam.tap.inputs for cam in gradients_of(live, arrays)] == [("left",), ("right",)]
    with pytest.raises(MisfitError, match="has no output of call=2"):
        Insights().activations(live, arrays, [LayerTap("twin/conv", call=2)], deadline=a_minute())


def test_every_part_of_a_layer_of_several_outputs_is_given(tmp_path: Path) -> None:
    image = keras.Input((6, 8, 2), name="image")
    left, right = layers.Reshape((6, 16))(image), layers.Reshape((6, 16))(image)
    mixed, scores = layers.MultiHeadAttention(2, 4, name="attention")(left, right, return_attention_scores=True)
    joined = layers.Concatenate()([layers.Flatten()(mixed), layers.Flatten()(scores)])
    model = randomised(keras.Model(image, layers.Dense(3, activation="softmax")(joined)))
    live = served(model, tmp_path, insight=True)
    arrays = inputs_for(live)

    found = Insights().activations(
        live, arrays, [LayerTap("attention"), LayerTap("attention", part=1)], deadline=a_minute()
    )

    for array, expected in zip(found, keras.Model(image, [mixed, scores])(arrays["image"]), strict=True):
        assert_close(array, expected, "attention")


def test_a_layer_that_is_not_there_is_told_from_one_that_cannot_be_shown(toy: LiveModel) -> None:
    with pytest.raises(UnknownLayerError, match="no layer 'conv'"):
        Insights().activations(toy, inputs_for(toy), [LayerTap("conv")], deadline=a_minute())


# -------------------------------------------------------------------------------------------- gradients


def assert_gradients_are_as_in_keras(live: LiveModel, model: Any, *, units: int) -> None:
    """Compare with TensorFlow's gradients of a model that ends in one row of layers before its softmax."""
    (tap,) = live.card.facts.insight.cams
    names = [layer.name for layer in model.layers]
    tail = model.layers[names.index(tap.layer) : -1]
    arrays = inputs_for(live)
    weights = np.random.default_rng(5).normal(size=units).astype(np.float32)
    maps = keras.Model(model.inputs, model.get_layer(tap.source).output)(list(arrays.values()), training=False)
    expected = slope_of(maps, tail, model.layers[-1], weights)
    (found,) = gradients_of(live, arrays, **{live.card.facts.outputs[0].spec.name: weights.tolist()})

    assert_close(found.maps, maps, "maps")
    assert_close(found.gradients, expected, "gradients")


def slope_of(maps: Any, tail: Sequence[Any], head: Any, weights: NDArray[Any]) -> Any:
    """Return the gradient by `maps` of weighted numbers before the softmax of `head`, as the tape has it."""
    with tf.GradientTape() as tape:
        tape.watch(maps)
        carried = maps
        for layer in tail:
            carried = layer(carried, training=False)
        logits = carried @ head.kernel + head.bias if hasattr(head, "kernel") else carried
        score = tf.reduce_sum(logits * weights)
    return tape.gradient(score, maps)


TAILS: dict[str, Callable[[], list[Any]]] = {
    "flat": lambda: [layers.Flatten(), layers.Dense(6, activation="relu")],
    "largest": lambda: [layers.GlobalMaxPooling2D(), layers.Dense(6, activation="tanh")],
    "mean": lambda: [layers.AveragePooling2D(8), layers.Flatten(), layers.Dense(6, activation="elu")],
    "maximum": lambda: [layers.MaxPooling2D(8), layers.Flatten(), layers.LeakyReLU()],
    "norm": lambda: [layers.GlobalAveragePooling2D(), layers.BatchNormalization(), layers.Dense(6, activation="silu")],
    "layer": lambda: [layers.GlobalAveragePooling2D(), layers.LayerNormalization(), layers.Dense(6, activation="selu")],
    "point": lambda: [layers.GlobalAveragePooling2D(keepdims=True), layers.Conv2D(5, 1, activation="hard_swish")],
}


def test_gradients_by_the_maps_are_those_of_the_tape(tmp_path: Path) -> None:
    image = keras.Input((10, 10, 3), name="image")
    maps = layers.Conv2D(4, 3, activation="relu", name="maps")(image)
    tails = {name: [*make(), layers.Flatten()] for name, make in TAILS.items()}
    outputs = {}
    for name, tail in tails.items():
        carried = maps
        for layer in tail:
            carried = layer(carried)
        outputs[name] = layers.Dense(3, activation="softmax", name=name)(carried)
    model = randomised(keras.Model(image, outputs))
    live = served(model, tmp_path, insight=True)
    arrays = inputs_for(live)
    random = np.random.default_rng(5)
    weights = {name: random.normal(size=3).astype(np.float32) for name in TAILS}

    found = {one.tap.layer: one for one in gradients_of(live, arrays, **{k: w.tolist() for k, w in weights.items()})}

    assert len(found) == len(TAILS)
    seen = keras.Model(image, maps)(arrays["image"])
    for name, tail in tails.items():
        assert_close(found[tail[0].name].maps, seen, name)
        slope = slope_of(seen, tail, model.get_layer(name), weights[name])
        assert_close(found[tail[0].name].gradients, slope, name)


def test_maps_of_channels_first_are_given_channels_last(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((3, 9, 10), name="image"),
            layers.Conv2D(4, 3, activation="relu", data_format="channels_first", name="convolution"),
            layers.GlobalAveragePooling2D(data_format="channels_first"),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )
    live = served(randomised(model), tmp_path, insight=True)
    arrays = inputs_for(live)
    (tapped,) = Insights().activations(live, arrays, [LayerTap("convolution")], deadline=a_minute())
    (found,) = gradients_of(live, arrays, classes=[0, 1, 0])

    assert tapped.shape == (1, 4, 7, 8)
    assert_close(tapped, model.layers[0](arrays["image"]), "convolution")
    np.testing.assert_array_equal(found.maps, tapped.transpose(0, 2, 3, 1))
    assert_close(found.gradients, np.broadcast_to(model.layers[-1].kernel[:, 1] / 56, (1, 7, 8, 4)), "gradients")


def test_gradients_of_a_free_size_and_of_several_examples(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((None, None, 3), name="image"),
            layers.Conv2D(4, 3, name="convolution"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(1, activation="sigmoid", name="is_it"),
        ]
    )
    live = served(randomised(model), tmp_path, insight=True)
    kernel = np.asarray(model.layers[-1].kernel)[:, 0]
    for side in (7, 12):
        arrays = inputs_for(live, count=2, side=side)
        rows = {"is_it": np.array([[1], [-2]], np.float32)}
        (found,) = Insights().gradients(live, arrays, rows, deadline=a_minute())

        assert found.tap == CamTap("global_average_pooling2d" + found.tap.layer[24:], "convolution", ("image",))
        assert found.maps.shape == (2, side - 2, side - 2, 4)
        for example, sign in enumerate((1, -2)):
            expected = np.broadcast_to(sign * kernel / (side - 2) ** 2, found.maps.shape[1:])
            assert_close(found.gradients[example], expected, "gradients")


def test_each_output_has_weights_of_its_own(tmp_path: Path) -> None:
    image = keras.Input((8, 8, 1), name="image")
    maps = layers.Conv2D(3, 3, activation="relu")(image)
    vector = layers.GlobalAveragePooling2D()(maps)
    shape = layers.Dense(2, activation="softmax", name="shape")(vector)
    colour = layers.Dense(4, name="colour")(vector)
    model = randomised(keras.Model(image, {"shape": shape, "colour": colour}))
    live = served(model, tmp_path, insight=True)
    arrays = inputs_for(live)

    for name, units in (("shape", 2), ("colour", 4)):
        weights = np.eye(units, dtype=np.float32)[1]
        (found,) = gradients_of(live, arrays, **{name: weights.tolist()})
        assert found.gradients.any()
        slope = np.asarray(model.get_layer(name).kernel)[:, 1] / 36 * (found.maps.sum() > 0)
        assert_close(found.gradients, np.broadcast_to(slope, found.gradients.shape), name)


# ----------------------------------------------------------------------------------------- where there is none


def test_a_model_without_maps_says_why_there_is_no_gradient(tmp_path: Path) -> None:
    model = keras.Sequential([keras.Input((28, 28), name="image"), layers.Flatten(), layers.Dense(3, name="classes")])
    live = served(randomised(model), tmp_path, insight=True)

    assert live.card.facts.insight.missing is None
    with pytest.raises(MisfitError, match=r"Grad-CAM needs maps .* \(Flatten\) turns maps of 28x28"):
        gradients_of(live, inputs_for(live), classes=[1, 0, 0])


def test_where_litert_has_no_gradient_the_layers_are_shown_all_the_same(tmp_path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((9, 9, 2), name="image"),
            layers.Conv2D(4, 3),
            layers.DepthwiseConv2D(7, name="spread"),
            layers.Flatten(),
            layers.Dense(3, activation="softmax", name="classes"),
        ]
    )
    live = served(randomised(model), tmp_path, insight=True)

    assert_every_layer_is_as_in_keras(live, model)
    assert "no gradient of this model in LiteRT" in (live.card.facts.insight.no_gradient or "")


@pytest.fixture
def unwilling(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise ValueError("no form for it")

    monkeypatch.setattr("service.builder.insight.convert_function", refuse)


@pytest.mark.usefixtures("unwilling")
def test_a_model_whose_second_graph_cannot_be_made_is_served_without_it(toy_model: Any, tmp_path: Path) -> None:
    live = served(toy_model, tmp_path, insight=True)
    arrays = inputs_for(live)

    assert live.run(arrays, deadline=a_minute())[0]["classes"].shape == (1, 3)
    assert live.bundle is not None
    assert not (live.bundle.path / INSIGHT).exists()
    with pytest.raises(MisfitError, match=r"no second graph.*no form for it"):
        Insights().activations(live, arrays, [LayerTap("hidden")], deadline=a_minute())


# ------------------------------------------------------------------------------------------------- tf_keras


def test_layers_and_gradients_of_a_model_of_tf_keras_are_its_own(tmp_path: Path) -> None:
    tf_keras = pytest.importorskip("tf_keras")
    old = tf_keras.layers
    inner = tf_keras.Sequential(
        [
            tf_keras.Input((8, 8, 3)),
            old.Conv2D(4, 3, activation="relu", name="conv"),
            old.BatchNormalization(),
            old.MaxPooling2D(name="pool"),
        ],
        name="inner",
    )
    image = tf_keras.Input((8, 8, 3), name="image")
    scaled = image / 127.5 - 1.0
    vector = old.Flatten(name="flat")(inner(scaled))
    model = tf_keras.Model(image, old.Dense(3, activation="softmax", name="classes")(vector))
    program = LegacyProgram(randomised(model), loaded_by="tf_keras")
    facts = program.facts(loss=None)
    insight = look_inside(program, facts, tmp_path / INSIGHT, progress=print)
    assert insight.missing is insight.no_gradient is None
    engine = LiteRtEngine(tmp_path / INSIGHT, inputs=["image", weight_input("classes")], outputs=output_names(insight))
    pixels = np.random.default_rng(2).uniform(0, 255, (1, 8, 8, 3)).astype(np.float32)
    weights = np.array([[0, 1, 0]], np.float32)

    found = engine.run({"image": pixels, weight_input("classes"): weights})

    assert {tap.layer for tap in insight.taps} == {one.name for one in facts.layers or () if one.type != "InputLayer"}
    assert insight.cams == (CamTap("flat", "inner/pool", ("image",)),)
    assert_close(found[tap_name(LayerTap("inner/pool"))], inner(pixels / 127.5 - 1), "pool")
    assert_close(found[tap_name(LayerTap("classes"))], model(pixels), "classes")
    slope = np.asarray(model.get_layer("classes").kernel)[:, 1].reshape(1, 3, 3, 4)
    assert_close(found["gradients 0"], slope, "gradients")


def test_the_builders_process_adds_the_second_graph_to_the_bundle(tmp_path: Path) -> None:
    toys.save_small_cnn(tmp_path / "models/small/1/model.keras")
    live = opened(tmp_path / "models", tmp_path / "cache")

    assert live.bundle is not None
    assert live.card.facts.insight.missing is live.card.facts.insight.no_gradient is None
    assert len(live.card.facts.insight.taps) == 3
    assert f"  {INSIGHT}\n" in (live.bundle.path / "SHA256SUMS").read_text("utf-8")
