"""What Convoy reads of files itself, to decode them as TensorFlow and OpenCV do; `tests/parity` has the oracles."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from service.errors import RequestError
from service.image.cv_decode import decode_as_opencv
from service.image.decode import ImageLimits, open_image, refusing
from service.image.gif import background_of, largest_frame
from service.image.png_colour import gray
from service.image.tf_decode import decode_as_tensorflow
from service.model.recipe import Color
from tests.pictures import encoded, noise

LIMITS = ImageLimits(max_pixels=100_000)
DECODERS = {"tensorflow": decode_as_tensorflow, "opencv": decode_as_opencv}
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
COLORS: tuple[Color, ...] = ("rgb", "grayscale", "rgba")
SAVED = {kind: encoded(noise(20, 30, 3), kind) for kind in FORMATS} | {
    "palette GIF": encoded(noise(20, 30), "GIF"),
    "palette BMP": encoded(noise(20, 30), "BMP"),
    "RGBA BMP": encoded(noise(20, 30, 4), "BMP"),
}


def animated(*sizes: tuple[int, int]) -> bytes:
    """Return a GIF of frames (height, width) in a screen as large as the first."""
    frames = [Image.fromarray(noise(*size, seed=index)) for index, size in enumerate(sizes)]
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:])
    return buffer.getvalue()


def test_the_largest_frame_of_a_gif_is_found_among_all() -> None:
    assert largest_frame(animated((12, 30))) == (12, 30)
    assert largest_frame(animated((12, 30), (12, 30))) == (12, 30)


@pytest.mark.parametrize("kept", [13, 14, 100, 800, -1])
def test_a_gif_that_is_cut_short_has_frames_as_far_as_it_goes(kept: int) -> None:
    assert min(largest_frame(animated((12, 30))[:kept])) >= 1


def test_a_background_beyond_the_palette_is_black() -> None:
    data = bytearray(encoded(noise(4, 4), "GIF"))
    data[10] &= 0xF8  # a palette of two colours
    data[11] = 200

    assert background_of(bytes(data)) == (0, 0, 0)


def test_gray_is_cut_off_without_a_gamma_and_mixed_in_linear_light_with_one() -> None:
    pixels = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 90, 90]]], np.uint8)

    assert gray(pixels)[0, :, 0].tolist() == [76, 149, 29, 90]
    assert gray(pixels, gamma=45_455)[0, :, 0].tolist() == [147, 200, 95, 90]


@pytest.mark.parametrize("decoder", DECODERS)
@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("name", SAVED)
def test_every_format_reaches_every_colour(name: str, color: Color, decoder: str) -> None:
    found = DECODERS[decoder](open_image(SAVED[name], limits=LIMITS), color)

    assert found.dtype == np.uint8
    assert found.shape == (20, 30, {"rgb": 3, "grayscale": 1, "rgba": 4}[color])


@given(
    st.sampled_from(list(SAVED)),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=8),
    st.floats(0.05, 1),
    st.sampled_from(COLORS),
    st.sampled_from(list(DECODERS)),
)
@settings(deadline=None, max_examples=400)
@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_a_damaged_file_is_decoded_or_refused(
    name: str, changes: list[tuple[float, int]], kept: float, color: Color, decoder: str
) -> None:
    data = bytearray(SAVED[name])
    for place, value in changes:
        data[int(place * len(data))] = value
    try:
        opened = open_image(bytes(data[: int(kept * len(data))] if kept < 0.9 else data), limits=LIMITS)
        with refusing(opened.format, LIMITS):
            found = DECODERS[decoder](opened, color)
    except RequestError:
        return
    assert found.size > 0
    assert found.shape[0] * found.shape[1] <= LIMITS.max_pixels
