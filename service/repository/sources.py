"""Owns the layout of the models folder: which saved file is which version of which model.

A model is `<name>/<version>/<saved file>`, `<name>/<saved file>` or `<name>.keras|.h5|.hdf5` (version 1). A SavedModel
folder, or one that MLflow wrote, takes the place of the folder of a saved file.
"""

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service.errors import ModelClashError
from service.repository.saved import (
    ANONYMOUS,
    PROGRAM,
    SUFFIXES,
    Saved,
    is_program_folder,
    is_saved_model,
    saved_at,
    stem_of,
)
from service.repository.stamp import Stamp

SIDECAR = "model.toml"
GOLDEN = "golden"
_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_MLFLOW = "MLmodel"
_MLFLOW_DATA = "data"


@dataclass(frozen=True, slots=True)
class Source:
    """A saved model as one version of a model.

    `sidecars` are the places its `model.toml` may lie, the nearest last. `problem` says why the file cannot
    be used at all (a clash, a name that fits no URL), or is None; `is_unreadable` marks a folder that
    could not be looked into, which says nothing about what lies in it. `folders` are those that no other model
    shares, the nearest last: a `labels.txt` in them is this model's. `golden` are the places where its golden
    samples may lie, the nearest last.
    """

    name: str
    version: int
    saved: Saved
    stamp: Stamp
    sidecars: tuple[Path, ...]
    problem: str | None = None
    is_unreadable: bool = False
    folders: tuple[Path, ...] = ()
    golden: tuple[Path, ...] = ()

    @property
    def path(self) -> Path:
        """Return the saved file, or the folder of a SavedModel."""
        return self.saved.path


@dataclass(frozen=True, slots=True)
class _Entries:
    """What a folder holds, hidden entries apart: folders and saved models, sorted, and the names of everything."""

    folders: list[Path]
    saved: list[Path]
    names: set[str]


def find_sources(root: Path) -> list[Source]:
    """Return every saved model under `root` (a models folder, or one saved model), by name and version.

    Raises OSError where `root` itself cannot be read. Clashes come back as sources with a `problem`.
    """
    is_one = root.is_file() or is_program_folder(root)
    found = [_single(root)] if is_one else list(_in_folder(root))
    return _without_clashes(source for source in found if source is not None)


def name_and_version(path: Path) -> tuple[str, int]:
    """Return the model name and version that the path of one saved model speaks of."""
    path = path.absolute()
    parent = path.parent
    if path.is_dir() and _version_of(path.name) is None:
        return path.name, 1
    version = _version_of(path.name) if path.is_dir() else _version_of(parent.name)
    if version is not None:
        return (parent if path.is_dir() else parent.parent).name, version
    stem = stem_of(path)
    return (parent.name if stem in ANONYMOUS and parent.name else stem), 1


def _single(path: Path) -> Source | None:
    name, version = name_and_version(path)
    folder = path.absolute() if path.is_dir() else path.absolute().parent
    folders = (folder,) if _version_of(folder.name) is None else (folder.parent, folder)
    beside = () if path.is_dir() else (path.with_suffix(".toml"),)
    return _source(name, version, path, (*(one / SIDECAR for one in folders), *beside), folders)


def _in_folder(root: Path) -> Iterator[Source | None]:
    entries = _entries(root)
    loose = entries.saved
    shared = (root,) if len(loose) == 1 else ()  # beside several files, nobody knows whose labels.txt it is
    for folder in entries.folders:
        yield from _in_model_folder(root, folder)
    for file in loose:
        name = stem_of(file)
        sidecars = (root / name / SIDECAR, file.with_suffix(".toml"))
        # `golden/` in the models folder itself is a model's folder like any other.
        yield _source(name, 1, file, sidecars, (*shared, root / name), golden=(root / name / GOLDEN,))


def _in_model_folder(root: Path, folder: Path) -> Iterator[Source | None]:
    try:
        entries = _entries(folder)
        saved = _saved_in(folder, entries)
    except OSError as error:
        yield _unreadable(folder, error)
        return
    for one in saved:
        yield _source(folder.name, 1, one, (root / f"{folder.name}.toml", folder / SIDECAR), (folder,))
    for entry in entries.folders:
        version = _version_of(entry.name)
        if version is not None:
            yield from _in_version_folder(folder.name, version, entry, (folder / SIDECAR, entry / SIDECAR))


