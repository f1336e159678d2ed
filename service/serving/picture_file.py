"""Owns reading a picture file as the part of a request that its bytes would be."""

from pathlib import Path

from service.errors import UndecodableImageError
from service.serving.examples import Part, Picture, Unusable


def picture_at(path: Path, *, at_most: int = -1) -> Part:
    """Read a picture file, `at_most` so many bytes of it; one that cannot be read becomes a part that says so."""
    try:
        with path.open("rb") as file:
            return Picture(file.read(at_most), path.name)
    except OSError as error:
        return Unusable(UndecodableImageError(f"The file cannot be read: {error.strerror}."))
