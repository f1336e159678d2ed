"""The model card: the facts of a bundle merged with a sidecar, each value with its source."""

import json
from dataclasses import replace
from typing import Any

import pytest

from service.errors import SidecarError
from service.model.card import ModelCard, OutputCard
from service.model.description import Description, InputFacts, OutputFacts
from service.model.head import Head
from service.model.input_card import InputCard
from service.model.layers import Layer
from service.model.recipe import MeanStd, Recipe, Rescale
from service.model.recipes import RESIZES_OF
from service.model.sidecar import OutputSettings, Sidecar
from service.model.tensors import ImageLayout, TensorSpec
from tests.fakes import card_of, describe

UNSCALED = (
    "How image was scaled in training is not known: 0..1 is a default. "
    "Say it in model.toml under [preprocessing] scale."
)
UNNAMED = (
    'The classes have no names. Give them in model.toml: labels = ["cat", "dog", …], '
    "or one a line in a labels.txt, in a folder that is this model's alone."
)


def image(*shape: int | None, name: str = "image", dtype: str = "float32", **facts: Any) -> InputFacts:
    return InputFacts(TensorSpec(name, (None, *shape), dtype), **facts)


def units(
    count: int, activation: str | None = "softmax", *, name: str = "answer", loss: str | None = None
) -> OutputFacts:
    return OutputFacts(TensorSpec(name, (None, count)), activation, loss)


def a_map(*item: int | None, name: str = "where") -> OutputFacts:
    return OutputFacts(TensorSpec(name, (None, *item)), "softmax")


RGB = image(32, 32, 3)
THREE_CLASSES = units(3)


def card(sidecar: Sidecar | None = None, *, inputs: Any = (RGB,), outputs: Any = (THREE_CLASSES,)) -> ModelCard:
    return card_of(describe(inputs=inputs, outputs=outputs), sidecar)


def the_input(sidecar: Sidecar | None = None, facts: InputFacts = RGB) -> InputCard:
    return card(sidecar, inputs=(facts,)).inputs[0]


def recipe_of(sidecar: Sidecar, facts: InputFacts = RGB) -> Recipe:
    recipe = the_input(sidecar, facts).recipe
    assert recipe is not None
    return recipe


def the_output(sidecar: Sidecar | None = None, facts: OutputFacts = THREE_CLASSES) -> OutputCard:
    return card(sidecar, outputs=(facts,)).outputs[0]


def refusal(sidecar: Sidecar, **facts: Any) -> str:
    with pytest.raises(SidecarError) as caught:
        card(sidecar, **facts)
    return caught.value.message


def preprocessing(**values: Any) -> Sidecar:
    return Sidecar(preprocessing={"": values})


# --------------------------------------------------------------------------------------------- the description


def test_a_description_comes_back_from_json_as_it_was() -> None:
    facts = describe(
        inputs=(image(3, 32, 32, order="channels_first", scale="0..255"), image(7, name="extra")),
        outputs=(units(5, "sigmoid", loss="binary_crossentropy"), units(1, None, name="other")),
    )
    assert Description.from_json(json.loads(json.dumps(facts.to_json()))) == facts


def test_the_parameters_of_a_model_are_those_of_its_layers() -> None:
    layers = (Layer("conv", "Conv2D", (None, 26, 26, 32), 320), Layer("dense", "Dense", (None, 10), 54090))
    assert replace(describe(), layers=layers).parameters == 54410


# ----------------------------------------------------------------------------------------------------- inputs


def test_an_image_input_gets_a_layout_and_a_recipe() -> None:
    found = the_input()
    assert found.layout == ImageLayout(32, 32, 3)
    assert found.recipe is not None
    assert (found.recipe.color, found.recipe.size) == ("rgb", (32, 32))


def test_channels_first_is_read_off_the_graph() -> None:
    found = the_input(facts=image(3, 20, 30, order="channels_first"))
    assert found.layout == ImageLayout(20, 30, 3, "channels_first")


def test_an_input_that_takes_no_pictures_has_no_recipe_and_is_warned_of() -> None:
    found = card(inputs=(image(13),))
    assert (found.inputs[0].layout, found.inputs[0].recipe) == (None, None)
    assert "Input image [None, 13] is no image; it is served for numbers only." in found.warnings


