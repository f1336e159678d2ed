"""Real photos, and the awkward files of test suites of decoders, are decoded and resized as their recipe says."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import RequestError
from service.model.recipe import Color
from tests.parity import oracles
from tests.parity.pictures import Picture, of_file
from tests.parity.resizing import resized
from tests.parity.rows import ONE_LEVEL, Pair, Scope, measured, ours
from tests.parity.scopes import cats_and_dogs

pytestmark = [
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
    pytest.mark.filterwarnings("ignore:Palette images:UserWarning"),
]

# Convoy shows no picture of damaged or endless files, some of which TensorFlow and OpenCV read as far as they go.
DAMAGED = {
    "chunk_no_fctl.png",
    "png_decompression_dos.png",
    "truncated_app14.jpg",
    "truncated_jpeg.jpg",
    "ultrahdr.jpg",
}


@pytest.mark.parametrize(
    ("recipe", "method"), [("keras.load_img", "bicubic"), ("keras.image_dataset", "bilinear"), ("opencv", "area")]
)
def test_photos_are_resized_exactly(recipe: str, method: str, shared: Path) -> None:
    scope = Scope((), cats_and_dogs(shared), ((64, 64), (224, 224)))
    assert len(scope.photos) == 25

    found = measured(resized(recipe, method).pairs(scope))

    assert found.pairs >= 50
    assert found.largest == 0, found


def awkward(shared: Path) -> list[Picture]:
    files = [one for one in sorted((shared / "data/images").rglob("*")) if one.is_file()]
    pictures = [of_file(one) for one in files if one.stat().st_size < 300_000 and one.name not in DAMAGED]
    assert len(pictures) > 300
    return pictures


def decoded(shared: Path, recipe: str, color: Color) -> Iterator[Pair]:
    """Yield each file that the library of `recipe` reads, as Convoy decodes it and as the library does."""
    is_opencv = recipe == "opencv"
    decode = oracles.decoded_by_opencv if is_opencv else oracles.decoded_by_tensorflow
    for picture in awkward(shared):
        # Which EXIF data OpenCV finds in a WebP is another matter in each of its releases.
        if is_opencv and picture.kind == ".webp":
            continue
        expected = decode(picture.data, color)
        if expected is not None:
            yield Pair(str(picture), ours(picture, recipe=recipe, color=color, exif=is_opencv), expected)


@pytest.mark.parametrize("recipe", ["keras.image_dataset", "opencv"])
def test_awkward_files_are_decoded_as_the_library_reads_them(recipe: str, shared: Path) -> None:
    found = measured(decoded(shared, recipe, "bgr" if recipe == "opencv" else "rgb"))

    assert found.pairs > 200
    # One file of all is read otherwise by OpenCV: a TIFF of 16-bit colours, which it rounds to 8 bits.
    assert found.largest <= (ONE_LEVEL if recipe == "opencv" else 0), found


@pytest.mark.parametrize("recipe", ["keras.image_dataset", "opencv"])
def test_their_grays_are_those_of_the_library_but_for_sixteen_bits(recipe: str, shared: Path) -> None:
    found = measured(decoded(shared, recipe, "grayscale"))

    assert found.pairs > 200
    assert found.largest <= ONE_LEVEL, found
    assert found.share < 0.03


def test_what_is_damaged_is_refused_in_words(shared: Path) -> None:
    for name in DAMAGED - {"truncated_app14.jpg"}:
        (file,) = (shared / "data/images").rglob(name)
        with pytest.raises(RequestError):
            ours(of_file(file), recipe="keras.image_dataset")
