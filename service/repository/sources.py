"""Owns the layout of the models folder: which saved file is which version of which model.

A model is `<name>/<version>/<saved file>`, `<name>/<saved file>` or `<name>.keras|.h5|.hdf5` (version 1).
"""

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.errors import ModelClashError

SUFFIXES = (".keras", ".h5", ".hdf5")
SIDECAR = "model.toml"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ANONYMOUS = {"model", "keras_model", "saved_model"}


@dataclass(frozen=True, slots=True)
class Stamp:
    """What changes when a file does: size in bytes, modification time in ns, inode."""

    size: int
    mtime_ns: int
    inode: int


@dataclass(frozen=True, slots=True)
class Source:
    """A saved file as one version of a model.

    `sidecars` are the places its `model.toml` may lie, the nearest last. `problem` says why the file cannot
    be used at all (a clash, a name that fits no URL), or is None; `is_unreadable` marks a folder that
    could not be looked into, which says nothing about what lies in it.
    """

    name: str
    version: int
    path: Path
    stamp: Stamp
    sidecars: tuple[Path, ...]
    problem: str | None = None
    is_unreadable: bool = False


def find_sources(root: Path) -> list[Source]:
    """Return every saved file under `root` (a models folder, or one saved file), by name and version.

    Raises OSError where `root` itself cannot be read. Clashes come back as sources with a `problem`.
    """
    found = [_single_file(root)] if root.is_file() else list(_in_folder(root))
    return _without_clashes(source for source in found if source is not None)


def is_saved_model(path: Path) -> bool:
    """Return whether the name of `path` is one that a saved model has; hidden and temporary files are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith((".", "~"))


def name_and_version(path: Path) -> tuple[str, int]:
    """Return the model name and version that the path of one saved file speaks of."""
    parent = path.absolute().parent
    version = int(parent.name) if _is_version(parent.name) else 1
    folder = parent.parent if _is_version(parent.name) else parent
    stem = path.stem
    is_anonymous = stem in _ANONYMOUS or _is_version(parent.name)
    return (folder.name if is_anonymous and folder.name else stem), version


def sha256_of(path: Path) -> str:
    """Return the SHA-256 of a file's content in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def stamp_of(path: Path) -> Stamp:
    """Return the stamp of `path`; raises OSError where there is no such file."""
    status = path.stat()
    return Stamp(status.st_size, status.st_mtime_ns, status.st_ino)


def _single_file(path: Path) -> Source | None:
    name, version = name_and_version(path)
    folder = path.absolute().parent
    for_all_versions = (folder.parent / SIDECAR,) if _is_version(folder.name) else ()
    return _source(name, version, path, (*for_all_versions, folder / SIDECAR, path.with_suffix(".toml")))


def _in_folder(root: Path) -> Iterator[Source | None]:
    for entry in _entries(root):
        if entry.is_dir():
            yield from _in_model_folder(root, entry)
        elif is_saved_model(entry) and entry.is_file():
            beside = (root / entry.stem / SIDECAR, entry.with_suffix(".toml"))
            yield _source(entry.stem, 1, entry, beside)


def _in_model_folder(root: Path, folder: Path) -> Iterator[Source | None]:
    try:
        entries = _entries(folder)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    yield _saved_model_folder(folder.name, 1, folder)
    for entry in entries:
        if entry.is_dir() and _is_version(entry.name):
            sidecars = (folder / SIDECAR, entry / SIDECAR)
            yield from _in_version_folder(folder.name, entry, sidecars)
        elif entry.is_file() and is_saved_model(entry):
            yield _source(folder.name, 1, entry, (root / f"{folder.name}.toml", folder / SIDECAR))


def _in_version_folder(name: str, folder: Path, sidecars: tuple[Path, ...]) -> Iterator[Source | None]:
    try:
        files = [entry for entry in _entries(folder) if is_saved_model(entry) and entry.is_file()]
    except OSError as error:
        yield _unreadable(folder, error, name=name, version=int(folder.name))
        return
    yield _saved_model_folder(name, int(folder.name), folder)
    for file in files:
        yield _source(name, int(folder.name), file, sidecars)


def _saved_model_folder(name: str, version: int, folder: Path) -> Source | None:
    program = folder / "saved_model.pb"
    if not program.is_file():
        return None
    problem = "This is a SavedModel folder, a program that is not run here; save the model as .keras instead."
    return Source(name, version, program, stamp_of(program), (), problem)


def _unreadable(folder: Path, error: OSError, *, name: str | None = None, version: int = 1) -> Source | None:
    if isinstance(error, FileNotFoundError) or not _NAME.fullmatch(name or folder.name):
        return None  # it went between the listing and the look, or is no model's, such as lost+found
    problem = f"The folder {folder.name} cannot be read: {error.strerror}."
    return Source(name or folder.name, version, folder, Stamp(0, 0, 0), (), problem, is_unreadable=True)


def _entries(folder: Path) -> list[Path]:
    # NOTE: os.scandir's order differs between machines; sorted, a clash is always reported the same way.
    with os.scandir(folder) as entries:
        return sorted(Path(entry.path) for entry in entries if not entry.name.startswith("."))


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit() and 0 < int(name) < 2**31 and not name.startswith("0")


def _source(name: str, version: int, path: Path, sidecars: tuple[Path, ...]) -> Source | None:
    try:
        stamp = stamp_of(path)
    except OSError:
        return None  # it went between the listing and the look
    return Source(name, version, path, stamp, sidecars, _name_problem(name) or _access_problem(path))


def _name_problem(name: str) -> str | None:
    if _NAME.fullmatch(name):
        return None
    return (
        f"The name {name!r} cannot be used in an address; "
        "rename it to 1 to 64 letters, digits, dots, dashes and underscores."
    )


def _access_problem(path: Path) -> str | None:
    if os.access(path, os.R_OK):
        return None
    return f"{path.name} may not be read by the user that runs the server; allow it, for example with chmod a+r."


def _without_clashes(sources: Iterable[Source]) -> list[Source]:
    claims: dict[tuple[str, int], list[Source]] = defaultdict(list)
    for source in sources:
        claims[source.name, source.version].append(source)
    return [_only_or_clash(claimants) for _, claimants in sorted(claims.items())]


def _only_or_clash(claimants: list[Source]) -> Source:
    first = claimants[0]
    if len(claimants) == 1:
        return first
    shared = os.path.commonpath([one.path.parent for one in claimants])
    files = ", ".join(str(one.path.relative_to(shared)) for one in claimants)
    problem = ModelClashError(
        f"{len(claimants)} saved files claim to be version {first.version} of {first.name!r} ({files}); "
        "leave one of them, or give each a version folder of its own."
    )
    return Source(first.name, first.version, first.path, first.stamp, first.sidecars, problem.message)
