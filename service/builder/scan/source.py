"""The scan itself: recognises a file by its bytes, looks through it, reports what was read off it."""

import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, cast

from service.builder.scan.archive import (
    ARCHIVE_FAILURES,
    CONFIG,
    METADATA,
    opened_archive,
    opened_weights,
    read_member,
)
from service.builder.scan.config import check_config
from service.builder.scan.document import parse_json
from service.builder.scan.foreign import HEAD_BYTES, diagnose
from service.builder.scan.hdf5 import check_hdf5, opened_hdf5, read_text
from service.builder.scan.report import DEFAULT_LIMITS, JsonValue, ScanLimits, ScanReport
from service.builder.scan.training import loss_name
from service.builder.scan.weights import HDF5_MAGIC
from service.builder.scan.window import Window
from service.builder.scan.wording import shown
from service.errors import BrokenModelError, CustomCodeError, ModelError, UnsafeModelError, UnsupportedModelError

Scanner = Callable[[BinaryIO, int, frozenset[str], ScanLimits], ScanReport]
_BACKENDS = {"theano": "Theano", "cntk": "CNTK"}
_LONGEST_VERSION = 40
_ATTRIBUTES = ("model_config", "keras_version", "backend", "training_config")
_NO_ARCHITECTURE = (
    "The file holds weights and no architecture (no `model_config`): it was written by `save_weights`."
    " Save the whole model with `model.save('model.keras')`, or put the architecture (`model.json`) beside"
    " it."
)


def scan_source(
    path: Path, *, trusted: frozenset[str] = frozenset(), limits: ScanLimits = DEFAULT_LIMITS
) -> ScanReport:
    """Look through a saved Keras file before Keras sees it, without running or importing anything it names.

    The bytes decide what it is, never the suffix. NOTE: the report is about these bytes; load the same ones,
    as `report.kind`, with `compile=False`. `trusted` names classes and functions that are known to be the user's own.

    Raises:
        UnsafeModelError: it could run code, read or write files, or exhaust memory or disk.
        BrokenModelError: it is empty, cut off, damaged or a placeholder.
        UnsupportedModelError: it is something else, or needs code that is not part of Keras.
        BuildInterruptedError: no room for a temporary copy of compressed weights.
    """
    if path.is_dir():
        raise UnsupportedModelError("This is a folder; a saved Keras file (`.keras`, `.h5`) was expected.")
    with _opened(path) as file:
        size = file.seek(0, 2)
        file.seek(0)
        head = file.read(HEAD_BYTES)
        for magic, scan in _SCANNERS:
            if head.startswith(magic):
                return scan(file, size, trusted, limits)
    raise diagnose(head, path.name)


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if not path.is_file():
        raise BrokenModelError(f"{shown(path.name)} is no file, or is gone. Copy it again.")
    try:
        file = path.open("rb")
    except OSError as error:
        reason = error.strerror or "unknown reason"
        raise BrokenModelError(f"{shown(path.name)} cannot be read: {reason}. Give the server read access.") from error
    with file:
        yield file


def _scan_archive(file: BinaryIO, size: int, trusted: frozenset[str], limits: ScanLimits) -> ScanReport:
    view = Window(file, size=size, max_read=limits.max_directory_bytes)
    with opened_archive(view, limits=limits) as archive:
        text = read_member(archive, CONFIG, limits=limits) or b""
        notes = read_member(archive, METADATA, limits=limits)
    version = _version_in(notes, limits)
    with _written_with(_writer(version)):
        config = check_config(_parsed(text, limits), trusted=trusted, limits=limits)
    with (
        opened_archive(view, limits=limits) as archive,
        opened_weights(archive, file) as part,
        opened_hdf5(part) as weights,
    ):
        check_hdf5(weights, size=part.size, limits=limits)
    return ScanReport(
        kind="keras",
        keras_version=version,
        written_with=_writer(version),
        backend=None,
        loss=loss_name(config.get("compile_config")),
        config=config,
        size=size,
        needs_code=_needs_code(config, limits),
    )


def _scan_hdf5(file: BinaryIO, size: int, trusted: frozenset[str], limits: ScanLimits) -> ScanReport:
    _refuse_hidden_archive(Window(file, size=size, max_read=limits.max_directory_bytes))
    view = Window(file, size=size)
    with opened_hdf5(view) as source:
        texts = {name: read_text(source, name, limits=limits) for name in _ATTRIBUTES}
    if texts["model_config"] is None:
        raise UnsupportedModelError(_NO_ARCHITECTURE)
    writer = _writer(texts["keras_version"], texts["backend"])
    with _written_with(writer):
        config = check_config(_parsed(texts["model_config"], limits), trusted=trusted, limits=limits)
    with opened_hdf5(view) as source:
        check_hdf5(source, size=size, limits=limits)
        has_weights = "model_weights" in source
    if not has_weights:
        raise BrokenModelError("The file has an architecture and no weights. Save the model again with `model.save`.")
    return ScanReport(
        kind="hdf5",
        keras_version=texts["keras_version"],
        written_with=writer,
        backend=texts["backend"],
        loss=loss_name(_lenient(texts["training_config"], limits)),
        config=config,
        size=size,
        needs_code=_needs_code(config, limits),
    )


def _refuse_hidden_archive(view: Window) -> None:
    """Keras takes a file for an archive by its end, HDF5 is known by its start: one file can be both."""
    with suppress(*ARCHIVE_FAILURES), zipfile.ZipFile(cast("BinaryIO", view)) as archive:
        if CONFIG in archive.namelist():
            raise UnsafeModelError(
                "The file is HDF5 with a `.keras` archive hidden at its end, so that two readers would see"
                " two different models. Save the model again with `model.save(...)`."
            )


def _version_in(notes: bytes | None, limits: ScanLimits) -> str | None:
    metadata = _lenient(notes, limits)
    version = metadata.get("keras_version") if isinstance(metadata, dict) else None
    return version if isinstance(version, str) else None


def _lenient(text: str | bytes | None, limits: ScanLimits) -> JsonValue:
    """Parse what is for information only: Keras does not look at it, so no reason to refuse the model."""
    try:
        return parse_json(text, what="A note", limits=limits) if text is not None else None
    except ModelError:
        return None


def _parsed(text: str | bytes, limits: ScanLimits) -> JsonValue:
    return parse_json(text, what="The architecture", limits=limits)


def _needs_code(config: JsonValue, limits: ScanLimits) -> bool:
    try:
        check_config(config, limits=limits)
    except CustomCodeError:
        return True
    return False


def _writer(version: str | None, backend: str | None = None) -> str:
    printable = "".join(one if one.isprintable() else "?" for one in (version or "")[:_LONGEST_VERSION])
    named = f"Keras {printable}" if version else "Keras (version not recorded)"
    return f"{named} on {_BACKENDS[backend]}" if backend in _BACKENDS else named


@contextmanager
def _written_with(writer: str) -> Iterator[None]:
    """Note on a diagnosis what wrote the file."""
    try:
        yield
    except ModelError as error:
        error.written_by = writer
        raise


_SCANNERS: tuple[tuple[bytes, Scanner], ...] = (
    (b"PK\x03\x04", _scan_archive),
    (HDF5_MAGIC, _scan_hdf5),
)
