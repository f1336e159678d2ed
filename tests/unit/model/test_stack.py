"""Where a stack turns its maps into a vector: which layer, from what, to what, and where none does."""

from collections.abc import Sequence
from typing import Any

import pytest

from service.model.layers import Layer
from service.model.stack import NO_LAYERS, NO_MAPS, NO_PLACES, NO_VECTOR, Stack, maps_to_vector, maps_to_vector_text


def layer(name: str, kind: str, taken: Any, given: Any, *inbound: str, **more: Any) -> Layer:
    """Return a layer by its item shapes, without the batch axis."""
    return Layer(name, kind, (None, *given), 0, input_shape=(None, *taken), inbound=inbound, **more)


def picture(*item: int | None, name: str = "image") -> Layer:
    return layer(name, "InputLayer", item, item)


MNIST = (
    picture(28, 28, 1),
    layer("conv", "Conv2D", (28, 28, 1), (26, 26, 32), "image"),
    layer("pool", "MaxPooling2D", (26, 26, 32), (13, 13, 32), "conv"),
    layer("flatten", "Flatten", (13, 13, 32), (5408,), "pool", order="row, column, channel"),
    layer("dense", "Dense", (5408,), (10,), "flatten"),
)


def pooled(kind: str = "GlobalAveragePooling2D", given: tuple[int, ...] = (32,)) -> tuple[Layer, ...]:
    return (
        picture(28, 28, 1),
        layer("conv", "Conv2D", (28, 28, 1), (26, 26, 32), "image"),
        layer("pool", kind, (26, 26, 32), given, "conv"),
        layer("dense", "Dense", given, (*given[:-1], 10), "pool"),
    )


def steps(layers: Sequence[Layer]) -> list[dict[str, Any]]:
    return [one.to_json() for one in maps_to_vector(layers)]


def test_a_flatten_says_from_what_to_what_and_in_which_order() -> None:
    assert steps(MNIST) == [
        {
            "by": "Flatten",
            "layer": "flatten",
            "from": [13, 13, 32],
            "to": 5408,
            "order": "row, column, channel",
        }
    ]
    assert maps_to_vector_text(MNIST) == (
        "flatten (Flatten) turns maps of 13x13x32 into a vector of 5,408, in the order row, column, channel."
    )


@pytest.mark.parametrize("kind", ["GlobalAveragePooling2D", "GlobalMaxPooling2D"])
@pytest.mark.parametrize("given", [(32,), (1, 1, 32)], ids=["vector", "map of one pixel"])
def test_global_pooling_leaves_one_number_per_channel(kind: str, given: tuple[int, ...]) -> None:
    assert steps(pooled(kind, given)) == [{"by": kind, "layer": "pool", "from": [26, 26, 32], "to": 32}]


def test_maps_of_any_size_are_pooled_to_a_vector_of_known_length() -> None:
    layers = (
        picture(None, None, 3),
        layer("pool", "GlobalAveragePooling2D", (None, None, 3), (3,), "image"),
    )
    assert steps(layers)[0]["from"] == [None, None, 3]
    assert maps_to_vector_text(layers) == "pool (GlobalAveragePooling2D) turns maps of ?x?x3 into a vector of 3."


def test_a_flatten_of_maps_of_any_size_gives_a_vector_of_free_length() -> None:
    layers = (picture(None, None, 3), layer("flat", "Flatten", (None, None, 3), (None,), "image"))
    assert steps(layers)[0]["to"] is None
    assert "a vector of free length" in maps_to_vector_text(layers)


def test_a_flatten_after_global_pooling_changes_nothing_and_is_no_step() -> None:
    layers = (*pooled(given=(1, 1, 32)), layer("flat", "Flatten", (1, 1, 10), (10,), "dense"))
    assert [one["layer"] for one in steps(layers)] == ["pool"]


@pytest.mark.parametrize("kind", ["Conv2D", "AveragePooling2D", "Reshape"])
def test_any_layer_that_takes_maps_and_gives_a_vector_counts(kind: str) -> None:
    assert [one["by"] for one in steps(pooled(kind))] == [kind]