@pytest.mark.parametrize(
    "facts",
    [image(32, 32, 3, scale="0..255"), image(32, 32, 3, dtype="uint8")],
    ids=["graph scales", "graph takes bytes"],
)
def test_a_graph_that_wants_raw_pixels_gets_them(facts: InputFacts) -> None:
    recipe = the_input(facts=facts).recipe
    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("0..255", "graph")


def test_the_sidecar_wins_over_the_graph() -> None:
    recipe = the_input(preprocessing(scale="-1..1"), image(32, 32, 3, scale="0..255")).recipe
    assert recipe is not None
    assert (recipe.scale, recipe.source_of("scale")) == ("-1..1", "sidecar")


def test_a_scale_nobody_knows_is_warned_of() -> None:
    assert UNSCALED in card().warnings


@pytest.mark.parametrize(
    ("sidecar", "facts"),
    [(preprocessing(scale="0..1"), RGB), (Sidecar(), image(32, 32, 3, scale="0..255"))],
    ids=["sidecar says it", "graph shows it"],
)
def test_a_scale_somebody_knows_is_not_warned_of(sidecar: Sidecar, facts: InputFacts) -> None:
    assert UNSCALED not in card(sidecar, inputs=(facts,)).warnings


def test_one_of_several_inputs_can_have_values_of_its_own() -> None:
    sidecar = Sidecar(preprocessing={"": {"fit": "crop", "scale": "0..1"}, "right": {"scale": "-1..1"}})
    left, right = card(sidecar, inputs=(image(8, 8, 3, name="left"), image(8, 8, 3, name="right"))).inputs
    assert left.recipe is not None
    assert right.recipe is not None
    assert (left.recipe.fit, left.recipe.scale) == ("crop", "0..1")
    assert (right.recipe.fit, right.recipe.scale) == ("crop", "-1..1")


@pytest.mark.parametrize(
    ("name", "implied"),
    [
        ("raw", {"scale": "0..255"}),
        ("keras.load_img", {"resize": "nearest"}),
        ("keras.image_dataset", {"resize": "bilinear", "scale": "0..1"}),
        ("opencv", {"color": "bgr", "exif": True}),
        ("applications.vgg16", {"resize": "nearest", "scale": "caffe"}),
        ("teachable-machine", {"resize": "lanczos", "fit": "crop", "scale": "-1..1"}),
    ],
)
def test_naming_a_recipe_brings_what_it_implies(name: str, implied: dict[str, Any]) -> None:
    recipe = recipe_of(preprocessing(recipe=name))
    assert {key: getattr(recipe, key) for key in implied} == implied
    assert recipe.source_of("recipe") == "sidecar"


def test_what_a_recipe_implies_comes_from_who_named_it() -> None:
    assert recipe_of(preprocessing(recipe="raw")).source_of("scale") == "sidecar"


def test_what_is_said_wins_over_what_a_recipe_implies() -> None:
    assert recipe_of(preprocessing(recipe="raw", scale="-1..1")).scale == "-1..1"


def test_what_is_said_for_all_wins_over_what_the_recipe_of_one_implies() -> None:
    sidecar = Sidecar(preprocessing={"": {"scale": "-1..1"}, "image": {"recipe": "raw"}})
    assert recipe_of(sidecar).scale == "-1..1"


def test_a_scale_that_is_only_implied_never_beats_the_graph() -> None:
    facts = image(32, 32, 3, scale="0..255")
    recipe = recipe_of(preprocessing(recipe="applications.mobilenet_v2"), facts)
    assert (recipe.scale, recipe.source_of("scale")) == ("0..255", "graph")
    assert the_input(preprocessing(recipe="applications.mobilenet_v2"), facts).warnings == ()


