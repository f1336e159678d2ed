"""Looks through a `.keras` archive: member names, sizes, and what is a plain file of Keras' own."""

import shutil
import stat
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, cast

from service.builder.scan.hdf5 import is_bomb
from service.builder.scan.report import KIB, ScanLimits
from service.builder.scan.window import Window
from service.builder.scan.wording import shown, sized
from service.errors import BrokenModelError, BuildInterruptedError, UnsafeModelError, UnsupportedModelError

CONFIG = "config.json"
METADATA = "metadata.json"
WEIGHTS = "model.weights.h5"
_MEMBERS = frozenset((CONFIG, METADATA, WEIGHTS))
ARCHIVE_FAILURES = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,  # encrypted, or a compression Python does not know
    LookupError,
    ValueError,
    OverflowError,
)
_AGAIN = "Save the model again with `model.save('model.keras')`."
_CHUNK = 64 * KIB
_LOCAL_HEADER = struct.Struct("<4s22xHH")
_LOCAL_MAGIC = b"PK\x03\x04"
# What else comes as a zip archive: the end of a member's name, and what to say.
_LOOKALIKES = (
    ("data.pkl", "a PyTorch model. Convoy serves Keras models: rebuild it in Keras and copy the weights."),
    ("saved_model.pb", "a zipped SavedModel folder. Save the model as .keras instead."),
    (f"/{CONFIG}", "a zipped folder around a Keras model. Zip the files themselves, or use `model.save`."),
    (".keras", "a zip archive around a saved model. Unpack it and drop the `.keras` file."),
    (".h5", "a zip archive around an HDF5 model. Unpack it and drop the `.h5` file."),
)


@contextmanager
def opened_archive(window: Window, *, limits: ScanLimits) -> Iterator[zipfile.ZipFile]:
    """Open a zip archive whose members have been checked; what zipfile trips over is a damaged file.

    Raises:
        BrokenModelError: truncated or damaged.
        UnsafeModelError: a member that leads out of the archive, hides, or unpacks to far too much.
        UnsupportedModelError: a sound zip archive that is no `.keras` file.
    """
    try:
        with zipfile.ZipFile(cast("BinaryIO", window)) as archive:
            _check_members(archive.infolist(), limits)
            yield archive
    except ARCHIVE_FAILURES as error:
        raise BrokenModelError(
            "The file begins like a `.keras` archive, and its end is missing or damaged: most likely it"
            " was not copied to its end. Copy it again and compare its size with the original's."
        ) from error


def read_member(archive: zipfile.ZipFile, name: str, *, limits: ScanLimits) -> bytes | None:
    """Return a small member with its checksum proved, or None where there is none.

    Raises:
        UnsafeModelError: it is over `limits.max_config_bytes`.
    """
    if name not in archive.namelist():
        return None
    parts: list[bytes] = []
    left = limits.max_config_bytes + 1
    with archive.open(name) as member:
        while left > 0 and (chunk := member.read(min(_CHUNK, left))):
            parts.append(chunk)
            left -= len(chunk)
    if left <= 0:
        raise UnsafeModelError(
            f"{shown(name)} in the archive is over {sized(limits.max_config_bytes)}; weights belong into"
            f" layers, not into the architecture. {_AGAIN}"
        )
    return b"".join(parts)


@contextmanager
def opened_weights(archive: zipfile.ZipFile, file: BinaryIO) -> Iterator[Window]:
    """View the weights where they lie in `file`; only a compressed member is copied, to a temporary file.

    Raises:
        BrokenModelError: the archive holds no weights.
        BuildInterruptedError: there is no room for the copy.
    """
    if WEIGHTS not in archive.namelist():
        raise BrokenModelError(f"The archive has an architecture and no weights ({shown(WEIGHTS)}). {_AGAIN}")
    info = archive.getinfo(WEIGHTS)
    if info.compress_type == zipfile.ZIP_STORED:
        yield Window(file, start=_start_of(info, archive, file), size=info.file_size)
        return
    with tempfile.TemporaryFile() as copy:
        with archive.open(info) as member:
            _copy(cast("BinaryIO", member), copy)
        yield Window(copy, size=copy.tell())


