"""Where a unit looks, told from the description of layers alone: by hand for small stacks, and what is missing."""

import json
from typing import Any

import numpy as np
import pytest

from service.errors import MisfitError, UnknownLayerError, UnknownUnitError
from service.model.description import InputFacts
from service.model.insight import LayerTap
from service.model.layers import Layer
from service.model.regions import Region, Size, Unit, axis, unit_at, walk
from service.model.tensors import Shape, TensorSpec


def image(*item: int | None, **facts: Any) -> InputFacts:
    return InputFacts(TensorSpec("image", (None, *item)), **facts)


def layer(kind: str, item: Shape, name: str = "seen", *, inbound: tuple[str, ...] = ("image",), **facts: Any) -> Layer:
    return Layer(name, kind, (None, *item), 0, inbound=inbound, **facts)


def look(facts: InputFacts, *layers: Layer, index: int = 0, size: Size | None = None, **tap: int) -> Unit:
    start = Layer("image", "InputLayer", facts.spec.shape, 0)
    sizes = {"image": size} if size else {}
    return unit_at((start, *layers), [facts], LayerTap(layers[-1].name, **tap), index, sizes=sizes)


CONV: dict[str, Any] = {"kernel_size": (3, 3), "strides": (2, 2), "padding": "same", "dilation_rate": (1, 1)}


@pytest.mark.parametrize(
    ("index", "region"),
    [
        (0, Region("image", 0, 0, 2, 3)),  # of 7 rows the first is padding, of 8 columns none before
        (1 * 4 + 1, Region("image", 1, 2, 4, 5)),
        (3 * 4 + 3, Region("image", 5, 6, 7, 8)),
    ],
)
def test_same_padding_is_tensorflows(index: int, region: Region) -> None:
    # 7 = 3 * 2 + 3 - 2 rows: one padded on each side; 8 columns: one padded, and that one last.
    assert look(image(7, 8, 1), layer("Conv2D", (4, 4, 1), **CONV), index=index).regions == (region,)


def test_a_unit_that_sees_only_padding_has_an_empty_region() -> None:
    padded = layer("ZeroPadding2D", (6, 6, 1), pad_width=((2, 2), (2, 2)))

    assert look(image(2, 2, 1), padded).regions == (Region("image", 0, 0, 0, 0),)
    assert look(image(2, 2, 1), padded, index=2 * 6 + 3).regions == (Region("image", 0, 1, 1, 2),)


def test_a_vector_of_numbers_is_one_row() -> None:
    found = look(image(5), layer("Dropout", (5,)), index=3)

    assert found.regions == (Region("image", 0, 3, 1, 4),)
    assert (found.map, found.row, found.column, found.channel) == ("image", None, None, 3)


def test_a_map_without_channels_has_rows_and_columns() -> None:
    start = Layer("image", "InputLayer", (None, 4, 5), 0, axes=("row", "column"))
    flat = layer("Flatten", (20,), order="row, column")
    found = unit_at((start, flat), [image(4, 5)], LayerTap("seen"), 13, sizes={})

    assert (found.map, found.row, found.column, found.channel) == ("image", 2, 3, None)
    assert found.regions == (Region("image", 2, 3, 3, 4),)


def test_what_a_layer_is_called_does_not_count_where_it_is_not_of_keras() -> None:
    known = look(image(4, 4, 1), layer("Dropout", (4, 4, 1)))
    custom = look(image(4, 4, 1), layer("Dropout", (4, 4, 1), is_custom=True))
    training = look(image(4, 4, 1), layer("Dropout", (4, 4, 1), training=True))

    assert known.regions == (Region("image", 0, 0, 1, 1),)
    assert custom.regions == training.regions == (Region("image", 0, 0, 4, 4),)


def test_a_layer_whose_shape_is_not_what_its_name_says_looks_at_everything() -> None:
    assert look(image(4, 4, 1), layer("Conv2D", (3, 4, 1), **CONV)).regions == (Region("image", 0, 0, 4, 4),)


