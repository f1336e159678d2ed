"""Owns the kinds of layers that a drawing tells apart by colour."""

import re
from typing import Literal, get_args

from service.model.layers import Layer

Kind = Literal[
    "input",
    "convolution",
    "pooling",
    "normalisation",
    "activation",
    "reshaping",
    "dense",
    "merge",
    "other",
    "model",
    "output",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_BY_TYPE: tuple[tuple[str, Kind], ...] = (
    ("InputLayer", "input"),
    (".*(Conv|Convolution|LocallyConnected).*", "convolution"),
    (".*Pool.*", "pooling"),
    (".*Normali[sz]ation.*|Rescaling|LayerScale", "normalisation"),
    ("Add|Subtract|Multiply|Average|Maximum|Minimum|Concatenate|Dot|Merge|Stack", "merge"),
    (".*ReLU|Relu6?|ELU|Elu|Se?lu|Gelu|Silu|.*[Ss]igmoid|.*[Ss]oftmax|Softplus|.*Tanh|Activation|Swish", "activation"),
    ("Flatten|Reshape|Permute|Transpose|RepeatVector|ExpandDims|Squeeze|GetItem", "reshaping"),
    ("(Zero)?Pad.*|Cropping.*|CenterCrop|Resizing|UpSampling.*", "reshaping"),
    (".*Dense", "dense"),
)
_BY_PATTERN = tuple((re.compile(pattern), kind) for pattern, kind in _BY_TYPE)


def kind_of(layer: Layer) -> Kind:
    """Return what kind of layer it is; one that joins several and is none of the known is a merge."""
    found = next((kind for pattern, kind in _BY_PATTERN if pattern.fullmatch(layer.type)), None)
    return found or ("merge" if len(layer.inbound) > 1 else "other")


def is_follower(layer: Layer) -> bool:
    """Return whether a layer changes numbers and never the shape, so that it is drawn as one with what it follows."""
    is_one = kind_of(layer) in ("activation", "normalisation") or "Dropout" in layer.type
    return is_one and layer.output_shape is not None and layer.input_shape == layer.output_shape
