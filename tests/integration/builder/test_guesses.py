"""Guesses from the names of layers, on nets that Keras itself makes; and how far they may go."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from service.model.description import Description
from service.model.guess import Guess, guesses_of
from service.model.reach import is_near, reach_of
from tests.fakes import card_of, describe

keras = pytest.importorskip("keras")

from service.builder.inspect import input_facts, layers_of, output_facts  # noqa: E402

layers = keras.layers

BACKBONES = {
    "DenseNet121": ("densenet", "densenet"),
    "InceptionResNetV2": ("inception_resnet_v2", "inception_resnet_v2"),
    "InceptionV3": ("inception_v3", "inception_v3"),
    "MobileNet": ("mobilenet", "mobilenet"),
    "MobileNetV2": ("mobilenet_v2", "mobilenet_v2"),
    "NASNetMobile": ("nasnet", "nasnet"),
    "ResNet50": ("resnet50", "resnet"),
    "ResNet50V2": ("resnet_v2", "resnet_v2"),
    "VGG16": ("vgg16", "vgg"),
    "VGG19": ("vgg19", "vgg"),
    "Xception": ("xception", "xception"),
}


@pytest.fixture(autouse=True)
def _fresh_names() -> None:
    keras.utils.clear_session(free_memory=False)


def read(model: Any) -> Description:
    return describe(
        inputs=input_facts(model),
        outputs=output_facts(model, loss=None),
        layers=layers_of(model, order="channels_last"),
    )


def guessed(model: Any) -> Guess | None:
    return guesses_of(read(model)).get(input_facts(model)[0].spec.name)


def backbone(name: str, **options: Any) -> Any:
    options = {"weights": None, "include_top": False, "input_shape": (96, 96, 3), "pooling": "avg"} | options
    return getattr(keras.applications, name)(**options)


def mobilenet(**options: Any) -> Any:
    return backbone("MobileNetV2", alpha=0.35, **options)


@pytest.mark.parametrize(("name", "module", "family"), [(one, *rest) for one, rest in BACKBONES.items()], ids=BACKBONES)
def test_the_guess_for_each_backbone_is_what_its_preprocess_input_does(name: str, module: str, family: str) -> None:
    net = backbone(name)
    alone = guessed(keras.Model(net.input, layers.Dense(3)(net.output)))
    nested = guessed(keras.Sequential([keras.Input((96, 96, 3)), layers.RandomFlip(), net, layers.Dense(3)]))

    ends = np.array([0.0, 255.0]).reshape(1, 2, 1, 1) * np.ones((1, 2, 1, 3))
    made = getattr(keras.applications, module).preprocess_input(ends)
    assert alone is not None
    assert nested is not None
    assert alone.scale == nested.scale
    assert is_near(reach_of(alone.scale), (float(made.min()), float(made.max())))
    assert f"{alone.scale}, from the name of its backbone, {family};" in alone.reason
    assert f"backbone, {net.name};" in nested.reason


@pytest.mark.parametrize("name", ["EfficientNetB0", "EfficientNetV2B0", "MobileNetV3Small", "ConvNeXtTiny"])
def test_nets_that_scale_inside_keep_what_the_graph_shows(name: str) -> None:
    net = backbone(name)
    for model in (net, keras.Sequential([keras.Input((96, 96, 3)), net, layers.Dense(3)])):
        recipe = card_of(read(model)).inputs[0].recipe
        assert recipe is not None
        assert (recipe.scale, recipe.source_of("scale")) == ("0..255", "graph")


@pytest.mark.parametrize("name", ["EfficientNetV2B0", "MobileNetV3Small"])
def test_nets_built_without_their_scaling_are_guessed(name: str) -> None:
    guess = guessed(backbone(name, include_preprocessing=False))
    assert guess is not None
    assert guess.scale == "-1..1"


def test_the_card_calls_a_guess_a_guess_and_says_what_to_do() -> None:
    net = mobilenet()
    card = card_of(read(keras.Sequential([keras.Input((96, 96, 3), name="photo"), net, layers.Dense(3)])))

    recipe = card.inputs[0].recipe
    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("-1..1", "guess")
    assert card.warnings[0] == (
        f"How photo was scaled in training is a guess: -1..1, from the name of its backbone, {net.name}; nets tuned "
        "further are often trained on 0..1 instead. Say it in model.toml under [preprocessing] scale, or run "
        "`convoy calibrate`."
    )


INSIDE: dict[str, tuple[Callable[[], Any], str]] = {
    "as in the net's own preprocess_input": (lambda: layers.Rescaling(1 / 127.5, offset=-1), "0..255"),
    "from 0..1": (lambda: layers.Rescaling(2.0, offset=-1), "0..1"),
}


@pytest.mark.parametrize(("inside", "scale"), INSIDE.values(), ids=INSIDE)
def test_a_guess_never_beats_the_graph(inside: Callable[[], Any], scale: str) -> None:
    model = keras.Sequential([keras.Input((96, 96, 3)), inside(), mobilenet(), layers.Dense(3)])
    card = card_of(read(model))

    recipe = card.inputs[0].recipe
    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == (scale, "graph")
    assert not any("guess" in one for one in card.warnings)


def test_preprocess_input_in_the_graph_beats_the_guess() -> None:
    image = keras.Input((96, 96, 3))
    scaled = keras.applications.mobilenet_v2.preprocess_input(image)
    recipe = card_of(read(keras.Model(image, layers.Dense(3)(mobilenet()(scaled))))).inputs[0].recipe

    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("0..255", "graph")


def test_a_grey_picture_in_three_channels_is_still_what_the_backbone_sees() -> None:
    image = keras.Input((96, 96, 1))
    guess = guessed(keras.Model(image, mobilenet()(layers.Concatenate()([image, image, image]))))
    assert guess is not None
    assert guess.scale == "-1..1"


@pytest.mark.parametrize("before", [lambda: layers.Conv2D(3, 1), lambda: layers.BatchNormalization()])
def test_a_backbone_behind_layers_with_weights_tells_nothing(before: Callable[[], Any]) -> None:
    assert guessed(keras.Sequential([keras.Input((96, 96, 3)), before(), mobilenet(), layers.Dense(3)])) is None


def test_of_two_inputs_the_one_that_the_backbone_sees_is_guessed() -> None:
    photo, other = keras.Input((96, 96, 3), name="photo"), keras.Input((96, 96, 3), name="other")
    maps = layers.GlobalAveragePooling2D()(layers.Conv2D(4, 3)(other))
    joined = layers.Concatenate()([mobilenet()(photo), maps])
    guesses = guesses_of(read(keras.Model([other, photo], layers.Dense(2)(joined))))

    assert {name: guess.scale for name, guess in guesses.items()} == {"photo": "-1..1"}


def test_a_small_net_with_names_of_its_own_gets_no_guess() -> None:
    model = keras.Sequential(
        [
            keras.Input((96, 96, 3)),
            layers.Conv2D(8, 3, name="block1_conv1"),
            layers.Conv2D(8, 3, name="block1_conv2"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(2),
        ]
    )
    assert guesses_of(read(model)) == {}


# ------------------------------------------------------------------------------------------------ Teachable Machine


def teachable(*, sides: int = 224, units: int = 100) -> Any:
    net = keras.applications.MobileNetV2(weights=None, include_top=False, alpha=0.35, input_shape=(sides, sides, 3))
    seeing = keras.Sequential([keras.Model(net.input, net.output, name="model1"), layers.GlobalAveragePooling2D()])
    telling = keras.Sequential(
        [layers.Dense(units, activation="relu"), layers.Dense(3, activation="softmax", use_bias=False)]
    )
    return keras.Sequential([keras.Input((sides, sides, 3)), seeing, telling])


def test_a_model_of_teachable_machine_is_guessed_whole() -> None:
    card = card_of(read(teachable()))
    recipe = card.inputs[0].recipe

    assert recipe is not None
    guess = {"recipe": "teachable-machine", "resize": "lanczos", "fit": "crop", "scale": "-1..1"}
    assert {key: (getattr(recipe, key), recipe.source_of(key)) for key in guess} == {
        key: (value, "guess") for key, value in guess.items()
    }
    assert "is a guess: as in Teachable Machine" in card.warnings[0]


@pytest.mark.parametrize("other", [{"sides": 192}, {"units": 64}])
def test_what_only_looks_like_it_is_guessed_by_its_backbone(other: dict[str, int]) -> None:
    recipe = card_of(read(teachable(**other))).inputs[0].recipe

    assert recipe is not None
    assert (recipe.recipe, recipe.scale, recipe.source_of("scale")) == ("keras.load_img", "-1..1", "guess")
