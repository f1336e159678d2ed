"""Compares whole recipes, scale and all, with the functions and snippets that they are named after."""

from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from PIL import Image

from service.model.recipe import MeanStd, Rescale, Resize
from service.model.recipes import NAMED_RECIPES
from tests.parity import oracles
from tests.parity.decoding import DEEP_GRAYS
from tests.parity.rows import COLORS, EXACT, Pair, Row, Scope, ours

_IMAGENET = MeanStd((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_STANDARDIZED: tuple[dict[str, Any], ...] = (
    {"rescale": 1 / 255},
    {"samplewise_center": True},
    {"samplewise_std_normalization": True},
    {"rescale": 1 / 127.5, "samplewise_center": True, "samplewise_std_normalization": True},
)


def _by_flow_from_directory(options: dict[str, Any]) -> Callable[[Scope], Iterator[Pair]]:
    values = {name: value for name, value in options.items() if name != "rescale"}
    factor = options.get("rescale")
    scale = "0..255" if factor is None else Rescale(factor)

    def pairs(scope: Scope) -> Iterator[Pair]:
        # NOTE: the generator stacks a batch of tensors, so that all have the size of its target.
        for color, size in zip(COLORS, scope.sizes, strict=False):
            expected = oracles.flow_from_directory(scope.photos, color=color, size=size, **options)
            for picture, tensor in zip(scope.photos, expected, strict=True):
                found = ours(
                    picture,
                    recipe="keras.flow_from_directory",
                    color=color,
                    size=size,
                    resize="nearest",
                    scale=scale,
                    **values,
                )
                yield Pair(f"{picture} {color} {size}", found, tensor)

    return pairs


def _by_application(module: str) -> Callable[[Scope], Iterator[Pair]]:
    name = f"applications.{module}"
    implied = NAMED_RECIPES[name].implied

    def pairs(scope: Scope) -> Iterator[Pair]:
        for picture, size in product(scope.photos, ((224, 224), (64, 96))):
            yield Pair(
                f"{picture} {size}",
                ours(picture, recipe=name, size=size, **implied),
                oracles.application(picture, module, size=size),
            )

    return pairs


def _by_teachable_machine(scope: Scope) -> Iterator[Pair]:
    recipe = "teachable-machine"
    for picture, size in product((*scope.kinds, *scope.photos), ((224, 224), (96, 100))):
        if picture.kind not in DEEP_GRAYS:
            found = ours(picture, recipe=recipe, size=size, **NAMED_RECIPES[recipe].implied)
            yield Pair(f"{picture} {size}", found, oracles.teachable_machine(picture, size=size))


def _by_huggingface(edge: int | None) -> Callable[[Scope], Iterator[Pair]]:
    filters: tuple[tuple[Resize, Image.Resampling], ...] = (
        ("bilinear", Image.Resampling.BILINEAR), ("bicubic", Image.Resampling.BICUBIC),
        ("lanczos", Image.Resampling.LANCZOS), ("nearest", Image.Resampling.NEAREST),
    )  # fmt: skip

    def pairs(scope: Scope) -> Iterator[Pair]:
        for index, (picture, size) in enumerate(product(scope.photos, ((224, 224), (64, 91)))):
            resize, resample = filters[index % len(filters)]
            found = ours(picture, recipe="huggingface", size=size, resize=resize, scale=_IMAGENET, shortest_edge=edge)
            mean, std = np.array(_IMAGENET.mean), np.array(_IMAGENET.std)
            expected = oracles.huggingface(picture, edge=edge, size=size, resample=resample, mean=mean, std=std)
            yield Pair(f"{picture} {resize} {size}", found, expected)

    return pairs


WHOLE = (
    *(
        Row("keras.flow_from_directory", ", ".join(options), EXACT, _by_flow_from_directory(options))
        for options in _STANDARDIZED
    ),
    Row("teachable-machine", "its published snippet", EXACT, _by_teachable_machine),
    *(
        Row(name, "load_img, preprocess_input", EXACT, _by_application(name.removeprefix("applications.")))
        for name in NAMED_RECIPES
        if name.startswith("applications.")
    ),
    Row("huggingface", "resize to size", EXACT, _by_huggingface(None)),
    *(
        Row("huggingface", f"shortest edge {edge}, centre crop", EXACT, _by_huggingface(edge))
        for edge in (40, 224, 256)
    ),
)  # fmt: skip