def _in_version_folder(name: str, version: int, folder: Path, sidecars: tuple[Path, ...]) -> Iterator[Source | None]:
    try:
        saved = _saved_in(folder, _entries(folder))
    except OSError as error:
        yield _unreadable(folder, error, name=name, version=version)
        return
    for one in saved:
        yield _source(name, version, one, sidecars, (folder.parent, folder))


def _saved_in(folder: Path, entries: _Entries) -> list[Path]:
    """Return the saved models that lie directly in `folder`: files, or the folder itself where it is a SavedModel."""
    if PROGRAM in entries.names and is_program_folder(folder):
        return [folder]
    if _MLFLOW in entries.names and (folder / _MLFLOW).is_file():
        return _saved_by_mlflow(folder / _MLFLOW_DATA)
    return entries.saved


def _saved_by_mlflow(data: Path) -> list[Path]:
    """Return what MLflow keeps in the `data` folder of a Keras model: `model.keras`, `model.h5` or `model/`."""
    entries = _entries(data)
    return sorted([*entries.saved, *filter(is_program_folder, entries.folders)])


def _unreadable(folder: Path, error: OSError, *, name: str | None = None, version: int = 1) -> Source | None:
    if isinstance(error, FileNotFoundError) or not _NAME.fullmatch(name or folder.name):
        return None  # it went between the listing and the look, or is no model's, such as lost+found
    problem = f"The folder {folder.name} cannot be read: {error.strerror}."
    return Source(name or folder.name, version, Saved(folder), Stamp(0, 0, 0), (), problem, is_unreadable=True)


def _entries(folder: Path) -> _Entries:
    """List a folder; raises OSError where it cannot be read. Asks the disk nothing more of what is no model's."""
    # NOTE: os.scandir's order differs between machines; sorted, a clash is always reported the same way.
    with os.scandir(folder) as listed:
        entries = [entry for entry in listed if not entry.name.startswith(".")]
    entries.sort(key=lambda entry: entry.name)
    folders = [Path(entry.path) for entry in entries if _is_folder(entry)]
    named = [Path(entry.path) for entry in entries if entry.name.lower().endswith(SUFFIXES)]
    saved = [path for path in named if is_saved_model(path) and path.is_file()]
    return _Entries(folders, saved, {entry.name for entry in entries})


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link in a circle
        return False


def _version_of(name: str) -> int | None:
    """Return the version a folder's name says; TensorFlow Serving writes them with zeros in front, too."""
    is_number = name.isascii() and name.isdigit() and 0 < int(name) < 2**31
    return int(name) if is_number else None


def _source(
    name: str,
    version: int,
    path: Path,
    sidecars: tuple[Path, ...],
    folders: tuple[Path, ...],
    *,
    golden: tuple[Path, ...] | None = None,
) -> Source | None:
    saved = saved_at(path)
    try:
        stamp = saved.stamp()
    except OSError:
        return None  # it went between the listing and the look
    problem = name_problem(name) or _access_problem(saved)
    golden = tuple(folder / GOLDEN for folder in folders) if golden is None else golden
    return Source(printable(name), version, saved, stamp, sidecars, problem, folders=folders, golden=golden)


def printable(name: str) -> str:
    """Return a file's name as it may go into a log or an answer: line ends, escapes and wrong UTF-8 are spelt out."""
    return "".join(one if one.isprintable() else ascii(one)[1:-1] for one in name)


def name_problem(name: str) -> str | None:
    """Return why a model cannot have this name, or None where it can."""
    if _NAME.fullmatch(name):
        return None
    return (
        f"The name {name!r} cannot be used in an address; "
        "rename it to 1 to 64 letters, digits, dots, dashes and underscores."
    )


def _access_problem(saved: Saved) -> str | None:
    for name, path in saved.files.items():
        if not os.access(path, os.R_OK):
            who = "the user that runs the server; allow it, for example with chmod a+r."
            return f"{printable(name)} may not be read by {who}"
    return None


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
    files = ", ".join(printable(str(one.path.relative_to(shared))) for one in claimants)
    problem = ModelClashError(
        f"{len(claimants)} saved files claim to be version {first.version} of {first.name!r} ({files}); "
        "leave one of them, or give each a version folder of its own."
    )
    return Source(first.name, first.version, first.saved, first.stamp, first.sidecars, problem.message)
