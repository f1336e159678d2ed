"""Owns opening: bytes a stranger sent -> an image whose header and size are within limits, or a clear refusal.

Every decoder but those of six formats stays unreachable: Pillow's CVEs of recent years are nearly all in the others.

NOTE: each format's Pillow class is called, not `Image.open`. That one reports large images through `warnings`, whose
filters and memory belong to the whole process; here the limits are checked for each call, and no state is touched.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from PIL import Image
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from service.errors import RequestError, TooLargeError, UndecodableImageError
from service.image.bombs import check_compression, check_jpeg, check_tiff, check_tile
from service.image.gif import check_gif
from service.image.png import has_sound_data

DECODERS: Mapping[str, type[ImageFile]] = {
    "JPEG": JpegImageFile,
    "PNG": PngImageFile,
    "WEBP": WebPImageFile,
    "BMP": BmpImageFile,
    "GIF": GifImageFile,
    "TIFF": TiffImageFile,
}
FORMATS = tuple(DECODERS)
ACCEPTED = "Accepted are JPEG, PNG, WebP, BMP, GIF (its first frame) and TIFF."
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
_BMP_HEADERS = (12, 16, 40, 52, 56, 64, 108, 124)
_LONGEST_REASON = 120


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large an encoded image may be: bytes, pixels of its frame, and its longer side in pixels."""

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 20_000


@dataclass(frozen=True, slots=True)
class OpenedImage:
    """An image of which the header is read and found within limits: its bytes, format, and mode as Pillow names it.

    `header` decodes itself when asked for pixels; `load` does so, and finds out what is damaged.
    """

    header: ImageFile
    data: bytes
    format: str
    mode: str
    limits: ImageLimits

    def load(self) -> ImageFile:
        """Decode the first frame with Pillow; raises what a decoder can end in, and TooLargeError."""
        before = self.header.size
        if self.format == "PNG" and not has_sound_data(self.data):
            raise UndecodableImageError("The PNG image is damaged: the checksum of its picture data is wrong.")
        self.header.load()
        # NOTE: Pillow turns a TIFF upright by itself, in `load_img` as here.
        if self.header.size != before:
            _check_size(*self.header.size, self.limits)
        return self.header


def sniff(data: bytes) -> str | None:
    """Return which of the accepted formats the first bytes of `data` speak of, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    # Many a text begins with "BM"; the size of the header that follows tells a bitmap from it.
    if data[:2] == b"BM" and int.from_bytes(data[14:18], "little") in _BMP_HEADERS:
        return "BMP"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def open_image(data: bytes, *, limits: ImageLimits) -> OpenedImage:
    """Read the header of an encoded image; no pixel is decoded yet.

    Raises TooLargeError where bytes, pixels or sides are over `limits`, UndecodableImageError where it is no image of
    an accepted format; `refusing` says the same of what a decoder ends in.
    """
    if not data:
        raise UndecodableImageError(f"The image is empty (0 bytes). {ACCEPTED}")
    if len(data) > limits.max_bytes:
        raise TooLargeError(f"The image has {len(data):,} bytes; at most {limits.max_bytes:,} are taken.")
    name = sniff(data)
    if name is None:
        raise UndecodableImageError(f"The bytes are no image of a kind that is read here. {ACCEPTED}")
    with refusing(name, limits):
        header = _opened(data, name)
        _check_size(*header.size, limits)
        if isinstance(header, TiffImageFile):
            check_compression(header)
            check_tile(header)
        return OpenedImage(header, data, name, header.mode, limits)


@contextmanager
def refusing(name: str, limits: ImageLimits) -> Iterator[None]:
    """Turn whatever a decoder of the format `name` ends in into TooLargeError or UndecodableImageError."""
    try:
        yield
    except RequestError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(f"The image has too many pixels; at most {limits.max_pixels:,} are taken.") from error
    except Exception as error:
        raise UndecodableImageError(
            f"The {name} image cannot be decoded; it is damaged or cut short ({_reason(error)}). {ACCEPTED}"
        ) from error


def _opened(data: bytes, name: str) -> ImageFile:
    """Read the header with the one decoder for it; no pixel is decoded yet."""
    if name == "JPEG":
        check_jpeg(data)
    if name == "TIFF":
        check_tiff(data)
    if name == "GIF":
        check_gif(data)
    return DECODERS[name](io.BytesIO(data))


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if max(width, height) > limits.max_side:
        raise TooLargeError(f"The image is {width}x{height}; no side may be over {limits.max_side:,} pixels.")
    if width * height > limits.max_pixels:
        raise TooLargeError(f"The image is {width}x{height}; at most {limits.max_pixels:,} pixels are taken.")


def _reason(error: Exception) -> str:
    text = "".join(one for one in str(error) if one.isprintable()).strip(" .")
    return text[:_LONGEST_REASON] or type(error).__name__
