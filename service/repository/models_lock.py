"""Owns `models.lock`: which bytes may be served, as SHA-256 of every file of every saved model.

The form is that of `sha256sum`: a line for each file, with its path as seen from the models folder.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from service.errors import LockError, SidecarError
from service.repository.beside import read_text
from service.repository.bundles import fingerprint_of
from service.repository.saved import (
    PROGRAM,
    Saved,
    architecture_names,
    combined_sha256,
    file_sha256,
    is_program_folder,
    stem_of,
)
from service.repository.sources import Source

LOCK_FILE = "models.lock"
_LINE = re.compile(r"(\\?)([0-9a-fA-F]{64}) [ *](.+)")
_ESCAPES = {"\\": "\\\\", "\n": "\\n", "\r": "\\r"}
_UNESCAPED = re.compile(r"\\(.)")


@dataclass(frozen=True, slots=True)
class ModelsLock:
    """What a lock says: SHA-256 in hex by path, relative to the folder `base`."""

    base: Path
    hashes: Mapping[str, str]

    def fingerprint(self, saved: Saved) -> str | None:
        """Return the fingerprint a saved model must have; None where one of its files is not in the lock.

        Of a SavedModel, a file that is in the lock and gone from the folder makes it another, too.
        """
        names = {name: relative(path, self.base) for name, path in saved.files.items()}
        if not names or not self.hashes.keys() >= set(names.values()):
            return None
        if saved.is_program:
            names |= self._below(relative(saved.path, self.base))
        return self._fingerprint_of(names)

    def buildable(self) -> set[tuple[str, str]]:
        """Return every fingerprint that files in the lock can come to, each with the name of the model they are of.

        The files need not be there; what lies beside an HDF5 file may be its architecture, or may not.
        """
        programs = [path.removesuffix(f"/{PROGRAM}") for path in self.hashes if path.endswith(f"/{PROGRAM}")]
        groups = [*({path: path} for path in self.hashes), *self._pairs(), *map(self._below, programs)]
        return {(_model_of(next(iter(group.values()))), self._fingerprint_of(group)) for group in groups}

    def _pairs(self) -> Iterator[dict[str, str]]:
        for path in map(Path, self.hashes):
            for beside in (path.with_name(name) for name in architecture_names(path)):
                if beside.as_posix() in self.hashes:
                    yield {one.name: one.as_posix() for one in (path, beside)}

    def _below(self, folder: str) -> dict[str, str]:
        """Return the paths below a folder, by what they are called in it."""
        return {path.removeprefix(f"{folder}/"): path for path in self.hashes if path.startswith(f"{folder}/")}

    def _fingerprint_of(self, names: Mapping[str, str]) -> str:
        return fingerprint_of(combined_sha256({name: self.hashes[path] for name, path in names.items()}))


def base_of(root: Path) -> Path:
    """Return the folder that a lock's paths start from: the models folder, or that of the one model served."""
    return root.parent if root.is_file() or is_program_folder(root) else root


def lock_path(root: Path, given: Path | None) -> Path:
    """Return where the lock of a models folder, or of one saved model, lies: where it is `given`, else beside them."""
    return given or base_of(root) / LOCK_FILE


def read_lock(path: Path, base: Path) -> ModelsLock:
    """Read a lock; raises LockError with what is wrong in which line."""
    try:
        text = read_text(path)
    except SidecarError as error:
        raise LockError(error.message) from error
    if not text.endswith("\n"):
        raise LockError(f"{path.name} is empty, or its last line has no end: is it still being written?")
    return ModelsLock(base, dict(_parsed(line, number, path.name) for number, line in _lines(text)))


def hashes_of(sources: Iterable[Source], base: Path) -> dict[str, str]:
    """Return the SHA-256 of every file of the sources by its path, sorted; raises OSError for one that went."""
    paths = {relative(path, base): path for source in sources for path in source.saved.files.values()}
    return {name: file_sha256(path) for name, path in sorted(paths.items())}


def lock_text(hashes: Mapping[str, str]) -> str:
    """Return the text of a lock, as `sha256sum` writes it."""
    return "".join(f"{_line(name, digest)}\n" for name, digest in hashes.items())


def relative(path: Path, base: Path) -> str:
    """Return the name that a lock has for a file below `base`."""
    return path.relative_to(base).as_posix()


def _model_of(path: str) -> str:
    """Return the name of the model in a models folder that a file belongs to."""
    top, _, rest = path.partition("/")
    return top if rest else stem_of(Path(top))


def _lines(text: str) -> list[tuple[int, str]]:
    # NOTE: not splitlines(), which also breaks at characters that a file's name may hold.
    lines = enumerate(text.replace("\r\n", "\n").split("\n"), start=1)
    return [(number, line) for number, line in lines if line.strip() and not line.startswith("#")]


def _parsed(line: str, number: int, name: str) -> tuple[str, str]:
    found = _LINE.fullmatch(line)
    if not found:
        raise LockError(
            f"{name}, line {number}: expected a SHA-256 of 64 digits, two spaces and a path, as sha256sum writes it."
        )
    escaped, digest, path = found.groups()
    path = _UNESCAPED.sub(_unescape, path) if escaped else path
    return path.removeprefix("./"), digest.lower()


def _unescape(found: re.Match[str]) -> str:
    return {"n": "\n", "r": "\r"}.get(found[1], found[1])


def _line(name: str, digest: str) -> str:
    escaped = "".join(_ESCAPES.get(one, one) for one in name)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}"
