"""Owns a folder that is served without the saved files: it is both a models folder and the store of its bundles.

In it `mnist/1/model.bundle` stands for `mnist/1/model.keras`: it holds the sums of the files of a bundle, and its own
SHA-256 is what the bundle is found by, as that of a saved file is elsewhere. All else that lies beside the models is
there too.
"""

import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.errors import BuildInterruptedError, SettingsError
from service.repository.bundles import Bundle, BundleStore, fingerprint_of
from service.repository.models_lock import LOCK_FILE
from service.repository.saved import BUILT, file_sha256, is_program_folder, is_saved_model
from service.repository.seal import SUMS
from service.repository.sources import Source


class Shipment:
    """Puts what the models folder `root` holds into the folder `out`, bundles in place of saved models."""

    def __init__(self, root: Path, out: Path) -> None:
        """Raise SettingsError where `root` is no folder of models, or holds `out`."""
        if not root.is_dir() or is_program_folder(root):
            raise SettingsError(f"--out takes a folder of models along; {root.name} is one model. Name its folder.")
        if out.resolve().is_relative_to(root.resolve()):
            raise SettingsError(f"--out {out} lies in the models folder; name a folder outside it.")
        self._root = root
        self._out = out
        self._store = BundleStore(out)
        self._saved: set[Path] = set()

    def add_rest(self, sources: Iterable[Source]) -> None:
        """Copy what lies beside the saved models: sidecars, labels, golden samples; not `models.lock`, which is theirs.

        Raises BuildInterruptedError where that cannot be read or written.
        """
        self._saved = {path for source in sources for path in source.saved.files.values()}
        with _writing():
            shutil.copytree(
                self._root, self._out, ignore=self._ignored, copy_function=shutil.copyfile, dirs_exist_ok=True
            )

    def _ignored(self, folder: str, names: list[str]) -> list[str]:
        paths = [Path(folder, name) for name in names]
        return [one.name for one in paths if one in self._saved or _is_of_no_use(one)]

    def add(self, source: Source, bundle: Bundle) -> None:
        """Copy a bundle; then say which version it is, for only then a server may take it up.

        Raises BuildInterruptedError where that cannot be written.
        """
        sums = bundle.path / SUMS
        with _writing(), self._store.staging(source.name) as staged:
            for path in bundle.path.iterdir():
                shutil.copyfile(path, staged / path.name)
            self._store.add(staged, source.name, fingerprint_of(file_sha256(sums)))
        with _writing():
            place = self._out / _place(source).relative_to(self._root)
            place.parent.mkdir(parents=True, exist_ok=True)
            unseen = place.with_name(f".{place.name}")
            shutil.copyfile(sums, unseen)
            unseen.replace(place)


@contextmanager
def _writing() -> Iterator[None]:
    try:
        yield
    except OSError as error:  # shutil.Error is one
        raise BuildInterruptedError(f"--out cannot be written: {error.strerror or error}.") from error


def _is_of_no_use(path: Path) -> bool:
    return path.name.startswith(".") or path.name == LOCK_FILE or is_saved_model(path)


def _place(source: Source) -> Path:
    """Return where the file lies that stands for a source: in its place, or in the folder that a SavedModel is."""
    path = source.path
    if not source.saved.is_program:
        return path.with_suffix(BUILT)
    is_mlflows = path not in source.folders
    return (path.parent if is_mlflows else path) / f"model{BUILT}"