def _copy(member: BinaryIO, copy: BinaryIO) -> None:
    while chunk := member.read(_CHUNK):
        try:
            copy.write(chunk)
            copy.flush()
        except OSError as error:
            free = shutil.disk_usage(tempfile.gettempdir()).free
            raise BuildInterruptedError(
                f"No room to unpack the weights for the scan ({sized(free)} free in the temporary folder)."
            ) from error


def _start_of(info: zipfile.ZipInfo, archive: zipfile.ZipFile, file: BinaryIO) -> int:
    with archive.open(info):  # compares the header before the data with the list of members
        file.seek(info.header_offset)
        magic, name_size, extra_size = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
    if magic != _LOCAL_MAGIC or info.compress_size != info.file_size:
        raise zipfile.BadZipFile("the weights are not where the archive says")
    return info.header_offset + _LOCAL_HEADER.size + int(name_size) + int(extra_size)


def _check_members(members: list[zipfile.ZipInfo], limits: ScanLimits) -> None:
    for info in members:
        _check_name(info)
    names = [info.filename for info in members]
    if CONFIG not in names:
        raise UnsupportedModelError(f"The file is a zip archive, and no `.keras` file: {_lookalike(names)}")
    if len(names) > limits.max_members:
        raise UnsafeModelError(f"The archive has {len(names):,} members; a `.keras` file has three or four. {_AGAIN}")
    if len(set(names)) < len(names):
        raise UnsafeModelError(f"The archive has two members of the same name, so that one hides. {_AGAIN}")
    for info in members:
        _check_member(info, limits)
    total = sum(info.file_size for info in members)
    if total > limits.max_unpacked_bytes:
        raise UnsafeModelError(
            f"The archive unpacks to {sized(total)}; at most {sized(limits.max_unpacked_bytes)} are unpacked."
        )


def _check_name(info: zipfile.ZipInfo) -> None:
    """Refuse a name that leads out of the archive, and a link.

    NOTE: only `orig_filename` still has what follows a NUL.
    """
    name = info.orig_filename
    kind = stat.S_IFMT(info.external_attr >> 16)
    if any((name.startswith("/"), "\\" in name, "\0" in name, ":" in name, ".." in PurePosixPath(name).parts)):
        raise UnsafeModelError(
            f"The archive member {shown(name)} would be written outside of the folder it is unpacked to. {_AGAIN}"
        )
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise UnsafeModelError(f"The archive member {shown(name)} is a link or a device, not a file. {_AGAIN}")


def _check_member(info: zipfile.ZipInfo, limits: ScanLimits) -> None:
    name = info.filename
    if name.startswith("assets/") and not info.is_dir():
        raise UnsupportedModelError(
            f"The archive holds the asset {shown(name)}, a word list of a text layer. Convoy serves models"
            " that take images: save the model without its text layers."
        )
    if name not in _MEMBERS and name != "assets/":
        raise UnsafeModelError(
            f"The archive holds {shown(name)}, which Keras never writes and would unpack to disk. {_AGAIN}"
        )
    if info.flag_bits & 0x1:
        raise UnsupportedModelError(f"The archive member {shown(name)} is encrypted. {_AGAIN}")
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise UnsupportedModelError(f"The archive member {shown(name)} is compressed in a rare way. {_AGAIN}")
    if is_bomb(info.file_size, info.compress_size, limits):
        raise UnsafeModelError(
            f"The archive member {shown(name)} unpacks from {sized(info.compress_size)} to"
            f" {sized(info.file_size)}: a way to fill memory and disk. {_AGAIN}"
        )


def _lookalike(names: list[str]) -> str:
    for ending, what in _LOOKALIKES:
        if any(name.endswith(ending) for name in names):
            return f"it looks like {what}"
    return f"it holds no {shown(CONFIG)}. {_AGAIN}"
