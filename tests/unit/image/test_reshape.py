"""Posted numbers reach a model unchanged, or are refused."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import MisfitError
from service.image.reshape import numbers_to_batch, range_warning
from service.model.reach import reach_in_words
from service.model.recipe import MeanStd, Recipe, Rescale, Scale
from service.model.tensors import ChannelOrder, Shape, TensorSpec, image_layout


def fitted(
    array: NDArray[Any],
    shape: Shape,
    *,
    dtype: str = "float32",
    is_image: bool = True,
    order: ChannelOrder = "channels_last",
) -> NDArray[Any]:
    layout = image_layout(shape, order=order) if is_image else None
    return numbers_to_batch(array, TensorSpec("input", shape, dtype), layout)


def numbers(*shape: int) -> NDArray[np.float32]:
    return np.arange(np.prod(shape, dtype=int), dtype=np.float32).reshape(shape)


GREY = [(28, 28), (28, 28, 1), (1, 28, 28), (784,)]
RGB = [(32, 32, 3), (3072,)]
FITTING: list[tuple[Shape, tuple[int, ...], tuple[int, ...]]] = [
    *(((None, 28, 28, 1), form, (28, 28, 1)) for form in GREY),
    *(((None, 28, 28), form, (28, 28)) for form in GREY),
    *(((None, 784), form, (784,)) for form in GREY),
    *(((None, 32, 32, 3), form, (32, 32, 3)) for form in RGB),
    *(((None, 3072), form, (3072,)) for form in RGB),
    ((None, None, None, 3), (5, 7, 3), (5, 7, 3)),
    ((None, None, None, 1), (5, 7, 1), (5, 7, 1)),
    ((None, 28, None, 1), (28, 7), (28, 7, 1)),
    ((None, 8, 8, 4), (8, 8, 4), (8, 8, 4)),
]


@pytest.mark.parametrize(("shape", "form", "item"), FITTING)
@pytest.mark.parametrize("count", [None, 1, 5])
def test_each_form_of_an_example_reaches_the_model_alone_and_in_a_batch(
    shape: Shape, form: tuple[int, ...], item: tuple[int, ...], count: int | None
) -> None:
    array = numbers(*form) if count is None else numbers(count, *form)

    found = fitted(array, shape)

    assert found.shape == (count or 1, *item)
    assert found.dtype == np.float32
    assert np.array_equal(found.reshape(-1), array.reshape(-1))


def test_channels_first_takes_its_own_order() -> None:
    found = fitted(numbers(3, 32, 32), (None, 3, 32, 32), order="channels_first")

    assert found.shape == (1, 3, 32, 32)


@pytest.mark.parametrize(
    ("shape", "came", "order"),
    [
        ((None, 32, 32, 3), (3, 32, 32), "channels_last"),
        ((None, 32, 32, 3), (1, 3, 32, 32), "channels_last"),
        ((None, 32, 32, 3), (32, 32), "channels_last"),
        ((None, 32, 32, 3), (32, 32, 4), "channels_last"),
        ((None, 3, 32, 32), (32, 32, 3), "channels_first"),
        ((None, 3072), (3, 32, 32), "channels_last"),
        ((None, 28, 28, 1), (27, 28), "channels_last"),
        ((None, 28, 28, 1), (28, 28, 3), "channels_last"),
        ((None, 28, 28, 1), (14, 56), "channels_last"),
        ((None, 28, 28, 1), (2, 2, 28, 28), "channels_last"),
        ((None, 28, 28, 1), (1, 1, 28, 28, 1), "channels_last"),
        ((None, 28, 28, 1), (), "channels_last"),
        ((None, None, None, 3), (75,), "channels_last"),
        ((None, None, None, 3), (3, 5, 7), "channels_last"),
    ],
)
def test_another_order_or_a_loss_is_refused(shape: Shape, came: tuple[int, ...], order: ChannelOrder) -> None:
    with pytest.raises(MisfitError) as caught:
        fitted(np.zeros(came, np.float32), shape, order=order)

    assert str(list(came)) in caught.value.message


def test_the_refusal_lists_what_came_and_every_accepted_shape() -> None:
    with pytest.raises(MisfitError) as caught:
        fitted(np.zeros((27, 28), np.float32), (None, 28, 28, 1))

    assert caught.value.message == (
        "Numbers of shape [27, 28] do not fit input input. Send one example as [28, 28, 1], [28, 28], [1, 28, 28], "
        "[784], or a batch of them with the batch axis first."
    )


@pytest.mark.parametrize("came", [(28, 28, 1), (5, 7, 1)])
def test_an_array_that_can_be_read_in_two_ways_is_refused(came: tuple[int, ...]) -> None:
    with pytest.raises(MisfitError, match=r"can be read as .* or .*send them with every axis, \[any, any, any\]"):
        fitted(np.zeros(came, np.float32), (None, None, None))


@pytest.mark.parametrize("came", [(5, 7, 1), (4, 1, 7, 1), (4, 5, 1, 1)])
def test_the_declared_shape_is_never_refused_as_ambiguous(came: tuple[int, ...]) -> None:
    assert fitted(np.zeros(came, np.float32), (None, None, None, 1)).shape[-3:] == came[-3:]


@pytest.mark.parametrize("came", [(0,), (0, 28, 28), (0, 28, 28, 1), (0, 784), (28, 0)])
def test_an_empty_array_is_refused(came: tuple[int, ...]) -> None:
    with pytest.raises(MisfitError):
        fitted(np.zeros(came, np.float32), (None, 28, 28, 1))


@pytest.mark.parametrize("came", [(0, 4, 4, 3), (2, 0, 4, 3)])
def test_an_empty_array_is_refused_where_sides_are_free(came: tuple[int, ...]) -> None:
    with pytest.raises(MisfitError, match="hold no example"):
        fitted(np.zeros(came, np.float32), (None, None, None, 3))


@pytest.mark.parametrize(
    ("shape", "came", "expected"),
    [
        ((None, 10), (10,), (1, 10)),
        ((None, 10), (4, 10), (4, 10)),
        ((None, 4, 5, 2), (4, 5, 2), (1, 4, 5, 2)),
        ((None, None, 6), (3, 6), (1, 3, 6)),
        ((None, 1), (3, 1), (3, 1)),
    ],
)
def test_an_input_that_is_no_image_goes_by_its_shape_alone(
    shape: Shape, came: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    assert fitted(numbers(*came), shape, is_image=False).shape == expected


def test_ten_thousand_images_are_not_copied() -> None:
    array = np.zeros((10_000, 28, 28), np.float32)

    assert np.shares_memory(fitted(array, (None, 28, 28, 1)), array)


@pytest.mark.parametrize("dtype", [">f4", "<f8", ">f8", "<f2", "u1", "<i8", ">i2", "?"])
def test_every_kind_of_number_arrives_with_its_values(dtype: str) -> None:
    array = np.array([[0, 1], [1, 0]]).astype(dtype)

    found = fitted(array, (None, 2, 2), is_image=False)

    assert found.dtype == np.dtype("float32")
    assert found.dtype.isnative
    assert found.tolist() == [[[0, 1], [1, 0]]]


def test_fortran_order_changes_nothing() -> None:
    array = numbers(4, 5, 2)

    found = fitted(np.asfortranarray(array), (None, 4, 5, 2), is_image=False)

    assert np.array_equal(found[0], array)
    assert found.flags.c_contiguous


def test_float64_is_rounded_to_the_nearest_float32() -> None:
    assert fitted(np.array([0.1, 1 / 3]), (None, 2)).tolist() == [np.array([0.1, 1 / 3], np.float32).tolist()]


@pytest.mark.parametrize(
    ("values", "dtype"),
    [
        ([2**24 + 1], "float32"),
        ([2**53 + 1], "float32"),
        ([2**63 - 1], "float32"),
        ([2**64 - 1], "float32"),
        ([2**53 + 1], "float64"),
        ([2049], "float16"),
        ([256], "uint8"),
        ([-1], "uint8"),
        ([0.5], "uint8"),
        ([256.0], "uint8"),
        ([1e300], "int64"),
        ([2**63], "int64"),
        ([2], "bool"),
        ([0.5], "bool"),
        ([1e39], "float32"),
        ([-1e300], "float32"),
        ([1e5], "float16"),
    ],
)
def test_numbers_the_models_dtype_would_change_are_refused(values: list[Any], dtype: str) -> None:
    with pytest.raises(MisfitError, match=f"cannot be held by the model's {dtype}"):
        fitted(np.array([values[0]]), (None, 1), dtype=dtype)


@pytest.mark.parametrize(
    ("values", "dtype"),
    [([2**24], "float32"), ([255.0], "uint8"), ([255], "uint8"), ([True], "uint8"), ([1.0], "bool"), ([-7.0], "int8")],
)
def test_numbers_the_models_dtype_holds_are_cast(values: list[Any], dtype: str) -> None:
    found = fitted(np.array(values), (None, 1), dtype=dtype)

    assert found.dtype == dtype
    assert found.tolist() == [values]


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", ["float32", "uint8"])
def test_numbers_that_are_not_finite_are_refused(value: float, dtype: str) -> None:
    with pytest.raises(MisfitError, match="NaN or infinity"):
        fitted(np.array([0, value]), (None, 2), dtype=dtype)


@pytest.mark.parametrize(
    "array", [np.array([None, {}]), np.array(["a", "b"]), np.array([1j, 2]), np.array([b"a", b""])]
)
def test_what_is_no_number_is_refused(array: NDArray[Any]) -> None:
    with pytest.raises(MisfitError, match="must hold numbers"):
        fitted(array, (None, 2))


@given(
    st.lists(st.integers(0, 5), max_size=5),
    st.sampled_from([(None, 4, 4, 1), (None, None, None, 1), (None, None, None), (None, 64), (None, 3, None, 3)]),
)
def test_any_shape_fits_without_loss_or_is_refused(came: list[int], shape: Shape) -> None:
    array = numbers(*came)

    try:
        found = fitted(array, shape)
    except MisfitError:
        return

    assert array.size > 0
    assert np.array_equal(found.reshape(-1), array.reshape(-1))
    assert all(want in (None, have) for want, have in zip(shape, found.shape, strict=True))


@pytest.mark.parametrize(
    ("scale", "values"),
    [
        ("0..1", [0, 255]),
        ("0..1", [-200, 1]),
        ("-1..1", [0, 255]),
        ("0..255", [0, 1]),
        ("0..255", [-1, 1]),
        ("caffe", [0, 1]),
        ("torch", [0, 255]),
        ("0..1", [-1, 1]),
        ("torch", [-6, 2]),
        ("0..255", [0, 65535]),
        ("0..255", [-200, 100]),
        (MeanStd((0.5,), (0.5,)), [0, 255]),
        (MeanStd((0.5,), (0.25,)), [-5, 2]),
        (Rescale(1 / 255), [0, 255]),
        (Rescale(2.0), [0, 1]),
    ],
)
def test_a_range_that_does_not_fit_the_recipe_is_warned_of(scale: Scale, values: list[float]) -> None:
    recipe = Recipe("grayscale", (1, 2), scale=scale)

    warning = range_warning(np.array([values], np.float32), recipe)

    assert warning is not None
    assert f"from {values[0]} to {values[1]}" in warning
    assert f"this model takes {reach_in_words(scale)}." in warning


@pytest.mark.parametrize(
    ("scale", "values"),
    [
        ("0..1", [0, 1]),
        ("0..1", [0, 0]),
        ("-1..1", [-1, 1]),
        ("0..255", [0, 255]),
        ("0..255", [0, 0]),
        ("caffe", [-123, 151]),
        ("torch", [-2.1, 2.6]),
        ("0..1", [-0.4, 1.4]),
        ("caffe", [0, 255]),
        ("torch", [-3, 4]),
        (MeanStd((0.5,), (0.5,)), [-1, 1]),
        (MeanStd((0.0,), (1 / 255,)), [0, 255]),
        (Rescale(1 / 255), [0, 1]),
        (Rescale(1.0, -127.5), [-127.5, 127.5]),
    ],
)
def test_a_range_that_fits_is_not_warned_of(scale: Scale, values: list[float]) -> None:
    assert range_warning(np.array([values], np.float32), Recipe("grayscale", (1, 2), scale=scale)) is None


def test_a_model_of_integers_takes_raw_numbers_whatever_its_recipe() -> None:
    assert range_warning(np.array([[0, 255]], np.uint8), Recipe("grayscale", (1, 2), scale="0..1")) is None


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe("grayscale", (1, 2), samplewise_center=True),
        Recipe("grayscale", (1, 2), samplewise_std_normalization=True),
    ],
)
def test_where_each_picture_is_scaled_by_itself_no_range_is_wrong(recipe: Recipe) -> None:
    assert range_warning(np.array([[-7, 9]], np.float32), recipe) is None


def test_without_a_recipe_no_range_is_wrong() -> None:
    assert range_warning(np.array([[1e6]], np.float32), None) is None
