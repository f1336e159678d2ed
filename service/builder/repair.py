"""Owns repairing the configuration of an old file so that Keras 3 reads it: names and forms, never what a layer does.

Each repair is for a difference between Keras 2 and 3 that is known and harmless; what it changed is said on the card.
"""

import json
import shutil
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from service.builder.scan import ScanReport
from service.builder.scan.operations import OPERATIONS

_Config = dict[str, Any]
_WITHOUT_GROUPS = ("DepthwiseConv1D", "DepthwiseConv2D", "Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose")
_WITHOUT_VALUE_RANGE = ("RandomCrop", "RandomFlip", "RandomRotation", "RandomTranslation", "RandomZoom")
_RENAMED = {"BatchNormalizationV1": "BatchNormalization", "BatchNormalizationV2": "BatchNormalization"}
_ELLIPSIS = {"class_name": "__ellipsis__", "config": {}}
_FULL_SLICE = {"class_name": "__slice__", "config": {"start": None, "stop": None, "step": None}}
_OPERATION_MODULES = (
    *(f"keras.src.ops.{name}" for name in ("numpy", "nn", "image", "math", "core", "linalg", "einops")),
    "keras.src.activations.activations",
)
_APPLICATION_MODULES = {
    "LayerScale": "keras.src.applications.convnext",
    "StochasticDepth": "keras.src.applications.convnext",
    "CustomScaleLayer": "keras.src.applications.inception_resnet_v2",
}


def repair(path: Path, report: ScanReport) -> tuple[str, ...]:
    """Rewrite the configuration inside a private copy; return what was changed, in words, each once.

    `path` is an HDF5 file or a `.keras` archive that was scanned; its weights are left as they are.
    """
    config: _Config = json.loads(json.dumps(report.config))
    done = [words for node in _objects(config) for words, mend in _REPAIRS.items() if mend(node)]
    if done:
        _WRITERS[report.kind](path, config)
    return tuple(dict.fromkeys(done))


def _objects(value: Any) -> Iterator[_Config]:
    """Yield every `{"class_name": …, "config": …}` of a configuration, outer ones first."""
    if isinstance(value, dict):
        if "class_name" in value:
            yield value
        for part in list(value.values()):
            yield from _objects(part)
    elif isinstance(value, list):
        for part in value:
            yield from _objects(part)


def _name_sequential(node: _Config) -> bool:
    """Wrap the bare list of layers that Keras before 2.2.3 wrote."""
    if node["class_name"] != "Sequential" or not isinstance(node.get("config"), list):
        return False
    node["config"] = {"name": node.get("name") or "sequential", "layers": node["config"]}
    return True


def _add_input(node: _Config) -> bool:
    """Give a Sequential the InputLayer that its first layer's `batch_input_shape` stands for."""
    layers = node["config"].get("layers") if isinstance(node.get("config"), dict) else None
    if node["class_name"] != "Sequential" or not layers:
        return False
    first = layers[0].get("config")
    if layers[0].get("class_name") == "InputLayer" or not isinstance(first, dict) or "batch_input_shape" not in first:
        return False
    shape = first.pop("batch_input_shape")
    dtype = first.get("dtype") if isinstance(first.get("dtype"), str) else "float32"
    name = f"{first.get('name') or 'layer'}_input"
    layers.insert(0, {"class_name": "InputLayer", "config": {"batch_shape": shape, "dtype": dtype, "name": name}})
    return True


def _drop_groups(node: _Config) -> bool:
    """Drop `groups: 1`, which Keras 2 wrote for layers that have no groups."""
    config = node.get("config")
    if node["class_name"] not in _WITHOUT_GROUPS or not isinstance(config, dict) or config.get("groups") != 1:
        return False
    del config["groups"]
    return True


