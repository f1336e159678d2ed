"""The draft of a `model.toml`: as it stands it says nothing, without its `# ` it says what is in force."""

import re
import tomllib
from dataclasses import replace
from typing import Any

import pytest

from service.cli.draft import sidecar_draft
from service.model.card import ModelCard, compose_card
from service.model.description import Description, InputFacts, OutputFacts
from service.model.layers import Layer
from service.model.recipe import MeanStd, Rescale
from service.model.sidecar import OutputSettings, Sidecar
from service.model.tensors import TensorSpec
from service.repository.sidecar import parse_sidecar
from tests.fakes import card_of, describe

_COMMENTED = re.compile(r'^# (?=\w+ = |  "|\]$)', re.MULTILINE)


def takes(*shape: int | None, name: str = "image", **facts: Any) -> InputFacts:
    return InputFacts(TensorSpec(name, (None, *shape)), **facts)


def answers(*shape: int | None, activation: str | None = "softmax", name: str = "answer") -> OutputFacts:
    return OutputFacts(TensorSpec(name, (None, *shape)), activation)


def facts(*parts: InputFacts | OutputFacts) -> Description:
    inputs = tuple(one for one in parts if isinstance(one, InputFacts))
    outputs = tuple(one for one in parts if isinstance(one, OutputFacts))
    return describe(inputs=inputs or (takes(8, 8, 3),), outputs=outputs or (answers(3),))


VGG = (
    Layer("image", "InputLayer", (None, 96, 96, 3), 0),
    *(
        Layer(name, "Conv2D", (None, 96, 96, 64), 100, inbound=("image",))
        for name in ("block1_conv1", "block1_conv2", "block2_conv2", "block3_conv3")
    ),
)
MODELS = {
    "a softmax on grey pictures": facts(takes(28, 28, 1)),
    "logits": facts(answers(5, activation="linear")),
    "one sigmoid": facts(answers(1, activation="sigmoid")),
    "several sigmoids": facts(answers(4, activation="sigmoid")),
    "a flat input that scales itself": facts(takes(784, scale="0..255")),
    "channels first": facts(takes(3, 8, 9, order="channels_first")),
    "numbers": facts(takes(20)),
    "a map": facts(answers(8, 8, 2)),
    "pictures and numbers": facts(takes(8, 8, 3, name="photo"), takes(20, name="age and sex")),
    "two outputs": facts(answers(3, name="head"), answers(3, name="odd.name/0"), answers(4, 4, 2, name="where")),
    "two inputs": facts(takes(8, 8, 3, name="size"), takes(8, 8, 1, name='"quoted"')),
    "a thousand classes": facts(answers(1000)),
    "a backbone known by name": replace(facts(takes(96, 96, 3)), layers=VGG),
    "a model that resizes itself": facts(takes(None, None, 3, scale="0..255", resizes_itself=True)),
}
SIDECARS = {
    "nothing": Sidecar(),
    "labels in a file": Sidecar(labels=("naïve 🐱", 'q"uo\\te', "del\x7fete"), labels_file="labels.txt"),
    "an own scale": Sidecar(preprocessing={"": {"scale": MeanStd((0.5,), (0.25,)), "fit": "crop", "color": "bgr"}}),
    "a factor": Sidecar(preprocessing={"": {"scale": Rescale(1 / 255, -0.5), "recipe": "keras.flow_from_directory"}}),
    "every key of TensorFlow's": Sidecar(
        preprocessing={"": {"recipe": "tf.image", "resize": "lanczos3", "antialias": True, "samplewise_center": True}}
    ),
    "a centre cut out": Sidecar(preprocessing={"": {"recipe": "huggingface", "shortest_edge": 9}}),
    "an own head": Sidecar(outputs={"": OutputSettings(head="multi-label", threshold=0.3)}),
}


def said(text: str, about: Description) -> ModelCard:
    return compose_card(about, parse_sidecar(tomllib.loads(text)), version=1, fingerprint="f", engine="litert")


def values(card: ModelCard) -> list[Any]:
    """Everything that decides on an answer, without where it came from."""
    recipes = [one.recipe and replace(one.recipe, sources={}) for one in card.inputs]
    return [*recipes, *((one.head, one.labels, one.threshold) for one in card.outputs)]


@pytest.mark.parametrize("about", MODELS.values(), ids=MODELS)
def test_as_it_stands_it_changes_nothing_on_the_card(about: Description) -> None:
    untouched = said("", about)
    card = said(sidecar_draft(card_of(about)), about)

    assert (card.inputs, card.outputs, card.warnings) == (untouched.inputs, untouched.outputs, untouched.warnings)