def test_a_recipe_of_colours_can_be_named_for_grey_pictures() -> None:
    recipe = recipe_of(preprocessing(recipe="opencv"), image(28, 28, 1))
    assert (recipe.color, recipe.exif) == ("grayscale", True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"resize": "area"},
            "preprocessing resize 'area' is none of Pillow's, which recipe 'keras.load_img' resizes with: "
            "use nearest, bilinear, bicubic, lanczos, box, hamming; or name another recipe.",
        ),
        ({"recipe": "tf.image", "resize": "hamming"}, "preprocessing resize 'hamming' is none of TensorFlow's"),
        ({"recipe": "opencv", "resize": "lanczos3"}, "preprocessing resize 'lanczos3' is none of OpenCV's"),
        (
            {"antialias": True},
            "preprocessing antialias is for recipes of TensorFlow (keras.image_dataset, tf.image), and "
            "'keras.load_img' is none; drop antialias, or name one of them as `recipe`.",
        ),
        ({"recipe": "opencv", "shortest_edge": 256}, "preprocessing shortest_edge is for recipes of Pillow (keras."),
    ],
)
def test_what_the_library_of_the_recipe_cannot_do_is_refused(values: dict[str, Any], message: str) -> None:
    assert refusal(preprocessing(**values)).startswith(message)


@pytest.mark.parametrize("resize", RESIZES_OF["tensorflow"])
def test_what_the_library_of_the_recipe_can_do_is_taken(resize: str) -> None:
    recipe = recipe_of(preprocessing(recipe="tf.image", resize=resize, antialias=True))
    assert (recipe.resize, recipe.antialias) == (resize, True)


# ------------------------------------------------------------------------------------------------ scaled twice


@pytest.mark.parametrize("scale", ["0..1", "-1..1", "torch", "caffe", MeanStd((0.5,), (0.5,)), Rescale(1 / 255)])
def test_scaling_what_the_graph_scales_is_warned_of_on_the_card_and_with_each_picture(scale: Any) -> None:
    found = card(preprocessing(scale=scale), inputs=(image(32, 32, 3, scale="0..255"),))
    (warning,) = found.inputs[0].warnings
    assert warning.startswith("The first layers after image are made for pixels of 0..255, and the sidecar has them")
    assert warning in found.warnings


@pytest.mark.parametrize("scale", ["0..255", Rescale(1.0), MeanStd((0.0,), (1 / 255,))])
def test_saying_what_the_graph_shows_is_not_warned_of(scale: Any) -> None:
    assert the_input(preprocessing(scale=scale), image(32, 32, 3, scale="0..255")).warnings == ()


def test_raw_pixels_for_a_graph_made_for_scaled_ones_are_warned_of() -> None:
    (warning,) = the_input(preprocessing(scale="0..255"), image(32, 32, 3, scale="0..1")).warnings
    assert warning == (
        "The first layers after image are made for pixels of 0..1, and the sidecar has them scaled to 0..255 before "
        'that. Unless the model was trained so, say scale = "0..1" in model.toml.'
    )


def test_a_scale_for_an_input_of_whole_numbers_is_said_to_be_without_effect() -> None:
    (warning,) = the_input(preprocessing(scale="0..1"), image(32, 32, 3, dtype="uint8")).warnings
    assert warning == ("Input image takes uint8: pictures go in as 0..255, and `scale` is not used; drop it.")


def test_a_scale_that_nothing_speaks_against_is_not_warned_of_with_pictures() -> None:
    assert the_input(preprocessing(scale="0..255")).warnings == ()
    assert the_input().warnings == ()


def test_pictures_that_the_model_resizes_itself_keep_their_size() -> None:
    recipe = recipe_of(Sidecar(), image(None, None, 3, resizes_itself=True))
    assert (recipe.size, recipe.source_of("size")) == ((None, None), "graph")


def test_an_input_nobody_has_is_refused() -> None:
    sidecar = Sidecar(preprocessing={"imgae": {"fit": "crop"}})
    assert refusal(sidecar) == "[preprocessing.imgae] names nothing this model has; it has image."


@pytest.mark.parametrize(
    ("facts", "color", "channels", "fitting"),
    [
        (image(28, 28, 1), "rgb", 1, "grayscale"),
        (RGB, "grayscale", 3, "rgb or bgr"),
        (RGB, "rgba", 3, "rgb or bgr"),
        (image(28, 28, 4), "rgb", 4, "rgba"),
    ],
)
def test_a_colour_that_does_not_fit_the_channels_is_refused(
    facts: InputFacts, color: str, channels: int, fitting: str
) -> None:
    assert refusal(preprocessing(color=color), inputs=(facts,)) == (
        f"preprocessing color {color!r} does not fit an input of {channels} channel(s); use {fitting}."
    )


