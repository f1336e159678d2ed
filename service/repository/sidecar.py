"""Owns reading what a user puts beside a model: `model.toml`, and other files for what it does not say.

`read_sidecar` gives plain data (what `live.json` carries to every worker); `parse_sidecar` turns it into values.
"""

import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from marshmallow import ValidationError

from service.errors import SidecarError
from service.model.sidecar import Sidecar
from service.repository.beside import read_text
from service.repository.hugging_face import PREPROCESSOR_CONFIG, RECIPE, find_preprocessor
from service.repository.labels import LabelFile, find_labels, read_labels
from service.repository.sidecar_schema import ReadSchema, SidecarSchema
from service.repository.sources import Source
from service.repository.strict_schema import complaints

_LARGEST_INTEGER = 2**63


def read_sidecar(source: Source) -> dict[str, Any]:
    """Return the merged, checked content of a source's sidecars, the nearer one winning key by key.

    Labels kept in files are read in, with `labels_file` as the name of the file that gave them; a `model.toml` that
    gives labels wins over label files that it does not name, and over a `preprocessor_config.json` key by key. Raises
    SidecarError with what is wrong and in which file.
    """
    data = _with_preprocessor(read_model_toml(source), source)
    found = None if "labels" in data else find_labels(source)
    return data | {"labels": list(found.labels), "labels_file": found.name} if found else data


def read_model_toml(source: Source) -> dict[str, Any]:
    """Return what `read_sidecar` does, but for files that no `model.toml` names: what a policy rests on."""
    merged: dict[str, Any] = {}
    for path in source.sidecars:
        if path.is_file():
            merged = _merge(merged, _read_one(path))
    return merged


def _with_preprocessor(data: dict[str, Any], source: Source) -> dict[str, Any]:
    """Return `data` with the values of a `preprocessor_config.json` that it leaves open.

    Where a `model.toml` names another recipe the file is set aside whole, unread: its values belong to its own.
    """
    said = data.get("preprocessing", {})
    if said.get("recipe", RECIPE) != RECIPE:
        return data
    found = find_preprocessor(source)
    if not found:
        return data
    try:
        _loaded(SidecarSchema(), {"preprocessing": found})
    except SidecarError as error:
        raise SidecarError(f"{PREPROCESSOR_CONFIG}: {error.message}") from error
    return data | {"preprocessing": _merge(found, said)}


def parse_sidecar(data: Mapping[str, Any]) -> Sidecar:
    """Turn what `read_sidecar` gave into values; raises SidecarError naming the key and what it may be."""
    return _loaded(ReadSchema(), data)


def _loaded(schema: SidecarSchema, data: Mapping[str, Any]) -> Sidecar:
    try:
        sidecar: Sidecar = schema.load(dict(data))
    except ValidationError as error:
        raise SidecarError("; ".join(complaints(error))) from error
    return sidecar


def _read_one(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        data: dict[str, Any] = _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise SidecarError(f"{path.name} is no TOML: {error}.") from error
    try:
        named = _named_labels(data.get("labels"), path.parent)
        said = data | {"labels": list(named.labels)} if named else data
        _loaded(SidecarSchema(), said)
    except SidecarError as error:
        raise SidecarError(f"{path.name}: {error.message}") from error
    return said | {"labels_file": named.name if named else path.name} if "labels" in said else said


def _plain(value: Any) -> Any:
    """Return TOML data as JSON has it: dates and times as ISO 8601 text, integers over 63 bits as text."""
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, int) and abs(value) >= _LARGEST_INTEGER:
        return str(value)
    return value.isoformat() if isinstance(value, (date, time)) else value


def _named_labels(name: Any, folder: Path) -> LabelFile | None:
    """Return the labels of the file that a `model.toml` in `folder` names, if it names one."""
    if not isinstance(name, str):
        return None
    path = folder / name
    if Path(name).name != name or not path.is_file():
        raise SidecarError(f"labels names {name!r}, and no file of that name lies beside it.")
    return read_labels(path)


def _merge(far: Mapping[str, Any], near: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(far)
    for key, value in near.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping) and key != "scale"
        merged[key] = _merge(merged[key], value) if both else value
    return merged
