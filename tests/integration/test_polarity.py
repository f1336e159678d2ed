"""Reversed polarity on the bundled models of digits, with the example pictures, through the recipe and the engine."""

from pathlib import Path

import numpy as np
import pytest

from service.builder.process import BuildLimits
from service.image.decode import ImageLimits
from service.image.pipeline import picture_to_input
from service.repository.bundles import BundleStore
from service.serving.local import open_model, source_of
from service.serving.polarity import LearnedPolarity, polarity_warnings

pytest.importorskip("keras")


@pytest.mark.parametrize("name", ["mnist", "mnist-dense", "mnist-gap"])
def test_the_examples_that_are_dark_on_light_are_warned_of(
    name: str, bundled_models: Path, cache: Path, examples: Path
) -> None:
    limits = BuildLimits(300, 8 * 2**30)
    source = source_of(name, bundled_models)
    model = open_model(source, store=BundleStore(cache), limits=limits, progress=lambda step: None)
    (card,) = model.card.inputs
    assert card.recipe is not None
    assert card.layout is not None

    warned = {}
    learned = LearnedPolarity()
    for path in sorted(examples.glob("*-on-*")):
        prepared = picture_to_input(
            path.read_bytes(), recipe=card.recipe, layout=card.layout, dtype="float32", limits=ImageLimits()
        )
        warned[path.stem] = polarity_warnings(prepared.array[np.newaxis], model, learned) != [None]

    assert len(warned) > 5
    assert warned == {name: "dark-on-light" in name for name in warned}
