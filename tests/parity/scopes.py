"""Chooses what the rows are tried on: little for `make test`, much for the table in docs/preprocessing.md."""

from itertools import chain
from pathlib import Path

from tests.parity.pictures import (
    ODD_SIZES,
    PRIMES,
    TWELVE_MEGAPIXELS,
    Picture,
    large_jpeg,
    of_every_kind,
    of_file,
    of_kind,
)
from tests.parity.rows import Scope

_PHOTOS = ("JPEG 4:2:0", "PNG RGB", "JPEG gray", "PNG RGBA", "GIF")


def quick(examples: Path) -> Scope:
    """Return every kind of file in odd sizes, and few photos in few sizes."""
    kinds = chain.from_iterable(of_every_kind(*size) for size in ODD_SIZES)
    photos = (
        of_kind("JPEG 4:2:0", *PRIMES),
        of_kind("PNG RGB", 1, 17),
        of_kind("PNG L", 17, 1),
        of_kind("JPEG 4:4:4", 1, 1),
        of_file(examples / "t-shirt.png"),
    )
    return Scope(tuple(kinds), photos, ((28, 28), (180, 120), (299, 299), (1, 1)))


def thorough(examples: Path, shared: Path | None) -> Scope:
    """Return what `quick` does and more: prime and large pictures, the examples, photos and awkward files if there."""
    few = quick(examples)
    kinds = (*few.kinds, *of_every_kind(757, 1009), large_jpeg(*TWELVE_MEGAPIXELS), *_awkward(shared))
    photos = (
        *(of_kind(kind, *PRIMES) for kind in _PHOTOS),
        *(of_kind("JPEG 4:2:2", *size) for size in ODD_SIZES),
        of_kind("JPEG progressive", 757, 1009),
        *(of_file(one) for one in sorted(examples.glob("*.*g"))),
        *cats_and_dogs(shared),
    )
    sizes = (*few.sizes, (64, 64), (150, 233), (101, 211), (224, 224))
    return Scope(kinds, photos, sizes, (large_jpeg(*TWELVE_MEGAPIXELS),))


def cats_and_dogs(shared: Path | None) -> tuple[Picture, ...]:
    """Return 25 photos of the shared folder."""
    if shared is None:
        return ()
    files = sorted((shared / "data/cats_dogs").rglob("*.jpg"))
    return tuple(of_file(one) for one in files[:: len(files) // 25][:25])


def _awkward(shared: Path | None) -> tuple[Picture, ...]:
    """Return the sound PNGs of PngSuite, which hold every colour type, depth, filter and gamma."""
    if shared is None:
        return ()
    files = sorted((shared / "data/images/pngsuite/primary").glob("*.png"))
    return tuple(Picture(one.name, "PNG suite", one.read_bytes()) for one in files)
