"""The drawing of a model as SVG: what it says, in which form, and how nested models open."""

import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest

from service.explain.graph import STYLE_SOURCE, Graph, draw
from service.explain.graph.kinds import KINDS, kind_of
from service.explain.graph.text import shortened, width_of
from service.explain.graph.words import details
from service.model.layers import Layer
from service.model.tensors import TensorSpec
from tests import stacks

SVG = "{http://www.w3.org/2000/svg}"
AWKWARD = """<b>&"'</b> ${x} \x00\x1b\ud800 ]]> --> 卷积層"""


def graph(layers: tuple[Layer, ...] | None, *outputs: str) -> Graph:
    given = tuple(TensorSpec(one, (None, 3)) for one in outputs)
    return Graph("net 1", layers, (TensorSpec("image", (None, 8, 8, 4)),), given)


def drawn(layers: tuple[Layer, ...] | None, *opened: str, outputs: tuple[str, ...] = ()) -> ET.Element:
    """Return the drawing as a parser of XML reads it."""
    net = graph(layers, *outputs)
    return ET.fromstring(draw(net, opened=net.opened(opened)))


def named(root: ET.Element, attribute: str) -> list[str]:
    return [one.attrib[attribute] for one in root.iter() if attribute in one.attrib]


def texts(root: ET.Element) -> list[str]:
    return ["".join(one.itertext()) for one in root.iter(f"{SVG}text")]


def test_every_layer_is_there_once_and_can_be_reached_by_key() -> None:
    root = drawn(stacks.inception(32), "all")

    layers = [one.name for one in stacks.inception(32)]
    assert sorted(named(root, "data-layer")) == sorted(layers)
    assert len(layers) > 200
    assert all(one.attrib["tabindex"] == "0" for one in root.iter() if "data-layer" in one.attrib)


def test_each_box_says_type_name_parameters_and_window_and_its_title_the_rest() -> None:
    convolution = replace(
        stacks.layer("conv", "Conv2D", "image", shape=(None, 14, 14, 32), takes=(None, 28, 28, 1), parameters=1320),
        activation="relu",
        kernel_size=(3, 5),
        strides=(2, 2),
        padding="same",
        dilation_rate=(1, 1),
        receptive_field=(3, 5),
        macs=7000,
    )
    root = drawn((stacks.layer("image", "InputLayer", shape=(None, 28, 28, 1)), convolution))

    assert {"Conv2D", "conv", "1,320 parameters", "3×5 stride 2 same relu"} <= set(texts(root))
    (title,) = [one for one in root.iter(f"{SVG}title") if (one.text or "").startswith("conv:")]
    assert title.text == (
        "conv: Conv2D, 28×28×1 → 14×14×32, 1,320 parameters, 3×5 stride 2 same, activation relu, "
        "7,000 multiply-accumulates, sees 3×5 pixels"
    )


def test_shapes_are_on_the_arrows_a_free_axis_as_a_question_mark() -> None:
    free = stacks.layer("image", "InputLayer", shape=(None, None, None, 3))
    flat = stacks.layer("mean", "GlobalAveragePooling2D", "image", shape=(None, 3), takes=(None, None, None, 3))

    assert {"?×?×3", "3"} <= set(texts(drawn((free, flat))))


def test_an_output_is_drawn_for_each_layer_that_gives_one() -> None:
    assert texts(drawn(stacks.two_inputs())).count("output") == 2
    assert texts(drawn(stacks.two_inputs(), outputs=("shared", "kind", "any"))).count("output") == 3


def test_names_are_escaped_wherever_they_stand() -> None:
    layers = (stacks.layer("image", "InputLayer"), stacks.layer(AWKWARD, "Con<v&", "image"))
    net = replace(graph(layers), title=AWKWARD)

    root = ET.fromstring(draw(net).encode())

    expected = re.sub("[\x00\x1b\ud800]", "\ufffd", AWKWARD)
    assert named(root, "data-layer") == ["image", expected]
    assert root.findtext(f"{SVG}title") == f"Layers of {expected}"
    tags = ("svg", "title", "desc", "style", "rect", "g", "path", "text")
    assert {one.tag for one in root.iter()} == {f"{SVG}{tag}" for tag in tags}