def test_bgr_fits_three_channels() -> None:
    recipe = the_input(preprocessing(color="bgr")).recipe
    assert recipe is not None
    assert recipe.color == "bgr"


@pytest.mark.parametrize(
    ("facts", "size", "message"),
    [
        (RGB, (64, 32), "preprocessing size has height 64, the model's input has 32; drop `size`."),
        (RGB, (32, 64), "preprocessing size has width 64, the model's input has 32; drop `size`."),
        (image(None, 32, 3), (64, 64), "preprocessing size has width 64, the model's input has 32; drop `size`."),
    ],
)
def test_a_size_against_the_models_own_is_refused(facts: InputFacts, size: Any, message: str) -> None:
    assert refusal(preprocessing(size=size), inputs=(facts,)) == message


@pytest.mark.parametrize("facts", [image(None, None, 3), image(None, 64, 3), image(48, 64, 3)])
def test_a_size_is_taken_where_the_model_leaves_it_open_or_agrees(facts: InputFacts) -> None:
    recipe = the_input(preprocessing(size=(48, 64)), facts).recipe
    assert recipe is not None
    assert (recipe.size, recipe.source_of("size")) == ((48, 64), "sidecar")


@pytest.mark.parametrize(
    ("facts", "scale"),
    [
        (image(28, 28, 1), "torch"),
        (image(28, 28, 1), "caffe"),
        (image(28, 28, 4), "torch"),
        (image(28, 28, 1), MeanStd((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))),
        (RGB, MeanStd((0.5, 0.5), (0.5, 0.5))),
    ],
    ids=["torch, grey", "caffe, grey", "torch, alpha", "three means, grey", "two means, colour"],
)
def test_a_scale_for_other_channels_than_the_inputs_is_refused(facts: InputFacts, scale: Any) -> None:
    assert "scale" in refusal(preprocessing(scale=scale), inputs=(facts,))


@pytest.mark.parametrize("values", [(0.5,), (0.5, 0.4, 0.3)], ids=["one for all channels", "one each"])
def test_a_scale_for_these_channels_is_taken(values: tuple[float, ...]) -> None:
    recipe = the_input(preprocessing(scale=MeanStd(values, values))).recipe
    assert recipe is not None
    assert recipe.scale == MeanStd(values, values)


# ---------------------------------------------------------------------------------------------------- outputs


@pytest.mark.parametrize(
    ("facts", "head", "source"),
    [
        (units(3), "softmax", "graph"),
        (units(1, "sigmoid"), "binary", "graph"),
        (units(3, "linear"), "logits", "guess"),
        (units(3, None), "scores", "guess"),
        (units(1, "linear"), "binary-logit", "guess"),
        (units(3, "sigmoid", loss="categorical_crossentropy"), "sigmoid-exclusive", "graph"),
        (units(3, "tanh"), "scores", "guess"),
    ],
)
def test_the_head_is_inferred_and_says_from_where(facts: OutputFacts, head: Head, source: str) -> None:
    found = the_output(facts=facts)
    assert (found.head, found.head_source) == (head, source)


@pytest.mark.parametrize("item", [(3,), (1, 3), (1, 1, 3), (3, 1, 1)])
def test_axes_of_one_do_not_hide_the_classes(item: tuple[int, ...]) -> None:
    found = the_output(facts=OutputFacts(TensorSpec("answer", (None, *item)), "softmax"))
    assert (found.head, len(found.labels)) == ("softmax", 3)


@pytest.mark.parametrize("item", [(4, 4, 3), (2, 3), (None, None, 3), (None,)])
def test_an_output_that_is_a_map_has_no_classes_and_says_so(item: tuple[int | None, ...]) -> None:
    found = card(outputs=(a_map(*item),))
    output = found.outputs[0]
    assert (output.head, output.head_source, output.labels, output.classes) == ("scores", "graph", (), None)
    assert found.warnings[-1] == (
        f"Output where is a map of shape {[None, *item]}: no classes; its numbers are given as they are."
    )


