"""Which inputs can take a picture, and how their axes carry it."""

import json

import pytest

from service.model.tensors import ImageLayout, Shape, TensorSpec, image_layout, is_map, units_of

IMAGES = {
    "grey": ((None, 28, 28, 1), ImageLayout(28, 28, 1)),
    "colour": ((None, 32, 32, 3), ImageLayout(32, 32, 3)),
    "colour with alpha": ((None, 16, 24, 4), ImageLayout(16, 24, 4)),
    "free sides": ((None, None, None, 3), ImageLayout(None, None, 3)),
    "fixed batch": ((8, 28, 28, 1), ImageLayout(28, 28, 1)),
    "no channel axis": ((None, 28, 20), ImageLayout(28, 20, 1, has_channel_axis=False)),
    "flat grey": ((None, 784), ImageLayout(28, 28, 1, has_channel_axis=False, is_flat=True)),
    "flat colour": ((None, 3072), ImageLayout(32, 32, 3, is_flat=True)),
    "smallest flat grey": ((None, 64), ImageLayout(8, 8, 1, has_channel_axis=False, is_flat=True)),
}

NOT_IMAGES: dict[str, Shape] = {
    "13 channels": (None, 28, 28, 13),
    "2 channels": (None, 28, 28, 2),
    "free channels": (None, 28, 28, None),
    "no square": (None, 13),
    "flat square too small to be a picture": (None, 49),
    "free length": (None, None),
    "video": (None, 8, 28, 28, 3),
    "scalar": (None,),
    "no axes": (),
}


@pytest.mark.parametrize(("shape", "layout"), IMAGES.values(), ids=IMAGES)
def test_an_input_of_this_shape_takes_a_picture(shape: Shape, layout: ImageLayout) -> None:
    assert image_layout(shape) == layout


@pytest.mark.parametrize("shape", NOT_IMAGES.values(), ids=NOT_IMAGES)
def test_an_input_of_this_shape_takes_no_picture(shape: Shape) -> None:
    assert image_layout(shape) is None


def test_channels_first_reads_the_first_axis_as_channels() -> None:
    layout = image_layout((None, 3, 20, 30), order="channels_first")
    assert layout == ImageLayout(20, 30, 3, "channels_first")


def test_channels_first_does_not_take_the_last_axis_for_channels() -> None:
    assert image_layout((None, 28, 28, 3), order="channels_first") is None


def test_size_is_height_then_width() -> None:
    layout = image_layout((None, 20, 30, 3))
    assert layout is not None
    assert layout.size == (20, 30)


def test_the_shape_of_one_example_leaves_the_batch_axis_out() -> None:
    assert TensorSpec("image", (None, 28, 28, 1)).item_shape == (28, 28, 1)


def test_a_free_axis_is_null_in_json() -> None:
    spec = TensorSpec("image", (None, None, 28, 1), "uint8")
    assert spec.to_json() == {"name": "image", "shape": [None, None, 28, 1], "dtype": "uint8"}


def test_a_tensor_comes_back_from_json_as_it_was() -> None:
    spec = TensorSpec("image", (None, None, 28, 1), "uint8")
    assert TensorSpec.from_json(json.loads(json.dumps(spec.to_json()))) == spec


@pytest.mark.parametrize(
    ("shape", "units"),
    [
        ((None, 10), 10),
        ((None, 1, 1, 10), 10),
        ((None, 3, 1), 3),
        ((None, 1), 1),
        ((None,), 1),
        ((None, 4, 4, 3), None),
        ((None, 2, 3), None),
        ((None, None, None, 3), None),
        ((None, None), None),
    ],
)
def test_only_an_output_of_one_long_axis_has_units(shape: Shape, units: int | None) -> None:
    assert units_of(TensorSpec("answer", shape)) == units


@pytest.mark.parametrize(("shape", "found"), [((None, 4, 4, 3), True), ((None, None, 3), True), ((None, None), False)])
def test_a_map_has_several_axes_that_are_not_one(shape: Shape, found: bool) -> None:
    assert is_map(shape) is found


@pytest.mark.parametrize(
    ("dtype", "found"),
    [("float32", True), ("bfloat16", False), ("uint8", True), ("bool", True), ("string", False), ("complex64", False)],
)
def test_text_and_complex_values_are_no_numbers_that_json_has(dtype: str, found: bool) -> None:
    assert TensorSpec("answer", (None, 3), dtype).is_numeric is found
