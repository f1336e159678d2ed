"""Owns reading the query of a request by its schema; one that was read a moment ago is not read again."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Request
from marshmallow import Schema, ValidationError

_KEPT = 256
_LONGEST = 512
_SEVERAL = "it is there several times; send it once."


def single_values(request: Request) -> dict[str, str]:
    """Return the query of a request as it came; raises marshmallow's ValidationError where a name is there twice."""
    several = {name: [_SEVERAL] for name, values in request.args.lists() if len(values) > 1}
    if several:
        raise ValidationError(several)
    return request.args.to_dict()


class Query:
    """A query's schema, and what the queries seen lately say by it."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._read: dict[bytes, Mapping[str, Any]] = {}

    def of(self, request: Request) -> Mapping[str, Any]:
        """Return what the query of a request says; raises marshmallow's ValidationError."""
        text = request.query_string
        found = self._read.get(text)
        if found is None:
            found = MappingProxyType(self._schema.load(single_values(request)))
            if len(text) <= _LONGEST:
                self._keep(text, found)
        return found

    def _keep(self, text: bytes, found: Mapping[str, Any]) -> None:
        if len(self._read) >= _KEPT:
            self._read.clear()
        self._read[text] = found
