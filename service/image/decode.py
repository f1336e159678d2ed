"""Owns decoding: bytes a stranger sent -> a Pillow image of one frame, within limits, or a clear refusal.

Every decoder but those of six formats stays unreachable: Pillow's CVEs of recent years are nearly all in the others.
"""

import io
from dataclasses import dataclass

from PIL import BmpImagePlugin, GifImagePlugin, Image, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin

from service.errors import RequestError, TooLargeError, UndecodableImageError
from service.image.png import has_sound_data

FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
ACCEPTED = "Accepted are JPEG, PNG, WebP, BMP, GIF (its first frame) and TIFF."
_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "JPEG"),
    (b"\x89PNG\r\n\x1a\n", "PNG"),
    (b"GIF87a", "GIF"),
    (b"GIF89a", "GIF"),
    (b"BM", "BMP"),
    (b"II*\x00", "TIFF"),
    (b"MM\x00*", "TIFF"),
)
# NOTE: imported for their effect: Pillow then knows these six and need not load all of its plugins.
_PLUGINS = (BmpImagePlugin, GifImagePlugin, JpegImagePlugin, PngImagePlugin, TiffImagePlugin, WebPImagePlugin)


@dataclass(frozen=True, slots=True)
class ImageLimits:
    """How large an encoded image may be: bytes, pixels of its frame, and its longer side in pixels."""

    max_bytes: int = 20 * 2**20
    max_pixels: int = 50_000_000
    max_side: int = 20_000


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """A decoded first frame, its format, and its size (height, width) in pixels as stored in the file."""

    image: Image.Image
    format: str
    size: tuple[int, int]


def sniff(data: bytes) -> str | None:
    """Return which of the accepted formats the first bytes of `data` speak of, or None."""
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    return next((name for magic, name in _MAGIC if data.startswith(magic)), None)


def decode(data: bytes, *, limits: ImageLimits) -> DecodedImage:
    """Decode the first frame of an encoded image.

    Bytes, pixels and sides are checked against `limits` before any pixel is decoded. Raises TooLargeError, or
    UndecodableImageError for everything else a decoder can end in; a truncated image is refused, not half shown.
    """
    if not data:
        raise UndecodableImageError(f"The image is empty (0 bytes). {ACCEPTED}")
    if len(data) > limits.max_bytes:
        raise TooLargeError(f"The image has {len(data):,} bytes; at most {limits.max_bytes:,} are taken.")
    name = sniff(data)
    if name is None:
        raise UndecodableImageError(f"The bytes are no image of a kind that is read here. {ACCEPTED}")
    try:
        return _decoded(data, name, limits)
    except RequestError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(f"The image has too many pixels; at most {limits.max_pixels:,} are taken.") from error
    except Exception as error:
        raise UndecodableImageError(
            f"The {name} image cannot be decoded; it is damaged or cut short. {ACCEPTED}"
        ) from error


def _decoded(data: bytes, name: str, limits: ImageLimits) -> DecodedImage:
    image = Image.open(io.BytesIO(data), formats=(name,))
    width, height = image.size
    _check_size(width, height, limits)
    if name == "PNG" and not has_sound_data(data):
        raise UndecodableImageError("The PNG image is damaged: the checksum of its picture data is wrong.")
    image.load()
    if image.size != (width, height):
        _check_size(*image.size, limits)
    return DecodedImage(image, name, (height, width))


def _check_size(width: int, height: int, limits: ImageLimits) -> None:
    if max(width, height) > limits.max_side:
        raise TooLargeError(f"The image is {width}x{height}; no side may be over {limits.max_side:,} pixels.")
    if width * height > limits.max_pixels:
        raise TooLargeError(f"The image is {width}x{height}; at most {limits.max_pixels:,} pixels are taken.")