def test_a_map_beside_classes_leaves_them_their_head_and_labels() -> None:
    found = card(Sidecar(labels=("cat", "dog", "owl")), outputs=(a_map(4, 4, 3), THREE_CLASSES))
    assert [one.head for one in found.outputs] == ["scores", "softmax"]
    assert [one.labels for one in found.outputs] == [(), ("cat", "dog", "owl")]
    assert found.classes == 3


def test_a_head_of_classes_for_a_map_is_refused_and_says_why() -> None:
    assert refusal(Sidecar(outputs={"where": OutputSettings("softmax")}), outputs=(a_map(4, 4, 3),)) == (
        "The head 'softmax' is for classes; output where is a map of shape [None, 4, 4, 3] and has none. Drop `head`, "
        "or give it under [output.NAME] to the output that it is for."
    )


def test_a_map_may_be_called_scores() -> None:
    output = the_output(Sidecar(outputs={"": OutputSettings("scores")}), a_map(4, 4, 3))
    assert (output.head, output.head_source) == ("scores", "sidecar")


@pytest.mark.parametrize("maps", [1, 2])
def test_labels_for_maps_alone_are_refused(maps: int) -> None:
    outputs = tuple(a_map(4, 4, 2, name=f"map_{number}") for number in range(maps))
    assert "map_0 has no classes" in refusal(Sidecar(labels=("cat", "dog")), outputs=outputs)


def test_the_sidecar_decides_the_head_and_the_threshold() -> None:
    found = the_output(Sidecar(outputs={"": OutputSettings("scores", 0.25)}))
    assert (found.head, found.head_source, found.threshold) == ("scores", "sidecar", 0.25)


def test_a_threshold_of_zero_is_not_the_default() -> None:
    assert the_output(Sidecar(outputs={"": OutputSettings(threshold=0.0)})).threshold == 0.0


def test_one_of_several_outputs_can_have_a_head_of_its_own() -> None:
    sidecar = Sidecar(outputs={"": OutputSettings("scores", 0.25), "second": OutputSettings("multi-label")})
    first, second = card(sidecar, outputs=(units(3, name="first"), units(3, name="second"))).outputs
    assert (first.head, first.threshold) == ("scores", 0.25)
    assert (second.head, second.threshold) == ("multi-label", 0.25)


def test_an_output_nobody_has_is_refused() -> None:
    sidecar = Sidecar(outputs={"anwser": OutputSettings("scores")})
    assert refusal(sidecar) == "[output.anwser] names nothing this model has; it has answer."


@pytest.mark.parametrize("head", ["binary", "binary-logit"])
def test_a_head_for_one_unit_is_refused_where_there_are_several(head: Head) -> None:
    assert head in refusal(Sidecar(outputs={"": OutputSettings(head)}), outputs=(units(2),))


def test_labels_of_the_sidecar_are_taken() -> None:
    found = the_output(Sidecar(labels=("cat", "dog", "owl")))
    assert (found.labels, found.labels_source) == (("cat", "dog", "owl"), "sidecar")


def test_a_model_of_one_sigmoid_takes_two_labels() -> None:
    assert the_output(Sidecar(labels=("cat", "dog")), units(1, "sigmoid")).labels == ("cat", "dog")


def test_a_wrong_number_of_labels_is_refused() -> None:
    assert refusal(Sidecar(labels=("cat", "dog"))) == (
        "2 labels were given for 3 classes (first 'cat', last 'dog'); give exactly one label per class, in class order."
    )


def test_classes_without_labels_are_numbered_and_warned_of() -> None:
    found = card()
    assert found.outputs[0].labels == ("class_0", "class_1", "class_2")
    assert found.outputs[0].labels_source == "default"
    assert UNNAMED in found.warnings


def test_a_model_about_which_all_is_known_has_no_warnings() -> None:
    known = Sidecar(labels=("cat", "dog", "owl"), preprocessing={"": {"scale": "0..1"}})
    assert card(known).warnings == ()


# ------------------------------------------------------------------------------------------------------- JSON


def test_the_card_shows_facts_and_sidecar_together() -> None:
    sidecar = Sidecar(
        description="Corners", labels=("a", "b", "c", "d"), provenance={"dataset": "made up", "accuracy": 0.75}
    )
    shown = json.loads(json.dumps(card_of(describe(version=3), sidecar).to_json()))
    assert {key: shown[key] for key in ("name", "version", "description", "classes", "engine", "provenance")} == {
        "name": "brightest",
        "version": 3,
        "description": "Corners",
        "classes": 4,
        "engine": "fake",
        "provenance": {"dataset": "made up", "accuracy": 0.75},
    }


