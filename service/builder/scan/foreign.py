"""Says what a file is that is neither a `.keras` archive nor HDF5, and what to do about it."""

from service.builder.scan.wording import shown
from service.errors import BrokenModelError, ModelError, UnsupportedModelError

HEAD_BYTES = 512

_EXPECTED = "A saved Keras model was expected: `.keras` (a zip archive) or `.h5` (HDF5), from `model.save(...)`."
_LFS = b"version https://git-lfs.github.com/spec/"
_EMPTY_ARCHIVES = (b"PK\x05\x06", b"PK\x07\x08")
# Offset, bytes, what has them.
_LOOKALIKES: tuple[tuple[int, bytes, str], ...] = (
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"\x1f\x8b", "a gzip archive: unpack it first"),
    (0, b"7z\xbc\xaf", "a 7-Zip archive: unpack it first"),
    (0, b"Rar!", "a RAR archive: unpack it first"),
    (257, b"ustar", "a tar archive: unpack it first"),
    (4, b"TFL3", "a LiteRT (TFLite) model; Convoy starts from the Keras model it was made from"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x80\x02", "a pickle, which is a program: it is not opened"),
    (0, b"\x80\x03", "a pickle, which is a program: it is not opened"),
    (0, b"\x80\x04", "a pickle, which is a program: it is not opened"),
    (0, b"\x80\x05", "a pickle, which is a program: it is not opened"),
    (0, b"\x08\x01\x12", "an ONNX or TensorFlow protocol buffer; Convoy serves Keras models"),
    (0, b"%PDF", "a PDF document"),
)
_LOOKALIKE_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<", "a web page: the download link led to a page, not to the file"),
    (b"{", "JSON text: an architecture alone has no weights"),
    (b"[", "JSON text: an architecture alone has no weights"),
)


def diagnose(head: bytes, name: str) -> ModelError:
    """Return the diagnosis for a file by its first `HEAD_BYTES` bytes.

    `name` is the file's own, without its folder.
    """
    if not head:
        return BrokenModelError(f"{shown(name)} is empty: copy the file again.")
    if head.startswith(_LFS):
        return BrokenModelError(
            f"{shown(name)} is a Git LFS pointer, not the model itself. Run `git lfs pull` in its"
            " repository and copy the file again."
        )
    if not head.strip(b"\0"):
        return BrokenModelError(f"{shown(name)} begins with zeros only: a copy that was not finished. Copy it again.")
    if head.startswith(_EMPTY_ARCHIVES):
        return BrokenModelError(f"{shown(name)} is an empty or split zip archive. {_EXPECTED}")
    return UnsupportedModelError(f"{shown(name)} is no saved Keras model. {_guess(head)}{_EXPECTED}")


def _guess(head: bytes) -> str:
    for offset, magic, what in _LOOKALIKES:
        if head[offset:].startswith(magic):
            return f"It looks like {what}. "
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    for magic, what in _LOOKALIKE_TEXTS:
        if text.startswith(magic):
            return f"It looks like {what}. "
    return ""
