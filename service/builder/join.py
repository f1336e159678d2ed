"""Owns joining the two-file form, `model.json` and weights, into one file of the kind Keras saves today.

Every later step then sees a whole file: the scan, and each loader of the ladder.
"""

import json
import zipfile
from pathlib import Path

from service.builder.scan import DEFAULT_LIMITS, JsonValue, WeightsLayout, parse_json, scan_weights
from service.errors import BrokenModelError
from service.repository.saved import Saved

_JOINED = "joined"
_TEXTS = ("keras_version", "backend")
_MODULES = {"Sequential": "keras", "Functional": "keras.src.engine.functional"}
_Config = dict[str, JsonValue]


def joined(saved: Saved) -> Path:
    """Return the one file of a private copy: as it is, or its architecture and weights put together.

    The architecture is only used where the HDF5 file has none of its own. Raises BrokenModelError where it is none
    itself, and what the scan raises for the weights.
    """
    layout = None if saved.architecture is None else scan_weights(saved.path)
    if layout is None or saved.architecture is None:
        return saved.path
    return _JOINS[layout](saved.path, _architecture(saved.architecture))


def _architecture(path: Path) -> _Config:
    config = parse_json(path.read_bytes(), what=path.name, limits=DEFAULT_LIMITS)
    if not isinstance(config, dict):
        raise BrokenModelError(f"{path.name} is no architecture; write it again with `model.to_json()`.")
    return config


def _beside(weights: Path, suffix: str) -> Path:
    """Return a path for the joined file in a folder of its own, where no source can have the same name."""
    folder = weights.parent / _JOINED
    folder.mkdir(exist_ok=True)
    return (folder / weights.name).with_suffix(suffix)


def _into_hdf5(weights: Path, config: _Config) -> Path:
    """Write the HDF5 file that `model.save` would have written: the weights in a group, the architecture beside it."""
    import h5py

    target = _beside(weights, ".h5")
    with h5py.File(weights, "r") as read, h5py.File(target, "w") as write:
        group = write.create_group("model_weights")
        for name in read:
            read.copy(name, group)
        for name, value in read.attrs.items():
            group.attrs[name] = value
        write.attrs["model_config"] = json.dumps(config)
        for name in _TEXTS:
            said = read.attrs.get(name) or config.get(name)  # the weights know best which backend they are of
            if said:
                write.attrs[name] = said
    return target


def _into_archive(weights: Path, config: _Config) -> Path:
    """Write the `.keras` archive that `model.save` would have written."""
    target = _beside(weights, ".keras")
    # NOTE: `to_json` of Keras 2 leaves out where the outermost class comes from, an archive of Keras 2 says it.
    config = {"module": _MODULES.get(str(config.get("class_name"))), "registered_name": None} | config
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
        archive.writestr("metadata.json", json.dumps({"keras_version": config.get("keras_version")}))
        archive.write(weights, "model.weights.h5")
    return target


_JOINS = {WeightsLayout.BY_ORDER: _into_hdf5, WeightsLayout.BY_PATH: _into_archive}