def test_each_branch_has_its_own_step_in_the_order_of_the_layers() -> None:
    layers = (
        picture(8, 8, 1, name="left"),
        picture(8, 8, 3, name="right"),
        layer("flat_left", "Flatten", (8, 8, 1), (64,), "left"),
        layer("flat_right", "Flatten", (8, 8, 3), (192,), "right"),
        Layer("join", "Concatenate", (None, 256), 0, ((None, 64), (None, 192)), inbound=("flat_left", "flat_right")),
        layer("dense", "Dense", (256,), (2,), "join"),
    )
    assert [(one["layer"], one["to"]) for one in steps(layers)] == [("flat_left", 64), ("flat_right", 192)]


def test_one_step_before_two_outputs_is_named_once() -> None:
    layers = (*MNIST, layer("other", "Dense", (5408,), (1,), "flatten"))
    assert [one["layer"] for one in steps(layers)] == ["flatten"]


def test_the_pooling_of_a_block_that_goes_back_to_maps_is_no_step() -> None:
    layers = (
        picture(8, 8, 16),
        layer("squeeze", "GlobalAveragePooling2D", (8, 8, 16), (16,), "image"),
        layer("excite", "Dense", (16,), (16,), "squeeze"),
        Layer("scaled", "Multiply", (None, 8, 8, 16), 0, ((None, 8, 8, 16), (None, 16)), inbound=("image", "excite")),
        layer("pool", "GlobalAveragePooling2D", (8, 8, 16), (16,), "scaled"),
        layer("dense", "Dense", (16,), (2,), "pool"),
    )
    assert [one["layer"] for one in steps(layers)] == ["pool"]


def test_a_layer_of_two_maps_that_gives_a_vector_counts() -> None:
    layers = (
        picture(8, 8, 1),
        Layer("dot", "Dot", (None, 8), 0, ((None, 8, 8, 1), (None, 8, 8, 1)), inbound=("image",)),
    )
    assert steps(layers) == [{"by": "Dot", "layer": "dot", "from": [8, 8, 1], "to": 8}]


def test_layers_of_nested_models_are_named_by_their_path() -> None:
    layers = (
        picture(8, 8, 3),
        layer("body/inside", "InputLayer", (8, 8, 3), (8, 8, 3), "image"),
        layer("body/pool", "GlobalMaxPooling2D", (8, 8, 3), (3,), "body/inside"),
        layer("dense", "Dense", (3,), (2,), "body/pool"),
    )
    assert [one["layer"] for one in steps(layers)] == ["body/pool"]


@pytest.mark.parametrize(
    ("layers", "text"),
    [
        ((picture(20), layer("dense", "Dense", (20,), (2,), "image")), NO_MAPS),
        ((picture(1, 1, 3), layer("conv", "Conv2D", (1, 1, 3), (1, 1, 2), "image")), NO_PLACES),
        ((picture(8, 8, 3), layer("conv", "Conv2D", (8, 8, 3), (8, 8, 2), "image")), NO_VECTOR),
        ((), NO_LAYERS),
    ],
    ids=["vectors all along", "one place", "a map at the end", "no layers"],
)
def test_where_nothing_turns_maps_into_a_vector_the_text_says_why(layers: tuple[Layer, ...], text: str) -> None:
    assert steps(layers) == []
    assert maps_to_vector_text(layers) == text


def test_beside_an_output_that_is_a_map_the_step_to_the_other_output_counts() -> None:
    layers = (*MNIST, layer("where", "Conv2D", (13, 13, 32), (13, 13, 2), "pool"))
    assert [one["layer"] for one in steps(layers)] == ["flatten"]


def test_the_layers_before_one_are_all_on_the_ways_to_it_the_nearest_first() -> None:
    stack = Stack(MNIST)
    assert [one.name for one in stack.before(MNIST[3])] == ["pool", "conv", "image"]
    assert [one.name for one in stack.last()] == ["dense"]
