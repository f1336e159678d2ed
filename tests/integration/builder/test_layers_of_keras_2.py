"""Every stock layer of Keras 2, saved by tf_keras: whichever step of the ladder loads it answers as tf_keras does.

A layer that Keras 3 loads without a word and computes otherwise would be found here.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from service.builder.load import NextLoader, load_scanned
from service.builder.order import BuildOrder, Loader
from service.builder.scan import scan_source
from service.repository.saved import saved_at

keras = pytest.importorskip("keras")
tf_keras = pytest.importorskip("tf_keras")
layers = tf_keras.layers

pytestmark = pytest.mark.filterwarnings("ignore:You are saving your model as an HDF5 file:UserWarning")
Make = Callable[[], Any]

IMAGE = (8, 6, 4)
SEQUENCE = (6, 5)
ON_IMAGES: dict[str, Make] = {
    "Conv2D": lambda: layers.Conv2D(3, (3, 2), strides=2, padding="same", activation="relu"),
    "Conv2D dilated": lambda: layers.Conv2D(3, 3, dilation_rate=2, use_bias=False),
    "Conv2D grouped": lambda: layers.Conv2D(4, 3, groups=2),
    "Conv2DTranspose": lambda: layers.Conv2DTranspose(3, 3, strides=2, padding="same"),
    "Conv2DTranspose output_padding": lambda: layers.Conv2DTranspose(3, 3, strides=2, output_padding=1),
    "DepthwiseConv2D": lambda: layers.DepthwiseConv2D(3, depth_multiplier=2),
    "SeparableConv2D": lambda: layers.SeparableConv2D(3, 3, depth_multiplier=2),
    "LocallyConnected2D": lambda: layers.LocallyConnected2D(2, 3),
    "MaxPooling2D": lambda: layers.MaxPooling2D(3, strides=2, padding="same"),
    "AveragePooling2D": lambda: layers.AveragePooling2D(3, strides=2, padding="same"),
    "GlobalAveragePooling2D": lambda: layers.GlobalAveragePooling2D(keepdims=True),
    "GlobalMaxPooling2D": lambda: layers.GlobalMaxPooling2D(),
    "BatchNormalization": lambda: layers.BatchNormalization(epsilon=0.01, scale=False),
    "LayerNormalization": lambda: layers.LayerNormalization(),
    "LayerNormalization of axes": lambda: layers.LayerNormalization(axis=[1, 2, 3]),
    "GroupNormalization": lambda: layers.GroupNormalization(groups=2),
    "UnitNormalization": lambda: layers.UnitNormalization(),
    "UpSampling2D": lambda: layers.UpSampling2D((2, 3)),
    "UpSampling2D bilinear": lambda: layers.UpSampling2D(2, interpolation="bilinear"),
    "ZeroPadding2D": lambda: layers.ZeroPadding2D(((1, 2), (3, 4))),
    "Cropping2D": lambda: layers.Cropping2D(((1, 2), (1, 1))),
    "Permute": lambda: layers.Permute((3, 1, 2)),
    "Reshape": lambda: layers.Reshape((-1, 8)),
    "Flatten channels_first": lambda: layers.Flatten(data_format="channels_first"),
    "Dense": lambda: layers.Dense(3, activation="gelu"),
    "LeakyReLU": lambda: layers.LeakyReLU(alpha=0.2),
    "PReLU": lambda: layers.PReLU(shared_axes=[1, 2]),
    "ELU": lambda: layers.ELU(alpha=0.7),
    "ReLU": lambda: layers.ReLU(max_value=0.8, negative_slope=0.1, threshold=0.2),
    "ThresholdedReLU": lambda: layers.ThresholdedReLU(0.4),
    "Softmax": lambda: layers.Softmax(axis=2),
    "Resizing": lambda: layers.Resizing(5, 7),
    "Resizing nearest": lambda: layers.Resizing(5, 7, interpolation="nearest"),
    "Resizing bicubic": lambda: layers.Resizing(16, 12, interpolation="bicubic"),
    "Resizing area": lambda: layers.Resizing(5, 3, interpolation="area"),
    "Resizing crop": lambda: layers.Resizing(5, 5, crop_to_aspect_ratio=True),
    "CenterCrop": lambda: layers.CenterCrop(5, 3),
    "Rescaling": lambda: layers.Rescaling([0.1, 0.2, 0.3, 0.4], offset=-0.5),
    "Normalization": lambda: layers.Normalization(mean=[0.1, 0.2, 0.3, 0.4], variance=[1, 2, 3, 4]),
    "Normalization adapted": lambda: _adapted(layers.Normalization()),
    "RandomFlip": lambda: layers.RandomFlip(),
    "RandomRotation": lambda: layers.RandomRotation(0.2),
    "RandomZoom": lambda: layers.RandomZoom(0.2, 0.1),
    "RandomTranslation": lambda: layers.RandomTranslation(0.2, 0.1),
    "RandomContrast": lambda: layers.RandomContrast(0.2),
    "RandomBrightness": lambda: layers.RandomBrightness(0.2),
    "RandomCrop": lambda: layers.RandomCrop(5, 3),
    "RandomHeight": lambda: layers.RandomHeight(0.2),
    "Dropout": lambda: layers.Dropout(0.5),
    "SpatialDropout2D": lambda: layers.SpatialDropout2D(0.5),
    "GaussianNoise": lambda: layers.GaussianNoise(0.5),
    "AlphaDropout": lambda: layers.AlphaDropout(0.5),
    "ActivityRegularization": lambda: layers.ActivityRegularization(0.1),
    "TimeDistributed": lambda: layers.TimeDistributed(layers.Conv1D(3, 2)),
    "EinsumDense": lambda: layers.EinsumDense("abcd,de->abce", output_shape=(None, None, 3), bias_axes="e"),
    "ConvLSTM1D": lambda: layers.ConvLSTM1D(2, 3),
}
ON_SEQUENCES: dict[str, Make] = {
    "Conv1D": lambda: layers.Conv1D(3, 3, padding="causal", dilation_rate=2),
    "Conv1DTranspose": lambda: layers.Conv1DTranspose(3, 3, strides=2),
    "DepthwiseConv1D": lambda: layers.DepthwiseConv1D(3),
    "SeparableConv1D": lambda: layers.SeparableConv1D(3, 3),
    "LocallyConnected1D": lambda: layers.LocallyConnected1D(2, 3),
    "SimpleRNN": lambda: layers.SimpleRNN(3, return_sequences=True),
    "LSTM": lambda: layers.LSTM(3),
    "LSTM hard_sigmoid": lambda: layers.LSTM(3, recurrent_activation="hard_sigmoid"),
    "GRU": lambda: layers.GRU(3),
    "GRU of before": lambda: layers.GRU(3, reset_after=False),
    "Bidirectional": lambda: layers.Bidirectional(layers.LSTM(3)),
    "Masking": lambda: layers.Masking(0.0),
    "RepeatVector": lambda: tf_keras.Sequential([layers.Flatten(), layers.RepeatVector(3)]),
    "MaxPooling1D": lambda: layers.MaxPooling1D(2),
    "GlobalAveragePooling1D": lambda: layers.GlobalAveragePooling1D(),
    "UpSampling1D": lambda: layers.UpSampling1D(2),
    "ZeroPadding1D": lambda: layers.ZeroPadding1D((1, 2)),
}
ACTIVATIONS = (
    *("elu", "exponential", "gelu", "hard_sigmoid", "leaky_relu", "linear", "mish", "relu", "selu", "sigmoid"),
    *("softmax", "softplus", "softsign", "swish", "tanh"),
)


def _adapted(layer: Any) -> Any:
    layer.adapt(np.random.default_rng(2).normal(3, 2, (50, *IMAGE)).astype("float32"))
    return layer


def loaded(path: Path) -> Any:
    """Load a file by the first step of the ladder that can."""
    saved = saved_at(path)
    loaders: tuple[Loader, ...] = ("keras", "tf_keras")
    for loader in loaders:
        order = BuildOrder(
            saved=saved, staged=path.parent, name="old", version=1, fingerprint="", memory=0,
            loader=loader,
        )  # fmt: skip
        try:
            return load_scanned(path, scan_source(path), order=order, custom={}, progress=lambda _: None)
        except NextLoader:
            continue
    raise AssertionError("no loader")


def assert_answers_as_its_writer(stack: list[Any], shape: tuple[int, ...], path: Path) -> None:
    random = np.random.default_rng(4)
    model = tf_keras.Sequential([tf_keras.Input(shape, name="given"), *stack])
    model.set_weights(
        [
            weight if "normalization" in variable.name and weight.dtype.kind == "i" else _drawn(weight, random)
            for variable, weight in zip(model.weights, model.get_weights(), strict=True)
        ]
    )
    model.save(path)
    batch = random.normal(0, 1, (3, *shape)).astype("float32")
    program = loaded(path)
    (found,) = program.run({program.facts(loss=None).inputs[0].spec.name: batch}).values()

    np.testing.assert_allclose(found, np.asarray(model(batch, training=False)), rtol=1e-4, atol=1e-5)


def _drawn(weight: Any, random: np.random.Generator) -> Any:
    return weight if weight.dtype.kind in "iu" else np.abs(random.normal(0, 0.5, weight.shape)) + 0.05


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("layer", ON_IMAGES)
def test_a_layer_on_images_keeps_its_meaning(layer: str, suffix: str, tmp_path: Path) -> None:
    assert_answers_as_its_writer([ON_IMAGES[layer]()], IMAGE, tmp_path / f"old.{suffix}")


@pytest.mark.parametrize("suffix", ["h5", "keras"])
@pytest.mark.parametrize("layer", ON_SEQUENCES)
def test_a_layer_on_sequences_keeps_its_meaning(layer: str, suffix: str, tmp_path: Path) -> None:
    assert_answers_as_its_writer([ON_SEQUENCES[layer]()], SEQUENCE, tmp_path / f"old.{suffix}")


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_an_activation_keeps_its_formula(activation: str, tmp_path: Path) -> None:
    assert_answers_as_its_writer([layers.Activation(activation)], SEQUENCE, tmp_path / "old.h5")