def test_each_call_of_a_shared_layer_has_what_it_takes() -> None:
    crop = layer("Cropping2D", (2, 4, 1), "crop", cropping=((2, 0), (0, 0)))
    shared = layer("ReLU", (4, 4, 1), calls=((("image", 0, 0),), (("crop", 0, 0),)))

    assert look(image(4, 4, 1), crop, shared).regions == (Region("image", 0, 0, 1, 1),)
    assert look(image(4, 4, 1), crop, shared, call=1).regions == (Region("image", 2, 0, 3, 1),)
    with pytest.raises(UnknownUnitError, match="call 0 to 1 and part 0 to 0"):
        look(image(4, 4, 1), crop, shared, call=2)


def test_a_free_size_must_be_said_and_must_leave_something() -> None:
    conv = layer("Conv2D", (None, None, 1), **(CONV | {"padding": "valid"}))

    assert look(image(None, 8, 1), conv, size=(9, 5), index=4).regions == (Region("image", 2, 2, 5, 5),)
    with pytest.raises(MisfitError, match="size=64x64"):
        look(image(None, 8, 1), conv)
    with pytest.raises(MisfitError, match="too small: nothing is left of it at seen"):
        look(image(None, 8, 1), conv, size=(2, 8))


def test_what_is_kept_of_a_size_answers_as_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    conv = layer("Conv2D", (None, None, 1), **(CONV | {"padding": "valid"}))
    first = look(image(None, 7, 1), conv, size=(9, 7), index=4)
    for _ in range(2):
        with pytest.raises(MisfitError, match="too small: nothing is left of it at seen"):
            look(image(None, 7, 1), conv, size=(1, 7))
    monkeypatch.setattr(walk, "step_of", lambda _: pytest.fail("it was told before"))

    assert look(image(None, 7, 1), conv, size=(9, 7), index=4) == first
    assert look(image(None, 7, 1), conv, size=(9, 7), index=5).regions != first.regions


def test_channels_of_one_group_are_all_taken_once() -> None:
    whole = np.ones(512, np.bool_)
    assert axis.grouped(2048, 512, 1).taps(np.flatnonzero(whole)).size == 2048
    assert axis.grouped(8, 4, 2).back(np.array([True, False, False, False])).tolist() == [True] * 4 + [False] * 4


@pytest.mark.parametrize(
    "chosen", [slice(1, 6, 2), slice(None, None, -1), slice(-3, None), slice(6, 2, -2), slice(9, 9)]
)
def test_a_slice_gives_the_places_it_takes(chosen: slice) -> None:
    found = axis.strided(7, chosen)
    expected = np.arange(7)[chosen]
    assert found.given == len(expected)
    assert found.taps(np.arange(found.given)).tolist() == expected.tolist()


def test_a_layer_that_gives_who_knows_how_much_of_any_size_is_refused() -> None:
    with pytest.raises(MisfitError, match="cannot be told"):
        look(image(None, None, 1), layer("Odd", (None, None, 1)), size=(4, 4))


def test_an_unknown_layer_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownLayerError, match=r"no layer 'convd'\. Did you mean 'conv2d'"):
        unit_at([layer("Conv2D", (1, 1, 1), "conv2d")], [image(1, 1, 1)], LayerTap("convd"), 0, sizes={})


def test_an_index_beyond_is_told_with_the_last_and_what_it_counts() -> None:
    with pytest.raises(UnknownUnitError, match=r"gives 2x3x4 numbers .* 0 to 23, which counts row, column, channel"):
        look(image(2, 3, 4), layer("ReLU", (2, 3, 4)), index=24)


def test_what_tells_where_a_layer_looks_survives_json() -> None:
    shown = layer("GetItem", (2, 2), key=((None, None, None), (1, 3, None), "...", 0), calls=((("image", 0, 1),),))

    assert Layer.from_json(json.loads(json.dumps(shown.to_json()))) == shown