def test_long_names_are_shortened_in_the_middle_and_whole_in_the_title() -> None:
    name = "block_" + "w" * 300 + "_tail"
    root = drawn((stacks.layer("image", "InputLayer"), stacks.layer(name, "Dense" * 40, "image", parameters=10**12)))

    shown = min((one for one in texts(root) if one.startswith("block_")), key=len)
    assert shown.endswith("_tail")
    assert "…" in shown
    assert any((one.text or "").startswith(f"{name}: Dense") for one in root.iter(f"{SVG}title"))
    assert float(root.attrib["width"]) < 400


def test_no_text_is_longer_than_its_box() -> None:
    root = drawn((*stacks.nested(), stacks.layer("w" * 90, "DepthwiseConv2D" * 5, "kind", parameters=10**9)))

    boxes = [[one for one in group if one.tag == f"{SVG}rect"] for group in root.iter(f"{SVG}g")]
    room = max(float(one.attrib["width"]) for rects in boxes for one in rects)
    for text in root.iter(f"{SVG}text"):
        size = 13 if "type" in text.attrib.get("class", "") else 11
        assert width_of(text.text or "", size, is_bold=size == 13) <= room


def test_colours_are_given_for_light_and_for_dark_for_every_kind() -> None:
    style = drawn(stacks.chain(1)).findtext(f"{SVG}style") or ""

    light, dark = style.split("@media (prefers-color-scheme:dark)")
    for kind in KINDS:
        assert f".{kind} rect{{fill:" in light
        assert f".{kind} rect{{fill:" in dark


