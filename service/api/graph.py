"""Owns `GET …/graph.svg`: the drawn stack, drawn once for as long as it is asked for."""

from functools import lru_cache

from flask import Blueprint, Response, request

from service.api.headers import POLICY
from service.api.queries import GraphQuery
from service.api.wanted import PREFIXES, wanted_version
from service.errors import MisfitError
from service.explain.graph import STYLE_SOURCE, Graph, draw
from service.model.card import ModelCard
from service.serving.registry import Registry

SVG = "image/svg+xml"
_QUERY = GraphQuery()
_HEADERS = {"Content-Security-Policy": f"{POLICY}; style-src {STYLE_SOURCE}", "Cache-Control": "no-cache"}
"""The one style sheet of drawings is let in by its hash; a cache asks each time whether the model is still the same."""
_KEPT = 16


def blueprint(registry: Registry) -> Blueprint:
    """Return the routes of drawings."""
    api = Blueprint("graph", __name__, url_prefix="/api/models")
    drawn = lru_cache(maxsize=_KEPT)(_drawn)

    def drawing(name: str, version: str = "latest") -> Response:
        query = _QUERY.load(dict(request.args.lists()))
        graph = graph_of(registry.get(name, wanted_version(version)).card)
        _check_known(graph, query["open"])
        response = Response(drawn(graph, graph.opened(query["open"])), mimetype=SVG, headers=_HEADERS)
        response.add_etag()
        response.make_conditional(request)
        return response

    for prefix in PREFIXES:
        api.add_url_rule(f"{prefix}/graph.svg", view_func=drawing)
    return api


def graph_of(card: ModelCard) -> Graph:
    """Return what the drawing of a model shows."""
    return Graph(
        title=f"{card.name} {card.version}",
        layers=card.facts.layers,
        inputs=tuple(one.spec for one in card.inputs),
        outputs=tuple(one.spec for one in card.outputs),
    )


def _drawn(graph: Graph, opened: frozenset[str]) -> bytes:
    return draw(graph, opened=opened).encode()


def _check_known(graph: Graph, asked: list[str]) -> None:
    unknown = graph.unknown(asked)
    if unknown and not graph.nested:
        raise MisfitError("This model has no nested models that could be opened; leave `open` out.")
    if unknown:
        raise MisfitError(
            f"This model has no nested model {unknown[0][:200]!r}; it has {', '.join(graph.nested)}. Send one of them "
            "as `open`, several times for several, or `open=all`."
        )
