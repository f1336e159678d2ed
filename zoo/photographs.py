"""Owns the datasets that come as a folder of pictures, one sub-folder per class, and how they are split."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from zoo.datasets import FOLDS, Labelled, Split
from zoo.views import View

SUFFIXES = (".jpg", ".jpeg", ".png")


@dataclass(frozen=True, slots=True)
class Photograph:
    """One picture file: the SHA-256 of its bytes, its class, and whether it belongs to the test part."""

    file: Path
    sha256: str
    class_index: int
    is_test: bool


@dataclass(frozen=True, slots=True)
class PhotographDataset:
    """A dataset that is not downloaded: a folder with `classes` sub-folders of pictures, in their order by name."""

    title: str
    citation: str
    url: str
    license: str
    sha256: str
    notes: str
    classes: int
    argument: str | None = "FOLDER"

    def load(self, path: Path | None, views: Sequence[View]) -> Split:
        """Read every picture of a folder, once for each view.

        Raises ValueError where there is no folder, it does not hold one sub-folder of pictures for each class, or a
        file in one is no picture.
        """
        if path is None:
            raise ValueError(f"these pictures are not downloaded; get them from {self.url} and name their folder")
        found = photographs(path, classes=self.classes)
        return Split(
            train=_labelled([one for one in found if not one.is_test], views),
            test=_labelled([one for one in found if one.is_test], views),
            sha256=fingerprint(found),
        )


def photographs(folder: Path, *, classes: int) -> list[Photograph]:
    """Return the pictures of a folder, class by class, each class in the order of its files' SHA-256.

    The first fifth of each class is the test part: whatever the files are called, the same pictures are split alike.
    Raises ValueError where there is not one sub-folder with five pictures or more for each class.
    """
    folders = sorted(one for one in folder.iterdir() if one.is_dir())
    found = [photograph for index, one in enumerate(folders) for photograph in _of_class(one, index)]
    counts = [sum(one.class_index == index for one in found) for index in range(len(folders))]
    if len(folders) != classes or min(counts) < FOLDS:
        listed = ", ".join(f"{one.name}: {count}" for one, count in zip(folders, counts, strict=True)) or "none"
        raise ValueError(
            f"expected {classes} sub-folders with {FOLDS} pictures ({', '.join(SUFFIXES)}) or more, got {listed}"
        )
    return found


def fingerprint(found: Sequence[Photograph]) -> str:
    """Return the SHA-256 over each picture's class and SHA-256, whatever the files are called."""
    digest = hashlib.sha256()
    for one in found:
        digest.update(f"{one.class_index} {one.sha256}\n".encode())
    return digest.hexdigest()


def _of_class(folder: Path, index: int) -> Iterator[Photograph]:
    files = [file for file in folder.iterdir() if file.suffix.lower() in SUFFIXES]
    hashed = sorted((hashlib.sha256(file.read_bytes()).hexdigest(), file) for file in files)
    for place, (sha256, file) in enumerate(hashed):
        yield Photograph(file, sha256, index, is_test=place < len(hashed) // FOLDS)


def _labelled(found: Sequence[Photograph], views: Sequence[View]) -> Labelled:
    inputs = tuple(np.stack([_seen(one.file, view) for one in found]) for view in views)
    return Labelled(inputs, np.array([one.class_index for one in found], dtype=np.int64))


def _seen(file: Path, view: View) -> NDArray[np.float32]:
    try:
        return view.of(file)
    except OSError as error:
        raise ValueError(f"{file.parent.name}/{file.name} is no picture that Pillow can read; take it out") from error


CATS_DOGS = PhotographDataset(
    title="2,000 photos of Dogs vs. Cats, 1,000 of each, reduced until the short side is 128 pixels (JPEG)",
    citation=(
        "Jeremy Elson, John R. Douceur, Jon Howell, Jared Saul: Asirra: A CAPTCHA that Exploits Interest-Aligned "
        "Manual Image Categorization, ACM CCS 2007"
    ),
    url="https://www.microsoft.com/en-us/download/details.aspx?id=54765",
    license="none stated by those who publish the photos; none of them is part of this project",
    sha256="379caa1de494352f53b87eda17ca947f8d4bd696f9c5167b9719baf3471d5b3f",
    notes=(
        "The public set is the Kaggle Cats and Dogs Dataset of 25,000 photos, "
        "<https://www.microsoft.com/en-us/download/details.aspx?id=54765>, which is also the training part of "
        "<https://www.kaggle.com/c/dogs-vs-cats>. FOLDER has one sub-folder for each class, cats first by name. Of "
        "each class, in the order of its files' SHA-256, the first fifth is the test part. The bundled models saw the "
        "photos named `cat.1` to `cat.1000` and `dog.1` to `dog.1000`, reduced to a short side of 128 pixels; with all "
        "25,000, or in their own size, another accuracy comes out. A file that is no picture stops the run, which "
        "names it."
    ),
    classes=2,
)
