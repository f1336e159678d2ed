"""Maps, vectors and heat become PNGs that show what they should, however large, odd or not finite it is."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from service.errors import MisfitError
from service.explain.activations import Activation, picked
from service.explain.canvas import Canvas
from service.explain.colour import NOT_FINITE, VIRIDIS
from service.explain.explainer import HeatMap
from service.explain.overlay import heat_alone, overlay
from service.explain.picture import picture_of
from service.explain.sheet import MOST_MAPS, grid_for
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.serving.examples import Origin
from tests.fakes import card_of, describe


def activation(values: Any, **fields: Any) -> Activation:
    array = np.asarray(values, np.float32)
    given: dict[str, Any] = {"channels": None, "order": "channels_last", "flattened": None, "output": None}
    return Activation(
        card=card_of(describe()),
        origin=Origin(),
        layer=Layer("some_layer", "Conv2D", None, 0),
        tap=LayerTap("some_layer"),
        values=array,
        warnings=(),
        **({"shape": array.shape} | given | fields),
    )


def shown(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def count(pixels: NDArray[np.uint8], colour: NDArray[np.uint8]) -> int:
    return int((pixels == colour).all(axis=-1).sum())


def test_each_channel_is_drawn_larger_by_a_whole_factor_and_on_one_scale() -> None:
    maps = np.zeros((1, 5, 5, 4), np.float32)
    maps[0, 0, 0, 1] = 10
    maps[0, 1, 1, 2] = 5

    pixels = shown(picture_of(activation(maps)))

    factor = grid_for(4, (5, 5)).factor
    assert factor > 10
    in_bar = 10 * 1
    assert count(pixels, VIRIDIS[255]) == factor**2 + in_bar
    assert count(pixels, VIRIDIS[128]) == factor**2 + in_bar


@pytest.mark.parametrize(
    "shape",
    [
        *((1, 13, 13, 32), (1, 1, 1, 8), (1, 4, 4, 1), (1, 300, 7, 3), (1, 28, 28), (1, 6, 1), (1, 5), (1, 1)),
        *((1, 5000), (1, 3, 4, 4, 2), (1, 112, 112, 96), (1, 7, 7, 1280), (1, 2, 3, 4, 5, 6)),
    ],
)
def test_every_shape_has_a_picture_of_sane_size(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).normal(size=shape)
    pixels = shown(picture_of(activation(values)))
    assert pixels.size < 3 * 4_000_000
    assert pixels.std() > 1


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 20), (1, 700), (1, 1)])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_painted_as_such(shape: tuple[int, ...], value: float) -> None:
    values = np.zeros(shape, np.float32)
    values.reshape(-1)[0] = value
    pixels = shown(picture_of(activation(values)))
    assert activation(values).extent == ((0.0, 0.0) if values.size > 1 else None)
    assert count(pixels, NOT_FINITE) > 10


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_class_that_is_not_finite_has_a_pink_bar_and_the_others_theirs(value: float) -> None:
    output = replace(card_of(describe()).outputs[0], head="scores")
    pixels = shown(picture_of(activation([[value, 2, 1, -1]], output=output)))
    assert count(pixels, NOT_FINITE) > 1000
    assert count(pixels, np.array([49, 104, 142], np.uint8)) > 1000


def test_a_flatten_is_shown_as_blocks_at_their_place() -> None:
    values = np.zeros((2, 3, 4), np.float32)
    values[1, 2, 0] = 1
    found = activation(values.reshape(1, -1), flattened=(2, 3, 4))

    pixels = shown(picture_of(found))

    hot = np.argwhere((pixels == VIRIDIS[255]).all(axis=-1))
    block = hot[hot[:, 0] < pixels.shape[0] - 40]
    content = np.argwhere((pixels[:-40] == VIRIDIS[0]).all(axis=-1))
    middle = content.mean(axis=0)
    assert (block.mean(axis=0) > middle).all()


@pytest.mark.parametrize("shape", [(4, 5), (2, 4, 5)])
def test_channels_that_come_first_are_drawn_each_by_itself(shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(3).normal(size=(1, 6, *shape))
    last = activation(np.moveaxis(values, 1, -1), shape=(1, *shape, 6))
    first = activation(values, order="channels_first", shape=(1, 6, *shape))
    assert first.numbers == range(6)
    below = slice(40, None)  # the title has the shape
    assert np.array_equal(shown(picture_of(first))[below], shown(picture_of(last))[below])


def test_the_classes_of_an_output_are_bars_with_their_labels() -> None:
    card = card_of(describe())
    low, high = (activation([row], output=card.outputs[0]) for row in ([1, 0, 0, 0], [0.1, 0.3, 0.3, 0.3]))
    blue = np.array([49, 104, 142], np.uint8)
    assert count(shown(picture_of(low))[:70], blue) > 2 * count(shown(picture_of(high))[:70], blue)


def test_a_map_too_large_for_a_sheet_is_refused() -> None:
    values = np.broadcast_to(np.float32(1), (1, 5000, 5000, 1))
    with pytest.raises(MisfitError, match="too large for a sheet"):
        picture_of(activation(values))


def test_more_maps_than_fit_are_had_by_naming_them() -> None:
    assert MOST_MAPS == 256
    assert picked([(0, 2), (1, 4), (9, 9)], of=10) == (0, 1, 2, 3, 4, 9)
    with pytest.raises(MisfitError, match="There is no channel 999999999; this layer gives 10, numbered from 0 to 9"):
        picked([(0, 999_999_999)], of=10)


def test_ranges_that_name_more_channels_than_there_are_are_refused() -> None:
    ranges = [(0, 99_999)] * 400  # would take seconds to go through
    with pytest.raises(MisfitError, match="name 40,000,000 channels, and this layer gives 100,000; name each once"):
        picked(ranges, of=100_000)


# ----------------------------------------------------------------------------------------------------------------- heat


def heat_map(raw: NDArray[Any], picture: NDArray[np.uint8] | None) -> HeatMap:
    places = np.arange(raw.size, dtype=np.intp).reshape(*raw.shape, 1)
    return HeatMap(Canvas("pixels", np.zeros(raw.shape, np.float32), places, picture), raw.astype(np.float32))


def test_heat_is_what_speaks_for_the_class_in_parts_of_the_most() -> None:
    assert heat_map(np.array([[4, 2], [-1, 0]]), None).heat.tolist() == [[1, 0.5], [0, 0]]
    assert heat_map(np.array([[-4, -2]]), None).heat.tolist() == [[0, 0]]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_where_there_is_no_heat_the_picture_is_seen_as_it_is(channels: int) -> None:
    raw = np.zeros((28, 28))
    raw[0, 0] = 1
    picture = np.full((28, 28, channels), 90, np.uint8)

    pixels = shown(overlay(heat_map(raw, picture), opacity=1))

    assert pixels.shape == (224, 224, 3)
    assert (pixels[100:, 100:] == 90).all()
    assert (pixels[0, 0] != 90).all()
    assert (shown(overlay(heat_map(raw, picture), opacity=0)) == 90).all()


def test_large_and_long_pictures_are_not_scaled_up_more_than_needed() -> None:
    assert shown(heat_alone(heat_map(np.ones((300, 100)), None))).shape == (300, 100, 3)
    assert shown(heat_alone(heat_map(np.ones((1, 64)), None))).shape == (4, 256, 3)
