"""The recipe: its defaults, what overrides them, and where each value came from."""

import pytest

from service.model.recipe import MeanStd, Recipe, default_recipe
from service.model.tensors import ImageLayout


@pytest.mark.parametrize(("channels", "color"), [(1, "grayscale"), (3, "rgb"), (4, "rgba")])
def test_the_channels_of_the_input_give_the_colour(channels: int, color: str) -> None:
    recipe = default_recipe(ImageLayout(28, 28, channels))
    assert (recipe.color, recipe.source_of("color")) == (color, "graph")


def test_the_size_of_the_input_gives_the_size() -> None:
    recipe = default_recipe(ImageLayout(20, 30, 3))
    assert (recipe.size, recipe.source_of("size")) == ((20, 30), "graph")


def test_a_free_size_is_the_pictures_own() -> None:
    recipe = default_recipe(ImageLayout(None, None, 3))
    assert (recipe.size, recipe.source_of("size")) == ((None, None), "default")


@pytest.mark.parametrize("name", ["recipe", "resize", "fit", "scale", "invert", "exif"])
def test_what_nobody_said_is_a_default(name: str) -> None:
    assert default_recipe(ImageLayout(28, 28, 1)).source_of(name) == "default"


def test_an_overridden_value_says_who_overrode_it() -> None:
    recipe = default_recipe(ImageLayout(28, 28, 3)).overridden({"scale": "-1..1"}, source="sidecar")
    assert (recipe.scale, recipe.source_of("scale")) == ("-1..1", "sidecar")


def test_the_last_to_override_wins() -> None:
    recipe = default_recipe(ImageLayout(28, 28, 3))
    recipe = recipe.overridden({"scale": "0..255"}, source="graph").overridden({"scale": "torch"}, source="sidecar")
    assert (recipe.scale, recipe.source_of("scale")) == ("torch", "sidecar")


def test_overriding_one_value_leaves_the_others_and_their_sources() -> None:
    before = default_recipe(ImageLayout(28, 28, 3)).overridden({"scale": "0..255"}, source="graph")
    after = before.overridden({"invert": True}, source="sidecar")
    assert (after.scale, after.source_of("scale")) == ("0..255", "graph")
    assert (after.color, after.source_of("color")) == ("rgb", "graph")


def test_overriding_leaves_the_recipe_it_began_with_alone() -> None:
    before = default_recipe(ImageLayout(28, 28, 3))
    before.overridden({"invert": True}, source="sidecar")
    assert (before.invert, before.source_of("invert")) == (False, "default")


def test_every_value_is_shown_with_its_source() -> None:
    recipe = Recipe("rgb", (64, None), fit="crop", sources={"color": "graph", "fit": "sidecar"})
    assert recipe.to_json() == {
        "color": {"value": "rgb", "source": "graph"},
        "size": {"value": [64, None], "source": "default"},
        "recipe": {"value": "keras.load_img", "source": "default"},
        "resize": {"value": "bilinear", "source": "default"},
        "fit": {"value": "crop", "source": "sidecar"},
        "scale": {"value": "0..1", "source": "default"},
        "invert": {"value": False, "source": "default"},
        "exif": {"value": False, "source": "default"},
    }


def test_a_scale_by_mean_and_deviation_is_shown_as_the_sidecar_writes_it() -> None:
    recipe = Recipe("rgb", (64, 64), scale=MeanStd((0.5, 0.4, 0.3), (0.2, 0.2, 0.1)), sources={"scale": "sidecar"})
    assert recipe.to_json()["scale"] == {
        "value": {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.2, 0.1]},
        "source": "sidecar",
    }
