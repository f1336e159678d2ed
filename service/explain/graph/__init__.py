"""Owns the drawn stack: layers in, the text of an SVG out, without Graphviz. Pure: no I/O, no framework."""

from service.explain.graph.drawing import Graph, draw
from service.explain.graph.style import STYLE_SOURCE

__all__ = ["STYLE_SOURCE", "Graph", "draw"]
