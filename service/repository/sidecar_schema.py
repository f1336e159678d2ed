"""Owns the tables of a `model.toml`: their keys, and what each of them may be."""

from typing import Any

from marshmallow import Schema, ValidationError, fields, post_load, validate

from service.model.head import HEADS
from service.model.sidecar import Newest, OutputSettings, Sidecar, VersionPolicy
from service.repository.preprocessing_schema import PreprocessingSchema
from service.repository.strict_schema import StrictSchema


class _OutputSchema(StrictSchema):
    head = fields.String(validate=validate.OneOf(HEADS))
    threshold = fields.Float(validate=validate.Range(0, 1))

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> OutputSettings:
        return OutputSettings(**data)


class _NewestSchema(StrictSchema):
    latest = fields.Integer(strict=True, validate=validate.Range(1))

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> Newest:
        return Newest(data["latest"])


class _Serve(fields.Field[Any]):
    """Which versions are served: a word, a table, or a list of versions."""

    def _deserialize(self, value: Any, attr: Any, data: Any, **_: Any) -> Any:
        if value in ("latest", "all"):
            return value
        if isinstance(value, dict) and value:
            return _NewestSchema().load(value)
        if isinstance(value, list) and value and all(type(one) is int and one > 0 for one in value):
            return tuple(value)
        raise ValidationError('must be "latest", "all", { latest = 2 }, or a list of versions such as [3, 4].')


def _check_label(name: str) -> None:
    if name == "latest" or name.isdigit():
        raise ValidationError("an address with this means a version already; a label is a word such as stable.")


class _VersionsSchema(StrictSchema):
    serve = _Serve()
    labels = fields.Dict(
        keys=fields.String(validate=_check_label), values=fields.Integer(strict=True, validate=validate.Range(1))
    )

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> VersionPolicy:
        return VersionPolicy(**data)


class _ByName(fields.Field[dict[str, Any]]):
    """A table of settings that may also hold one table per input or output name; "" is for all of them.

    An output may well be called `head`: a table is that of a name, unless it is a setting that may be one (`tables`).
    """

    def __init__(self, schema: type[StrictSchema], *, tables: tuple[str, ...] = ()) -> None:
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


class SidecarSchema(StrictSchema):
    """The keys of a `model.toml`; loads as a `Sidecar`."""

    description = fields.String()
    labels = fields.List(fields.String(), validate=validate.Length(min=1))
    preprocessing = _ByName(PreprocessingSchema, tables=("scale",))
    output = _ByName(_OutputSchema)
    versions = fields.Nested(_VersionsSchema)
    provenance = fields.Dict(keys=fields.String())

    @post_load
    def _values(self, data: dict[str, Any], **_: Any) -> Sidecar:
        return Sidecar(
            description=data.get("description"),
            labels=tuple(data["labels"]) if "labels" in data else None,
            labels_file=data.get("labels_file"),
            preprocessing=data.get("preprocessing", {}),
            outputs=data.get("output", {}),
            versions=data.get("versions", VersionPolicy()),
            provenance=data.get("provenance", {}),
        )


class ReadSchema(SidecarSchema):
    """What `read_sidecar` gives: the keys of a `model.toml`, and the one that it adds."""

    labels_file = fields.String()