def _drop_value_range(node: _Config) -> bool:
    """Drop `value_range`, which Keras 3.0 to 3.5 wrote for augmentation that never looked at it."""
    config = node.get("config")
    if node["class_name"] not in _WITHOUT_VALUE_RANGE or not isinstance(config, dict) or "value_range" not in config:
        return False
    del config["value_range"]
    return True


def _rename(node: _Config) -> bool:
    """Give a layer of TensorFlow 1 the name it has had since."""
    if node["class_name"] not in _RENAMED:
        return False
    node["class_name"] = _RENAMED[node["class_name"]]
    return True


def _simplify_policy(node: _Config) -> bool:
    """Write a dtype policy of Keras 2 as its name."""
    policy = node["config"].get("dtype") if isinstance(node.get("config"), dict) else None
    if not isinstance(policy, dict) or policy.get("class_name") not in ("Policy", "PolicyV1"):
        return False
    node["config"]["dtype"] = policy["config"]["name"]
    return True


def _locate(node: _Config) -> bool:
    """Say where a bare operation or a layer of keras.applications comes from: HDF5 files leave it out.

    An operation has nothing to train; that tells `Add`, the operation, from `Add`, the layer.
    """
    name, config = node["class_name"], node.get("config")
    if "module" in node or "inbound_nodes" not in node or not isinstance(config, dict):
        return False
    module = _APPLICATION_MODULES.get(name)
    if name in OPERATIONS and "trainable" not in config:
        module = _module_of_operation(name)
    if module is None:
        return False
    node.update(module=module, registered_name=name)
    return True


def _spell_out(node: _Config) -> bool:
    """Write the `...` of an index as the full slices it stands for: Keras 3 reads it in archives alone."""
    if node["class_name"] != "GetItem":
        return False
    calls = [call.get("args", []) for call in node.get("inbound_nodes", []) if isinstance(call, dict)]
    return sum(map(_without_ellipsis, calls)) > 0


def _without_ellipsis(args: list[Any]) -> bool:
    """Replace the ellipsis in the key of one indexing, given as (tensor, key); return whether there was one."""
    tensor, key = args if len(args) == len(("tensor", "key")) else ({}, None)
    if not isinstance(key, list) or _ELLIPSIS not in key:
        return False
    place, rank = key.index(_ELLIPSIS), len(tensor["config"]["shape"])
    taken = sum(one is not None for one in key) - 1  # None is a new axis, and the ellipsis itself takes none
    key[place : place + 1] = [_FULL_SLICE] * (rank - taken)
    return True


def _module_of_operation(name: str) -> str | None:
    import importlib

    return next((one for one in _OPERATION_MODULES if hasattr(importlib.import_module(one), name)), None)


_REPAIRS: dict[str, Callable[[_Config], bool]] = {
    "the layers of a Sequential were a bare list": _name_sequential,
    "a Sequential had no InputLayer": _add_input,
    "groups = 1 was dropped from layers that have no groups": _drop_groups,
    "value_range was dropped from augmentation, which does nothing here": _drop_value_range,
    "layers of TensorFlow 1 were renamed": _rename,
    "dtype policies were written as their names": _simplify_policy,
    "operations were given their modules": _locate,
    "the ... of an index was written out": _spell_out,
}


def _write_hdf5(path: Path, config: _Config) -> None:
    import h5py

    with h5py.File(path, "r+") as file:
        file.attrs["model_config"] = json.dumps(config)


def _write_archive(path: Path, config: _Config) -> None:
    whole = path.with_suffix(".repaired")
    with zipfile.ZipFile(path) as read, zipfile.ZipFile(whole, "w") as write:
        write.writestr("config.json", json.dumps(config))
        for name in read.namelist():
            if name != "config.json":
                with read.open(name) as member, write.open(name, "w", force_zip64=True) as copy:
                    shutil.copyfileobj(member, copy)
    whole.replace(path)


_WRITERS: dict[str, Callable[[Path, _Config], None]] = {"hdf5": _write_hdf5, "keras": _write_archive}
