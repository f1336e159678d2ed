"""Owns `GET …/layers/{layer}/units/{index}`: where one number that a layer gives looks."""

from typing import Any

from flask import Blueprint, Response, request

from service.api.queries import UnitQuery
from service.api.read_query import single_values
from service.api.render import json_response
from service.api.wanted import PREFIXES, wanted_version
from service.errors import UnknownUnitError
from service.model.card import ModelCard
from service.model.insight import LayerTap
from service.model.regions import Unit, unit_of
from service.serving.registry import Registry

_QUERY = UnitQuery()
_LONGEST = 64


def blueprint(registry: Registry) -> Blueprint:
    """Return the routes of units."""
    api = Blueprint("units", __name__, url_prefix="/api/models")

    def unit(name: str, layer: str, index: str, version: str = "latest") -> Response:
        query = _QUERY.load(single_values(request))
        card = registry.get(name, wanted_version(version)).card
        found = unit_of(card, LayerTap(layer, query["call"], query["part"]), _number(index), size=query["size"])
        return json_response(unit_body(card, found))

    for prefix in PREFIXES:
        # A layer of a nested model has its path for a name.
        api.add_url_rule(f"{prefix}/layers/<path:layer>/units/<index>", view_func=unit)
    return api


def _number(index: str) -> int:
    if index.isascii() and index.isdigit() and len(index) <= _LONGEST:
        return int(index)
    raise UnknownUnitError(f"{index[:_LONGEST]!r} is no index of a unit; send a whole number from 0, as …/units/0.")


def unit_body(card: ModelCard, unit: Unit) -> dict[str, Any]:
    """Return where a unit looks; `regions` is there where several inputs can influence it."""
    first = unit.regions[0]
    regions = [{"input": one.input, **one.to_json()} for one in unit.regions]
    return {
        "model": {"name": card.name, "version": card.version},
        "layer": unit.layer,
        "index": unit.index,
        "map": unit.map,
        "row": unit.row,
        "column": unit.column,
        "channel": unit.channel,
        "region": first.to_json(),
        "input": first.input,
        **({"regions": regions} if len(regions) > 1 else {}),
    }