def test_letters_have_contrast_on_every_ground_in_light_and_dark() -> None:
    style = drawn(stacks.chain(1)).findtext(f"{SVG}style") or ""

    for part in style.split("@media (prefers-color-scheme:dark)"):
        grounds = re.findall(r"(?:rect|ground|veil)\{fill:(#\w+)", part)
        letters = re.findall(r"text\{fill:(#\w+)", part)
        assert len(grounds) > len(KINDS)
        assert letters
        for ground in grounds:
            assert min(contrast(letter, ground) for letter in letters) >= 4.5, ground


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours, as WCAG 2.2 has it."""
    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(digit * 2 for digit in colour[1:])
    parts = [int(digits[at : at + 2], 16) / 255 for at in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_the_style_sheet_is_the_one_that_the_policy_names() -> None:
    for layers in (stacks.chain(1), stacks.nested()):
        style = (drawn(layers).findtext(f"{SVG}style") or "").encode()
        digest = base64.b64encode(hashlib.sha256(style).digest()).decode()
        assert f"'sha256-{digest}'" == STYLE_SOURCE


def test_a_model_is_drawn_the_same_each_time() -> None:
    assert draw(graph(stacks.inception(4))) == draw(graph(stacks.inception(4)))


def test_those_who_hear_it_are_told_what_it_is() -> None:
    root = drawn(stacks.nested())

    assert root.attrib["role"] == "graphics-document"
    assert [one.tag for one in root][:2] == [f"{SVG}title", f"{SVG}desc"]
    assert (root.findtext(f"{SVG}desc") or "").startswith("11 layers, 110 parameters. ")
    assert all(one.find(f"{SVG}title") is not None for one in root if one.get("class", "").startswith(("row", "frame")))


# -------------------------------------------------------------------------------------------------------- nested models


def test_a_nested_model_is_one_box_that_says_what_is_in_it() -> None:
    root = drawn(stacks.nested())

    assert named(root, "data-layer") == ["picture", "rescaling", "flatten", "kind", "any"]
    assert named(root, "data-model") == ["outer"]
    assert {"outer", "6 layers", "110 parameters", "8×8×4 → 8×8×4, 4", "+ open"} <= set(texts(root))
    assert (named(root, "data-open"), named(root, "href")) == (["outer"], ["?open=outer"])


def test_opened_it_shows_its_layers_by_their_own_names_and_can_be_closed() -> None:
    root = drawn(stacks.nested(), "outer")

    assert {"outer/image", "outer/conv", "outer/pool"} <= set(named(root, "data-layer"))
    assert {"conv", "pool"} <= set(texts(root))
    assert named(root, "data-model") == ["outer", "outer/inner"]
    assert dict(zip(named(root, "data-close"), named(root, "href"), strict=False)) == {"outer": "?"}
    assert named(root, "href")[-1] == "?open=outer&open=outer%2Finner"


@pytest.mark.parametrize("opened", [("all",), ("outer/inner",), ("outer", "outer/inner")])
def test_one_inside_another_opens_that_too(opened: tuple[str, ...]) -> None:
    root = drawn(stacks.nested(), *opened)

    assert sorted(named(root, "data-layer")) == sorted(one.name for one in stacks.nested())
    assert named(root, "href") == ["?", "?open=outer"]


def test_a_path_alone_makes_no_nested_model() -> None:
    layers = (stacks.layer("image", "InputLayer"), stacks.layer("conv1/bn", "BatchNormalization", "image"))

    assert graph(layers).nested == ()
    assert named(drawn(layers), "data-layer") == ["image", "conv1/bn"]


def test_a_model_called_twice_is_fed_by_both() -> None:
    twin = replace(stacks.layer("twin/image", "InputLayer", "left"), calls=((("left", 0, 0),), (("right", 0, 0),)))
    inputs = [stacks.layer(name, "InputLayer") for name in ("left", "right")]
    root = drawn((*inputs, twin, stacks.layer("twin/dense", "Dense", "twin/image", shape=(None, 4))))

    tips = [one for one in root.iter(f"{SVG}path") if one.get("class") == "tip"]
    assert len(tips) == 3  # from left, from right, to the output


def test_unknown_layers_are_said_to_be_unknown() -> None:
    assert texts(drawn(None, outputs=("corners",))) == [
        *("8×8×4", "3", "input", "image", "layers not in the file", "output", "corners")
    ]


# -------------------------------------------------------------------------------------------------------------- wording


@pytest.mark.parametrize(
    ("kind", "of"),
    [
        ("SeparableConv2D", "convolution"),
        ("GlobalAveragePooling2D", "pooling"),
        ("LayerNormalization", "normalisation"),
        ("LeakyReLU", "activation"),
        ("ZeroPadding2D", "reshaping"),
        ("EinsumDense", "dense"),
        ("Multiply", "merge"),
        ("Dropout", "other"),
        ("MyOwnLayer", "other"),
    ],
)
def test_kinds_are_told_by_type(kind: str, of: str) -> None:
    assert kind_of(stacks.layer("one", kind, "image")) == of


def test_what_joins_several_is_a_merge_whatever_its_type() -> None:
    assert kind_of(stacks.layer("one", "MyOwnLayer", "left", "right")) == "merge"


def test_strides_are_said_where_they_are_not_what_the_window_has_by_itself() -> None:
    pool = replace(stacks.layer("pool", "MaxPooling2D", "image"), pool_size=(2, 2), strides=(2, 2), padding="valid")

    assert details(pool) == "2×2 valid"
    assert details(replace(pool, strides=(1, 2))) == "2×2 stride 1×2 valid"


def test_shortening_keeps_what_fits() -> None:
    assert shortened("conv2d", 100, 11) == "conv2d"
    assert width_of(shortened("w" * 50, 60, 11), 11) <= 60
    assert shortened("anything", 0, 11) == "…"
