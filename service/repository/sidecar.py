"""Owns reading what a user puts beside a model: `model.toml`, and the labels where it gives none.

`read_sidecar` gives plain data (what `live.json` carries to every worker); `parse_sidecar` turns it into values.
"""

import difflib
import tomllib
from collections.abc import Mapping
from datetime import date, time
from pathlib import Path
from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from service.errors import SidecarError
from service.model.head import HEADS
from service.model.recipe import COLORS, FITS, NAMED_SCALES, RECIPE_DEFAULTS, RESIZES, MeanStd
from service.model.sidecar import OutputSettings, Sidecar
from service.repository.labels import LabelFile, find_labels, read_labels, read_text
from service.repository.sources import Source

_LARGEST_INTEGER = 2**63
_LONGEST_SIDE = 4096


def read_sidecar(source: Source) -> dict[str, Any]:
    """Return the merged, checked content of a source's sidecars, the nearer one winning key by key.

    Labels kept in files are read in, with `labels_file` as the name of the file that gave them; a `model.toml` that
    gives labels wins over label files that it does not name. Raises SidecarError with what is wrong and in which file.
    """
    data = read_model_toml(source)
    found = None if "labels" in data else find_labels(source)
    return data | {"labels": list(found.labels), "labels_file": found.name} if found else data


def read_model_toml(source: Source) -> dict[str, Any]:
    """Return what `read_sidecar` does, but for label files that no `model.toml` names: what a policy rests on."""
    merged: dict[str, Any] = {}
    for path in source.sidecars:
        if path.is_file():
            merged = _merge(merged, _read_one(path))
    return merged


def parse_sidecar(data: Mapping[str, Any]) -> Sidecar:
    """Turn what `read_sidecar` gave into values; raises SidecarError naming the key and what it may be."""
    return _loaded(_ReadSchema(), data)


def _loaded(schema: "_SidecarSchema", data: Mapping[str, Any]) -> Sidecar:
    try:
        sidecar: Sidecar = schema.load(dict(data))
    except ValidationError as error:
        raise SidecarError("; ".join(_complaints(_as_mapping(error.messages)))) from error
    return sidecar


def _as_mapping(messages: Any) -> dict[str, Any]:
    return messages if isinstance(messages, dict) else {"_schema": messages}


def _read_one(path: Path) -> dict[str, Any]:
    text = read_text(path)
    try:
        data: dict[str, Any] = _plain(tomllib.loads(text))
    except (ValueError, RecursionError) as error:
        raise SidecarError(f"{path.name} is no TOML: {error}.") from error
    try:
        named = _named_labels(data.get("labels"), path.parent)
        said = data | {"labels": list(named.labels)} if named else data
        _loaded(_SidecarSchema(), said)
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