@pytest.mark.parametrize("about", MODELS.values(), ids=MODELS)
def test_without_its_hashes_it_says_what_is_in_force(about: Description) -> None:
    card = card_of(about)

    assert values(said(_COMMENTED.sub("", sidecar_draft(card)), about)) == values(card)


@pytest.mark.parametrize("sidecar", SIDECARS.values(), ids=SIDECARS)
def test_what_other_files_say_is_in_force_too(sidecar: Sidecar) -> None:
    card = card_of(facts(), sidecar)

    assert values(said(_COMMENTED.sub("", sidecar_draft(card)), facts())) == values(card)


def lines(card: ModelCard) -> dict[str, str]:
    """Return the comment on each key of a draft."""
    found = re.findall(r"^# (\w+) = .*?  # (.*)$", sidecar_draft(card), re.MULTILINE)
    return dict(found)


def test_guesses_and_defaults_stand_out() -> None:
    told = lines(card_of(facts(answers(5, activation="linear"))))

    assert {key for key, words in told.items() if words.startswith("CHECK")} == {
        *("scale", "resize", "fit", "recipe", "head"),
    }
    assert told["scale"] == (
        "CHECK, a default: 0..255 | 0..1 | -1..1 | caffe | torch | { mean = [..], std = [..] } | "
        "{ factor = .., offset = .. }"
    )
    assert told["head"].startswith("CHECK, a guess: softmax | logits | ")


def test_a_guess_is_called_a_guess() -> None:
    told = lines(card_of(MODELS["a backbone known by name"]))

    assert told["scale"].startswith("CHECK, a guess: 0..255 | 0..1 | ")


def test_a_model_that_resizes_itself_is_not_offered_a_size() -> None:
    card = card_of(MODELS["a model that resizes itself"])

    assert "size" not in lines(card)
    assert "# Pictures go in at their own size: the model resizes them itself." in sidecar_draft(card)


def test_the_choices_of_resize_are_those_of_the_recipes_library() -> None:
    told = lines(card_of(facts(), Sidecar(preprocessing={"": {"recipe": "tf.image"}})))

    assert told["resize"].endswith(
        ": nearest | bilinear | bicubic | area | lanczos3 | lanczos5 | gaussian | mitchellcubic"
    )


def test_what_naming_a_recipe_brings_is_told() -> None:
    assert lines(card_of(facts()))["recipe"] == (
        'CHECK, a default; naming it brings resize = "nearest" where nothing else is said'
    )


def test_keys_of_single_recipes_are_only_there_where_they_are_in_force() -> None:
    seldom = {"antialias", "shortest_edge", "samplewise_center", "samplewise_std_normalization"}

    assert not seldom & lines(card_of(facts())).keys()
    assert seldom & lines(card_of(facts(), SIDECARS["every key of TensorFlow's"])).keys() == {
        *("antialias", "samplewise_center"),
    }


def test_what_the_model_tells_is_said_to_be_told_by_it() -> None:
    told = lines(card_of(facts(takes(28, 28, 1, scale="0..255"))))

    assert {key for key, words in told.items() if words == "from the model"} == {"scale", "color", "size", "head"}


def test_what_another_file_says_is_said_to_be_told_there() -> None:
    assert lines(card_of(facts(), SIDECARS["an own scale"]))["scale"] == "from another file"


def test_classes_without_names_get_a_template_of_the_right_length() -> None:
    text = sidecar_draft(card_of(facts(answers(3))))

    assert "# CHECK: 3 classes without names; name them in order, or say in which file, one a line: labels" in text
    assert '# labels = ["class_0", "class_1", "class_2"]' in text


def test_labels_of_a_file_are_shown_with_its_name() -> None:
    text = sidecar_draft(card_of(facts(), Sidecar(labels=("a", "b", "c"), labels_file="labels.txt")))

    assert '# 3 classes, named in labels.txt.\n# labels = ["a", "b", "c"]' in text


def test_a_model_of_free_size_gets_an_example_that_may_be_used() -> None:
    about = facts(takes(None, None, 3))
    text = sidecar_draft(card_of(about))

    assert "pictures keep their own" in lines(card_of(about))["size"]
    (recipe,) = [one.recipe for one in said(_COMMENTED.sub("", text), about).inputs]
    assert recipe
    assert recipe.size == (224, 224)


def test_what_a_file_claims_of_itself_stays_in_its_comment() -> None:
    about = facts()
    source = replace(about.source, file="a\nlabels = 1", written_by="Keras 2\r\nhead = 3\x1b[2J")
    text = sidecar_draft(card_of(replace(about, source=source)))

    assert tomllib.loads(text) == {"preprocessing": {}, "output": {}}
    assert "\x1b" not in text
