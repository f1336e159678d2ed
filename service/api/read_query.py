"""Owns reading the query of a request by its schema; one that was read a moment ago is not read again."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from flask import Request
from marshmallow import Schema

_KEPT = 256
_LONGEST = 512


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
            found = MappingProxyType(self._schema.load(request.args.to_dict()))
            if len(text) <= _LONGEST:
                self._keep(text, found)
        return found

    def _keep(self, text: bytes, found: Mapping[str, Any]) -> None:
        if len(self._read) >= _KEPT:
            self._read.clear()
        self._read[text] = found