def _complaints(messages: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in messages.items():
        name = prefix if key == "_schema" else f"{prefix}.{key}".lstrip(".")
        if isinstance(value, Mapping):
            found += _complaints({str(one): text for one, text in value.items()}, name)
        else:
            found += [f"{name}: {text}" if name else str(text) for text in value]
    return found


class _StrictSchema(Schema):
    """A table in which an unknown key is an error that names the nearest known one."""

    def handle_error(self, error: ValidationError, data: Any, **_: Any) -> None:
        messages = error.messages
        if not isinstance(messages, dict):
            return
        for key in [key for key, text in messages.items() if text == ["Unknown field."]]:
            near = difflib.get_close_matches(str(key), list(self.fields), n=1, cutoff=0.5)
            known = ", ".join(sorted(self.fields))
            messages[key] = [f"unknown key; did you mean {near[0]!r}?" if near else f"unknown key; known: {known}."]


class _Size(fields.Field[tuple[int | None, int | None]]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> tuple[int | None, int | None]:
        if _is_pair(value):
            return (value[0], value[1])
        raise ValidationError(f"must be [height, width] in pixels, each from 1 to {_LONGEST_SIDE}.")


def _is_pair(value: Any) -> bool:
    return (
        isinstance(value, list)
        and len(value) == 2
        and all(type(one) is int and 0 < one <= _LONGEST_SIDE for one in value)
    )


class _Scale(fields.Field[Any]):
    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if isinstance(value, str) and value in NAMED_SCALES:
            return value
        if isinstance(value, dict) and set(value) == {"mean", "std"} and all(map(_is_numbers, value.values())):
            return _mean_std(value)
        named = ", ".join(repr(one) for one in NAMED_SCALES)
        raise ValidationError(f"must be one of {named}, or {{ mean = [..], std = [..] }} with numbers.")


def _is_numbers(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(type(one) in (int, float) for one in value)


def _mean_std(value: dict[str, list[float]]) -> MeanStd:
    mean, std = value["mean"], value["std"]
    if len(mean) != len(std) or not all(std):
        raise ValidationError("mean and std must have as many numbers each, and no std may be 0.")
    try:
        return MeanStd(tuple(map(float, mean)), tuple(map(float, std)))
    except OverflowError as error:
        raise ValidationError("mean and std must be numbers a float holds.") from error


class _PreprocessingSchema(_StrictSchema):
    recipe = fields.String(validate=validate.OneOf(list(RECIPE_DEFAULTS)))
    color = fields.String(validate=validate.OneOf(COLORS))
    size = _Size()
    resize = fields.String(validate=validate.OneOf(RESIZES))
    fit = fields.String(validate=validate.OneOf(FITS))
    scale = _Scale()
    invert = fields.Boolean(truthy={True}, falsy={False})
    exif = fields.Boolean(truthy={True}, falsy={False})

    @post_load
    def _with_implied(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        return {**RECIPE_DEFAULTS.get(data.get("recipe", ""), {}), **data}


class _OutputSchema(_StrictSchema):
    head = fields.String(validate=validate.OneOf(HEADS))
    threshold = fields.Float(validate=validate.Range(0, 1))

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> OutputSettings:
        return OutputSettings(**data)


class _VersionsSchema(_StrictSchema):
    serve = fields.Raw()
    labels = fields.Dict(keys=fields.String(), values=fields.Integer(strict=True, validate=validate.Range(1)))

    @post_load
    def _checked(self, data: dict[str, Any], **_: Any) -> dict[str, Any]:
        serve = data.get("serve", "latest")
        if serve in ("latest", "all"):
            return {**data, "serve": serve}
        if isinstance(serve, list) and serve and all(type(one) is int and one > 0 for one in serve):
            return {**data, "serve": tuple(serve)}
        raise ValidationError('must be "latest", "all", or a list of versions such as [3, 4].', "serve")


class _ByName(fields.Field[dict[str, Any]]):
    """A table of settings that may also hold one table per input or output name; "" is for all of them.

    An output may well be called `head`: a table is that of a name, unless it is a setting that may be one (`tables`).
    """

    def __init__(self, schema: type[_StrictSchema], *, tables: tuple[str, ...] = ()) -> None:
        super().__init__()
        self._schema = schema
        self._tables = tables

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise ValidationError("must be a table.")
        schema = self._schema()
        own = {key: one for key, one in value.items() if key in self._tables or not isinstance(one, dict)}
        named = {key: one for key, one in value.items() if key not in own}
        return {"": schema.load(own)} | {key: _load_named(schema, key, one) for key, one in named.items()}


def _load_named(schema: Schema, name: str, table: dict[str, Any]) -> Any:
    try:
        return schema.load(table)
    except ValidationError as error:
        raise ValidationError({name: error.messages}) from error


class _SidecarSchema(_StrictSchema):
    description = fields.String()
    labels = fields.List(fields.String(), validate=validate.Length(min=1))
    preprocessing = _ByName(_PreprocessingSchema, tables=("scale",))
    output = _ByName(_OutputSchema)
    versions = fields.Nested(_VersionsSchema)
    provenance = fields.Dict(keys=fields.String())

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> Sidecar:
        versions = data.get("versions", {})
        return Sidecar(
            description=data.get("description"),
            labels=tuple(data["labels"]) if "labels" in data else None,
            labels_file=data.get("labels_file"),
            preprocessing=data.get("preprocessing", {}),
            outputs=data.get("output", {}),
            serve=versions.get("serve", "latest"),
            version_labels=versions.get("labels", {}),
            provenance=data.get("provenance", {}),
        )


class _ReadSchema(_SidecarSchema):
    """What `read_sidecar` gives: the keys of a `model.toml`, and the one that it adds."""

    labels_file = fields.String()
