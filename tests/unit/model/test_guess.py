"""Guesses from the names of layers: those of Keras 2, and how far a guess may reach. Real nets: tests/integration."""

import pytest

from service.model.backbones import backbones_in
from service.model.description import InputFacts
from service.model.guess import guesses_of
from service.model.layers import Layer
from service.model.sidecar import Sidecar
from service.model.tensors import TensorSpec
from tests.fakes import card_of, describe


def chain(*names: str, channels: int = 3, passing: str = "InputLayer") -> tuple[Layer, ...]:
    """Return layers that feed each other in turn, behind an input layer; all others have weights."""
    shape = (None, 224, 224, channels)
    layers = [Layer("photo", passing, shape, 0)]
    for name in names:
        layers.append(Layer(name, "Conv2D", shape, 100, inbound=(layers[-1].name,)))
    return tuple(layers)


KERAS_2 = {
    "ResNet50 of 2016": (("conv1", "res2a_branch2a", "bn2a_branch2a"), "resnet", "caffe"),
    "MobileNetV3": (("Conv", "expanded_conv/depthwise", "expanded_conv_1/expand"), "mobilenet_v3", "-1..1"),
    "MobileNetV2": (("Conv1", "expanded_conv_depthwise", "block_1_expand"), "mobilenet_v2", "-1..1"),
    "VGG16": (("block1_conv1", "block1_conv2", "block2_conv2", "block3_conv3"), "vgg", "caffe"),
}


@pytest.mark.parametrize(("names", "family", "scale"), KERAS_2.values(), ids=KERAS_2)
def test_names_of_keras_2_are_known(names: tuple[str, ...], family: str, scale: str) -> None:
    (found,) = backbones_in(chain(*names))
    assert (found.family.name, found.family.scale, found.inputs) == (family, scale, ("photo",))


@pytest.mark.parametrize(("called", "family"), [("resnet50", "resnet"), ("mobilenetv2_1.00_224", "mobilenet_v2")])
def test_a_nested_model_is_known_by_its_name_alone(called: str, family: str) -> None:
    (found,) = backbones_in(chain(f"{called}/a", f"{called}/b"))
    assert (found.family.name, found.name) == (family, called)


@pytest.mark.parametrize(
    "names",
    [
        ("conv", "Conv1", "expanded_conv_depthwise", "block_1_expand"),
        ("Conv1", "expanded_conv_depthwise"),
        ("conv2d", "dense"),
        ("my_resnet50/a",),
    ],
    ids=["a layer before it", "too few of its layers", "names of its own", "a name like it"],
)
def test_what_is_not_quite_a_known_net_is_none(names: tuple[str, ...]) -> None:
    assert backbones_in(chain(*names)) == ()


def test_a_net_without_layers_is_none() -> None:
    assert backbones_in(()) == ()


def test_a_scale_of_colours_is_not_guessed_for_grey_pictures() -> None:
    facts = describe(
        inputs=[InputFacts(TensorSpec("photo", (None, 224, 224, 1)))],
        layers=chain(*KERAS_2["VGG16"][0], channels=1),
    )
    recipe = card_of(facts).inputs[0].recipe
    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("0..1", "default")


def test_an_input_is_guessed_for_whatever_its_layer_is_called() -> None:
    facts = describe(inputs=[InputFacts(TensorSpec("x", (None, 224, 224, 3)))], layers=chain(*KERAS_2["VGG16"][0]))
    assert guesses_of(facts)["x"].scale == "caffe"


TEACHABLE = (
    "sequential_1/model1/Conv1",
    "sequential_1/model1/expanded_conv_depthwise",
    "sequential_1/model1/block_1_expand",
)


def teachable(sidecar: Sidecar) -> dict[str, tuple[object, str]]:
    dense = (
        Layer("sequential_3/dense_1", "Dense", (None, 100), 100, inbound=(TEACHABLE[-1],)),
        Layer("sequential_3/dense_2", "Dense", (None, 4), 400, inbound=("sequential_3/dense_1",)),
    )
    inputs = [InputFacts(TensorSpec("photo", (None, 224, 224, 3)))]
    recipe = card_of(describe(inputs=inputs, layers=(*chain(*TEACHABLE), *dense)), sidecar).inputs[0].recipe
    assert recipe is not None
    names = ("recipe", "resize", "fit", "scale")
    return {name: (getattr(recipe, name), recipe.source_of(name)) for name in names}


def test_a_guessed_recipe_brings_all_that_it_implies_as_a_guess() -> None:
    assert teachable(Sidecar()) == {
        "recipe": ("teachable-machine", "guess"),
        "resize": ("lanczos", "guess"),
        "fit": ("crop", "guess"),
        "scale": ("-1..1", "guess"),
    }


def test_of_a_guessed_recipe_only_the_scale_stays_where_another_one_is_named() -> None:
    assert teachable(Sidecar(preprocessing={"": {"recipe": "tf.image"}})) == {
        "recipe": ("tf.image", "sidecar"),
        "resize": ("bilinear", "default"),
        "fit": ("stretch", "default"),
        "scale": ("-1..1", "guess"),
    }


def test_what_is_said_wins_over_a_guess_value_by_value() -> None:
    found = teachable(Sidecar(preprocessing={"": {"fit": "pad"}}))
    assert (found["fit"], found["scale"]) == (("pad", "sidecar"), ("-1..1", "guess"))
