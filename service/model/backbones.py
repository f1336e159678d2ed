"""Owns telling a net of `keras.applications` by the names it gives its layers, and what it was first trained on."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from service.model.layers import Layer
from service.model.recipe import NamedScale
from service.model.stack import Stack

# What moves pixels and leaves their values alone, so that the net behind it sees what came in.
_PASSING = (
    "Cast", "CenterCrop", "Concatenate", "Cropping", "ExpandDims", "GaussianNoise", "GetItem", "Identity",
    "InputLayer", "Pad", "Permute", "Random", "Reshape", "Resize", "Resizing", "SlicingOpLambda", "Squeeze", "Stack",
    "Transpose", "ZeroPadding",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Family:
    """Nets with the same `preprocess_input`: how the models are called, and layers that all of them have.

    `first` is the layer with weights that sees the picture, None where Keras numbers it (`conv2d_17`). `scale` is what
    the published weights take; None where the net has it inside.
    """

    name: str
    scale: NamedScale | None
    called: str
    layers: frozenset[str]
    first: str | None


def _family(name: str, scale: NamedScale | None, called: str, layers: str, first: str | None) -> Family:
    return Family(name, scale, called, frozenset(layers.split()), first)


# Names as Keras 2 and 3 write them; where one family's names are also another's, the stricter one comes first.
# MobileNetV3 and EfficientNetV2 scale inside unless built with include_preprocessing=False, and take -1..1 then.
FAMILIES: Sequence[Family] = (
    _family("densenet", "torch", r"densenet\d*", "conv2_block1_0_bn conv2_block1_concat", None),
    _family("resnet_v2", "-1..1", r"resnet\d+v2", "conv2_block1_preact_bn conv2_block1_1_conv", "conv1_conv"),
    _family("resnet", "caffe", r"resnet\d+", "conv2_block1_1_conv conv2_block1_1_bn", "conv1_conv"),
    _family("resnet", "caffe", r"resnet\d+", "res2a_branch2a bn2a_branch2a", None),
    _family("vgg", "caffe", r"vgg(16|19)", "block1_conv2 block2_conv2 block3_conv3", "block1_conv1"),
    _family("xception", "-1..1", "xception", "block1_conv1_bn block2_sepconv1", "block1_conv1"),
    _family("inception_resnet_v2", "-1..1", "inception_resnet_v2", "mixed_5b mixed_6a", None),
    _family("inception_v3", "-1..1", "inception_v3", "mixed0 mixed1 mixed2", None),
    _family("mobilenet_v3", "-1..1", r"MobileNetV3\w+", "expanded_conv_depthwise expanded_conv_1_expand", "conv"),
    _family("mobilenet_v3", "-1..1", r"MobileNetV3\w+", "expanded_conv/depthwise expanded_conv_1/expand", "Conv"),
    _family("mobilenet_v2", "-1..1", r"mobilenetv2_[\d.]+_\d+", "expanded_conv_depthwise block_1_expand", "Conv1"),
    _family("mobilenet", "-1..1", r"mobilenet_[\d.]+_\d+", "conv_dw_1 conv_pw_1", "conv1"),
    _family("nasnet", "-1..1", r"nasnet_\w+|NASNet", "stem_bn1 reduction_conv_1_stem_1", "stem_conv1"),
    _family("efficientnet_v2", "-1..1", r"efficientnetv2-\w+", "stem_bn block1a_project_conv", "stem_conv"),
    _family("efficientnet", None, r"efficientnetb\d", "stem_bn block1a_dwconv", "stem_conv"),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Backbone:
    """A net found in a model: its family, what it is called there, and the inputs whose pictures it sees as they are.

    `prefix` is the path of the nested model that it is, "" where its layers lie in the model itself.
    """

    family: Family
    name: str
    prefix: str
    inputs: tuple[str, ...]


def backbones_in(layers: Sequence[Layer]) -> tuple[Backbone, ...]:
    """Return the nets of `keras.applications` that a model begins with, one for each nested model that is one."""
    stack = Stack(layers)
    found = []
    for prefix, inner in _nested(layers).items():
        family = _family_of(prefix, inner)
        inputs = _seen_inputs(inner, stack) if family else ()
        if family is not None and inputs:
            found.append(Backbone(family, _own_name(prefix) or family.name, prefix, inputs))
    return tuple(found)


def _nested(layers: Sequence[Layer]) -> Mapping[str, dict[str, Layer]]:
    """Return the layers under each path of nested models, "" for the model itself, by their names below that path."""
    found: dict[str, dict[str, Layer]] = defaultdict(dict)
    for layer in layers:
        for prefix in _prefixes(layer.name):
            found[prefix][layer.name.removeprefix(prefix)] = layer
    return found


def _prefixes(name: str) -> Iterator[str]:
    yield ""
    for end, letter in enumerate(name):
        if letter == "/":
            yield name[: end + 1]


def _family_of(prefix: str, inner: Mapping[str, Layer]) -> Family | None:
    known = (one for one in FAMILIES if one.layers <= inner.keys() and _begins_with(one.first, inner))
    called = (one for one in FAMILIES if re.fullmatch(one.called, _own_name(prefix)))
    return next(known, None) or next(called, None)


def _own_name(prefix: str) -> str:
    return prefix.rstrip("/").rpartition("/")[2]


def _begins_with(first: str | None, inner: Mapping[str, Layer]) -> bool:
    return first is None or first == next((name for name, one in inner.items() if one.parameters), None)


def _seen_inputs(inner: Mapping[str, Layer], stack: Stack) -> tuple[str, ...]:
    """Return the names of the input layers of the model from which pictures reach the net as they came."""
    entry = next((one for one in inner.values() if one.parameters), None)
    before = stack.before(entry) if entry else []
    if not all(one.type.startswith(_PASSING) for one in before):
        return ()
    return tuple(one.name for one in before if one.type == "InputLayer" and not one.inbound)
