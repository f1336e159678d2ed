"""Owns what one saved model is made of on disk: a file, weights with their architecture, or a SavedModel folder.

Nothing is loaded or trusted here: files are recognised by name and hashed as bytes.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.repository.stamp import Stamp, stamp_of

BUILT = ".bundle"
"""Ends the name of a file that stands for a saved model built elsewhere: the sums of its bundle."""
_HDF5 = (".h5", ".hdf5")
SUFFIXES = (".keras", *_HDF5, BUILT)
PROGRAM = "saved_model.pb"
_PROGRAM_FILES = (PROGRAM, "keras_metadata.pb", "fingerprint.pb")
_PROGRAM_FOLDERS = ("variables", "assets")
_WEIGHTS = ".weights"
# What people call the architecture that `model.to_json()` gave, beside the weights; the file's own stem comes first.
_ARCHITECTURES = ("model.json", "architecture.json", "model_architecture.json", "model_config.json", "config.json")
# Names that say nothing of the model: its folder's name does then.
ANONYMOUS = {"model", "keras_model", "saved_model", "weights", "best_weights", "model_weights"}
_HEAD = 4096


@dataclass(frozen=True, slots=True)
class Saved:
    """One saved model: `path` is its file, or its folder where it is a SavedModel.

    `architecture` is the JSON file beside an HDF5 file, used where that one holds weights alone.
    """

    path: Path
    architecture: Path | None = None

    @property
    def is_program(self) -> bool:
        """Return whether this is a SavedModel, a TensorFlow program in a folder."""
        return self.path.is_dir()

    @property
    def is_built(self) -> bool:
        """Return whether this stands for a bundle made elsewhere; nothing can be built from it."""
        return self.path.suffix.lower() == BUILT

    @property
    def files(self) -> dict[str, Path]:
        """Return every file that belongs to it by its path relative to the main file's folder, or to its own."""
        if self.is_program:
            return {one.relative_to(self.path).as_posix(): one for one in _program_files(self.path)}
        return {one.name: one for one in (self.path, self.architecture) if one is not None}

    def stamp(self) -> Stamp:
        """Return what changes whenever one of its files does; raises OSError where one is gone."""
        stamps = [stamp_of(path) for path in self.files.values()]
        if not stamps:
            raise FileNotFoundError("no file of the saved model is left")
        if len(stamps) == 1:
            return stamps[0]
        return Stamp(sum(one.size for one in stamps), max(one.mtime_ns for one in stamps), hash(tuple(stamps)))


def is_saved_model(path: Path) -> bool:
    """Return whether the name of `path` is one that a saved model has; hidden and temporary files are not."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith((".", "~"))


def is_program_folder(path: Path) -> bool:
    """Return whether `path` is a SavedModel folder."""
    return (path / PROGRAM).is_file()


def saved_at(path: Path) -> Saved:
    """Return the saved model whose main file, or SavedModel folder, is `path`."""
    return Saved(path, _architecture_beside(path) if path.suffix.lower() in _HDF5 else None)


def architecture_names(path: Path) -> tuple[str, ...]:
    """Return what the architecture of an HDF5 file may be called that lies beside it."""
    return (*_own_architectures(path), *_ARCHITECTURES) if path.suffix.lower() in _HDF5 else ()


def stem_of(path: Path) -> str:
    """Return the name of a saved file without its endings: `mnist` of `mnist.weights.h5`."""
    return path.stem.removesuffix(_WEIGHTS)


def sha256_of(saved: Saved | Path) -> str:
    """Return the SHA-256 of a saved model in hex: of its file, or over the names and hashes of its files."""
    files = saved.files if isinstance(saved, Saved) else {saved.name: saved}
    return combined_sha256({name: file_sha256(path) for name, path in files.items()})


def combined_sha256(hashes: Mapping[str, str]) -> str:
    """Return one SHA-256 for several files given by name; for one file its own."""
    if len(hashes) == 1:
        return next(iter(hashes.values()))
    lines = "".join(f"{name}\0{digest}\n" for name, digest in sorted(hashes.items()))
    return hashlib.sha256(lines.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of one file in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _program_files(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in _PROGRAM_FILES if (folder / name).is_file())
    for name in _PROGRAM_FOLDERS:
        yield from _below(folder / name)


def _below(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders.sort()
        # NOTE: a link could lead to a device that never ends, or to a file of somebody else's.
        yield from (path for path in (Path(parent) / name for name in sorted(files)) if _is_plain(path))


def _is_plain(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _architecture_beside(path: Path) -> Path | None:
    mine = next(filter(_is_architecture, (path.with_name(name) for name in _own_architectures(path))), None)
    if mine is not None:
        return mine
    # NOTE: asked last: it lists the folder, for each of a thousand files that lie in it.
    shared = next(filter(_is_architecture, (path.with_name(name) for name in _ARCHITECTURES)), None)
    return shared if shared is not None and _may_share(path) else None


def _own_architectures(path: Path) -> dict[str, None]:
    return dict.fromkeys((f"{stem_of(path)}.json", f"{path.stem}.json"))


def _may_share(path: Path) -> bool:
    """Return whether an architecture with no name of its own can be meant for `path`, and not for a file beside it."""
    is_only = sum(one.suffix.lower() in _HDF5 for one in path.parent.iterdir()) == 1
    return is_only or stem_of(path) in ANONYMOUS


def _is_architecture(path: Path) -> bool:
    """Return whether a file begins as Keras writes an architecture, so that a labels file is not taken for one."""
    if not path.is_file():  # nor a pipe, which would be waited for
        return False
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return False
    return head.lstrip().startswith(b"{") and b'"class_name"' in head
