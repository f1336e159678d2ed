"""Draws the pictures that every loader is tried on: each format, colour and oddity that a photo folder can hold."""

import io
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Pixels = NDArray[np.uint8]

ODD_SIZES = ((1, 1), (1, 17), (17, 1), (2, 3), (211, 101))
PRIMES = (211, 101)
LARGE = (757, 1009)
TWELVE_MEGAPIXELS = (3024, 4032)
ORIENTATIONS = tuple(range(1, 9))

_GRAY, _RGB, _GRAY_ALPHA, _RGBA = 0, 2, 4, 6
_PNG_TYPES = {1: _GRAY, 2: _GRAY_ALPHA, 3: _RGB, 4: _RGBA}
_ADOBE = b"\xff\xee"
_ORIENTATION = 0x0112


@dataclass(frozen=True, slots=True)
class Picture:
    """A file's bytes under a name that says what it holds; `kind` is its format and colours without the size."""

    name: str
    kind: str
    data: bytes

    def __str__(self) -> str:
        return self.name


@lru_cache(maxsize=64)
def photo(height: int, width: int, channels: int = 3) -> Pixels:
    """Return a picture (height, width, channels) of slopes, edges and grain: what filters disagree on."""
    rows, columns = np.mgrid[:height, :width].astype(np.float32)
    noise = np.random.default_rng(height * 10_007 + width).integers(0, 256, (height, width, channels))
    slopes = np.stack([127 + 120 * np.sin(rows / (5 + 9 * c) + columns / (23 - 5 * c)) for c in range(channels)], -1)
    is_grain = (rows // 16 + columns // 24) % 3 == 0
    pixels = np.where(is_grain[..., np.newaxis], noise, slopes)
    pixels[height // 3 : height // 2, width // 4 : width // 2] = 255
    return np.asarray(pixels, np.uint8)


def saved(image: Image.Image, kind: str, **options: Any) -> bytes:
    """Return an image as a file of the format `kind`, written by Pillow."""
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(
    samples: NDArray[Any], *, bits: int = 8, color: int | None = None, chunks: dict[bytes, bytes] | None = None
) -> bytes:
    """Return samples (height, width, channels) as a PNG of `bits` a sample, with further chunks before its data."""
    height, width, channels = samples.shape
    kind = _PNG_TYPES[channels] if color is None else color
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    parts = {b"IHDR": header, **(chunks or {}), b"IDAT": zlib.compress(_rows(samples, bits)), b"IEND": b""}
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in parts.items())


def _rows(samples: NDArray[Any], bits: int) -> bytes:
    if bits == 16:
        packed = samples.astype(">u2").view(np.uint8).reshape(len(samples), -1)
    elif bits == 8:
        packed = samples.astype(np.uint8).reshape(len(samples), -1)
    else:
        places = samples.reshape(len(samples), -1)[..., np.newaxis] >> np.arange(bits - 1, -1, -1) & 1
        packed = np.packbits(places.reshape(len(samples), -1).astype(np.uint8), axis=1)
    return np.pad(packed, ((0, 0), (1, 0))).tobytes()


def _chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


# ------------------------------------------------------------------------------------------------------- JPEG


def jpegs(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield a JPEG of each kind: how finely its colours are kept, gray, in scans, and of four inks."""
    image = Image.fromarray(photo(height, width))
    for name, subsampling in (("4:4:4", 0), ("4:2:2", 1), ("4:2:0", 2)):
        yield f"JPEG {name}", saved(image, "JPEG", subsampling=subsampling, quality=87)
    yield "JPEG gray", saved(image.convert("L"), "JPEG", quality=91)
    yield "JPEG progressive", saved(image, "JPEG", progressive=True, quality=80)
    yield "JPEG RGB", saved(image, "JPEG", keep_rgb=True, quality=90)
    cmyk = saved(Image.fromarray(photo(height, width, 4), "CMYK"), "JPEG", quality=92)
    yield "JPEG CMYK", cmyk
    yield "JPEG YCCK", _as_ycck(cmyk)
    yield "JPEG CMYK plain", _without_adobe(cmyk)


def _as_ycck(data: bytes) -> bytes:
    """Return a CMYK JPEG whose Adobe marker says YCCK: the same numbers, read as other colours."""
    place = data.index(_ADOBE) + 2 + int.from_bytes(data[data.index(_ADOBE) + 2 :][:2], "big") - 1
    return data[:place] + b"\x02" + data[place + 1 :]


def _without_adobe(data: bytes) -> bytes:
    start = data.index(_ADOBE)
    return data[:start] + data[start + 2 + int.from_bytes(data[start + 2 : start + 4], "big") :]


# -------------------------------------------------------------------------------------------------------- PNG


def pngs(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield a PNG of each colour type and depth, with and without transparency."""
    for channels, name in ((1, "L"), (2, "LA"), (3, "RGB"), (4, "RGBA")):
        yield f"PNG {name}", png(photo(height, width, channels))
        yield f"PNG {name} 16 bits", png(_deep(height, width, channels), bits=16)
    for bits in (1, 2, 4):
        yield f"PNG L {bits} bits", png(photo(height, width, 1) >> 8 - bits, bits=bits)
    palette = Image.fromarray(photo(height, width)).quantize(200)
    yield "PNG palette", saved(palette, "PNG")
    yield "PNG palette alpha", saved(palette, "PNG", transparency=bytes(range(20, 220)))
    yield "PNG RGB transparent", png(photo(height, width), chunks={b"tRNS": struct.pack(">3H", 255, 255, 255)})
    yield "PNG L transparent", png(photo(height, width, 1), chunks={b"tRNS": struct.pack(">H", 255)})
    few = photo(height, width, 1) >> 4
    yield "PNG L 4 bits transparent", png(few, bits=4, chunks={b"tRNS": struct.pack(">H", 15)})
    yield "PNG gamma", png(photo(height, width), chunks={b"gAMA": struct.pack(">I", 45455)})
    neutral = photo(height, width).copy()
    neutral[::2] = neutral[::2, :, :1]
    yield "PNG sRGB", png(neutral, chunks={b"sRGB": b"\0"})
    yield "PNG palette gamma", _with_gamma(saved(palette, "PNG"))
    yield "PNG interlaced", _interlaced(photo(height, width))


def _with_gamma(data: bytes) -> bytes:
    header = 8 + 8 + 13 + 4
    return data[:header] + _chunk(b"gAMA", struct.pack(">I", 55555)) + data[header:]


def _deep(height: int, width: int, channels: int) -> NDArray[np.uint16]:
    low = np.random.default_rng(width).integers(0, 256, (height, width, channels))
    return np.asarray(photo(height, width, channels).astype(np.uint16) << 8 | low, np.uint16)


def _interlaced(pixels: Pixels) -> bytes:
    """Return a PNG in the seven passes of Adam7, which neither Pillow nor OpenCV writes."""
    height, width = pixels.shape[:2]
    steps = ((0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1))
    passes = [pixels[top::down, left::across] for top, left, down, across in steps]
    body = b"".join(_rows(one, 8) for one in passes if one.size)
    header = struct.pack(">IIBBBBB", width, height, 8, _RGB, 0, 0, 1)
    parts = ((b"IHDR", header), (b"IDAT", zlib.compress(body)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, part) for name, part in parts)


# ----------------------------------------------------------------------------------------------------- others


def bitmaps(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield BMPs of 24, 32 and 8 bits a pixel, the last gray and with a palette."""
    yield "BMP", saved(Image.fromarray(photo(height, width)), "BMP")
    yield "BMP 32 bits", saved(Image.fromarray(photo(height, width, 4)), "BMP")
    yield "BMP gray", saved(Image.fromarray(photo(height, width, 1)[..., 0]), "BMP")
    yield "BMP palette", saved(Image.fromarray(photo(height, width)).quantize(100), "BMP")


def gifs(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield GIFs: plain, transparent, and one of two frames whose second covers only a part."""
    palette = Image.fromarray(photo(height, width)).quantize(60)
    yield "GIF", saved(palette, "GIF")
    yield "GIF gray", saved(Image.fromarray(photo(height, width, 1)[..., 0]), "GIF")
    yield "GIF transparent", saved(palette, "GIF", transparency=7)
    second = palette.copy()
    second.paste(3, (0, 0, max(1, width // 2), max(1, height // 2)))
    yield "GIF frames", saved(palette, "GIF", save_all=True, append_images=[second])
    yield "GIF part", _first_frame_in_part(saved(palette, "GIF"), height, width)


def _first_frame_in_part(data: bytes, height: int, width: int) -> bytes:
    """Return a GIF whose screen is larger than its frame, which lies at (2, 3) in it."""
    screen = data[:6] + struct.pack("<HH", width + 5, height + 7) + data[10:]
    place = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    while screen[place] != ord(","):  # extensions: a label, then blocks up to an empty one
        place += 2
        while screen[place]:
            place += screen[place] + 1
        place += 1
    return screen[: place + 1] + struct.pack("<HH", 3, 2) + screen[place + 5 :]


def webps(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield WebPs, lossy and lossless, the latter with alpha too."""
    yield "WebP lossy", saved(Image.fromarray(photo(height, width)), "WEBP", quality=85)
    yield "WebP lossless", saved(Image.fromarray(photo(height, width)), "WEBP", lossless=True)
    yield "WebP alpha", saved(Image.fromarray(photo(height, width, 4)), "WEBP", lossless=True, exact=True)


def tiffs(height: int, width: int) -> Iterator[tuple[str, bytes]]:
    """Yield TIFFs: plain and of 16-bit grays."""
    yield "TIFF", saved(Image.fromarray(photo(height, width)), "TIFF")
    yield "TIFF 16 bits", saved(Image.fromarray(_deep(height, width, 1)[..., 0]), "TIFF")


@lru_cache(maxsize=16)
def of_every_kind(height: int, width: int) -> tuple[Picture, ...]:
    """Return one picture of this size in each kind of file."""
    makers = (jpegs, pngs, bitmaps, gifs, webps, tiffs)
    found = [one for make in makers for one in make(height, width)]
    return tuple(Picture(f"{kind} {height}x{width}", kind, data) for kind, data in found)


def of_kind(kind: str, height: int, width: int) -> Picture:
    return next(one for one in of_every_kind(height, width) if one.kind == kind)


def of_file(file: Path) -> Picture:
    return Picture(file.name, file.suffix.lower(), file.read_bytes())


def large_jpeg(height: int, width: int) -> Picture:
    data = saved(Image.fromarray(photo(height, width)), "JPEG")
    return Picture(f"JPEG 4:2:0 {height}x{width}", "JPEG 4:2:0", data)


def turned(kind: str, orientation: int) -> Picture:
    """Return a small picture whose EXIF data say `orientation`."""
    exif = Image.Exif()
    exif[_ORIENTATION] = orientation
    options = {"lossless": True} if kind == "WEBP" else {}
    data = saved(Image.fromarray(photo(53, 37)), kind, exif=exif, **options)
    return Picture(f"{kind} orientation {orientation}", kind, data)