def test_the_card_shows_the_layers_in_brief_with_an_open_batch() -> None:
    assert card_of(describe()).to_json()["layers"][1] == {
        "name": "flatten",
        "type": "Flatten",
        "output_shape": [None, 4],
        "parameters": 0,
    }


def test_the_card_shows_an_input_with_its_recipe() -> None:
    shown = card().to_json()["inputs"][0]
    assert (shown["name"], shown["shape"], shown["takes_images"]) == ("image", [None, 32, 32, 3], True)
    assert shown["preprocessing"]["color"] == {"value": "rgb", "source": "graph"}


def test_the_card_shows_an_input_for_numbers_without_a_recipe() -> None:
    shown = card(inputs=(image(13),)).to_json()["inputs"][0]
    assert (shown["takes_images"], shown["preprocessing"]) == (False, None)


def test_the_card_shows_an_output_with_head_labels_and_threshold() -> None:
    assert card(Sidecar(labels=("cat", "dog", "owl"))).to_json()["outputs"] == [
        {
            "name": "answer",
            "shape": [None, 3],
            "dtype": "float32",
            "head": {"value": "softmax", "source": "graph"},
            "classes": 3,
            "labels": {"value": ["cat", "dog", "owl"], "source": "sidecar"},
            "threshold": 0.5,
        }
    ]


def test_the_card_shows_a_map_without_labels() -> None:
    shown = card(outputs=(a_map(4, 4, 3),)).to_json()
    assert shown["classes"] is None
    assert shown["outputs"] == [
        {
            "name": "where",
            "shape": [None, 4, 4, 3],
            "dtype": "float32",
            "head": {"value": "scores", "source": "graph"},
            "classes": None,
            "labels": None,
            "threshold": None,
        }
    ]


@pytest.mark.parametrize(
    ("inputs", "outputs", "takes", "answers"),
    [
        ((RGB,), (THREE_CLASSES,), "pictures and numbers", "classes"),
        ((image(16, 16, 13),), (THREE_CLASSES,), "numbers", "classes"),
        ((RGB,), (a_map(4, 4, 3),), "pictures and numbers", "numbers"),
        ((RGB, image(7, name="extra")), (a_map(4, 4, 3), THREE_CLASSES), "pictures and numbers", "classes and numbers"),
    ],
)
def test_the_card_says_what_the_model_takes_and_answers(inputs: Any, outputs: Any, takes: str, answers: str) -> None:
    shown = card(inputs=inputs, outputs=outputs).to_json()
    assert (shown["takes"], shown["answers"]) == (takes, answers)


def test_the_card_says_how_maps_become_a_vector() -> None:
    assert card_of(describe()).to_json()["maps_to_vector"] == {
        "steps": [
            {"by": "Flatten", "layer": "flatten", "from": [2, 2, 1], "to": 4, "order": "row, column, channel"},
        ],
        "text": "flatten (Flatten) turns maps of 2x2x1 into a vector of 4, in the order row, column, channel.",
    }


def test_the_card_shows_hints_by_the_head_that_is_used() -> None:
    sigmoids = units(3, "sigmoid", loss="categorical_crossentropy")
    (hint,) = card(outputs=(sigmoids,)).to_json()["hints"]
    assert hint.startswith("Output answer has 3 sigmoids ")
    assert card(Sidecar(outputs={"": OutputSettings("multi-label")}), outputs=(sigmoids,)).to_json()["hints"] == []


@pytest.mark.parametrize(("activation", "head"), [("softmax", "logits"), ("sigmoid", "binary-logit")])
def test_a_head_that_would_be_applied_twice_is_refused(activation: str, head: Any) -> None:
    units = 1 if activation == "sigmoid" else 3
    facts = describe(outputs=[OutputFacts(TensorSpec("out", (None, units)), activation)])
    with pytest.raises(SidecarError, match=f"ends in a {activation} already"):
        card_of(facts, Sidecar(outputs={"": OutputSettings(head=head)}))
