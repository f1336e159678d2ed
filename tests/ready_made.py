"""Puts versions of the tiny model on disk that are built already: a server serves them without TensorFlow."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from service.repository.bundles import BundleStore, fingerprint_of
from service.repository.saved import sha256_of
from tests.fakes import add_bundle, describe, true_probes
from tests.pictures import encoded

CORNERS = ("top left", "top right", "bottom left", "bottom right")


def corner(index: int) -> bytes:
    """Return a PNG of 2x2 grey pixels of which one is white: the tiny model's answer is that corner."""
    pixels = np.zeros(4, np.uint8)
    pixels[index] = 255
    return encoded(pixels.reshape(2, 2))


class ReadyMade:
    """A models folder and a cache of bundles; the saved files are no models, but their bundles are there."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        self.cache = folder / "cache"
        self.models.mkdir()
        self._store = BundleStore(self.cache)
        self._aside = folder / "aside"

    def add(self, name: str, version: int, *, content: str = "", labels: Sequence[str] = CORNERS) -> Path:
        """Add a version, whole at once as by a rename; return its folder. Each is a little surer than the one below."""
        folder = self._aside / str(version)
        folder.mkdir(parents=True)
        self._save(folder / "model.keras", name, version, content)
        (folder / "model.toml").write_text(f"labels = {list(labels)}\n".replace("'", '"'), "utf-8")
        (self.models / name).mkdir(exist_ok=True)
        return folder.rename(self.models / name / str(version))

    def replace(self, name: str, version: int, *, content: str) -> None:
        """Replace the saved file of a version by another whose bundle is there, too."""
        fresh = self.models / name / "fresh"
        self._save(fresh, name, version, content)
        fresh.rename(self.models / name / str(version) / "model.keras")

    def remove(self, name: str, version: int) -> None:
        """Remove a version at once, as by a rename."""
        (self.models / name / str(version)).rename(self._aside)
        shutil.rmtree(self._aside)

    def _save(self, path: Path, name: str, version: int, content: str) -> None:
        path.write_text(f"{name} {version} {content}", "utf-8")
        beta = 1.0 + version
        fingerprint = fingerprint_of(sha256_of(path))
        add_bundle(self._store, fingerprint, facts=describe(name, version), beta=beta, probes=true_probes(beta=beta))
