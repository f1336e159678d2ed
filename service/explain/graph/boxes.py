"""Owns the boxes of a drawing and what is written in them: rows of one layer each, put together where shapes stay."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

from service.explain.graph import words
from service.explain.graph.kinds import Kind, kind_of
from service.explain.graph.text import width_of
from service.model.layers import Layer
from service.model.stack import NO_LAYERS, shapes_in

LARGE, SMALL = 13.0, 11.0
"""Sizes of letters in pixels."""
PAD, APART = 10.0, 14.0
NARROWEST, WIDEST = 120.0, 290.0
Key = tuple[str, str]
"""What a box stands for: ("layer", name), ("model", path), ("output", name) or ("note", text)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One layer, closed model or output in a box: lines of (left, right), the first one bold on its left.

    `link` names the nested model that a click opens.
    """

    key: Key
    kind: Kind
    lines: tuple[tuple[str, str], ...]
    title: str
    link: str | None = None

    @property
    def height(self) -> float:
        """Return its height in pixels."""
        return 9.0 + 16.0 * len(self.lines)

    @property
    def width(self) -> float:
        """Return the pixels that its text takes unshortened."""
        return max(_line_width(*line, is_first=at == 0) for at, line in enumerate(self.lines)) + 2 * PAD


@dataclass(frozen=True, slots=True)
class Box:
    """Rows that stand on top of each other; a box is named by its first one."""

    rows: tuple[Row, ...]

    @property
    def key(self) -> Key:
        """Return the key of the first row."""
        return self.rows[0].key

    @property
    def height(self) -> float:
        """Return its height in pixels."""
        return sum(one.height for one in self.rows)


def common_width(boxes: Sequence[Box]) -> float:
    """Return the width all boxes get, in pixels: what the widest text needs, within bounds."""
    widest = max((row.width for box in boxes for row in box.rows), default=NARROWEST)
    return min(max(ceil(widest), NARROWEST), WIDEST)


def layer_row(layer: Layer, *, within: str = "") -> Row:
    """Return the row of a layer: type and window, name and parameters; one line where that is all there is.

    `within` is the path of the open model that holds it, which its name is shown without.
    """
    name = layer.name[len(within) + 1 :] if within else layer.name
    kind, weights, about = kind_of(layer), words.parameters(layer.parameters), words.details(layer)
    alone = f"{layer.type} {about}".rstrip() if kind == "activation" else layer.type
    short = Row(("layer", layer.name), kind, ((alone, name),), words.title(layer))
    has_more = weights or (alone == layer.type and about)
    if not has_more and short.width <= WIDEST:
        return short
    return replace(short, lines=((layer.type, about), (name, weights)))


def model_row(path: str, layers: Sequence[Layer]) -> Row:
    """Return the row of a closed nested model: how many layers, parameters, what goes in and comes out."""
    name = path.rpartition("/")[2]
    size = f"{len(layers):,} layers"
    weights = words.parameters(sum(one.parameters for one in layers))
    taken = [shape for one in layers if one.type == "InputLayer" for shape in shapes_in(one.output_shape)]
    given = [shape for one in _last(layers) for shape in shapes_in(one.output_shape)]
    way = f"{words.shapes(taken)} → {words.shapes(given)}"
    lines = ((name, "+ open"), (size, weights), (way, ""))
    title = f"{path}: nested model, {size}, {weights or 'no parameters'}, {way}; follow the link to open it"
    return Row(("model", path), "model", lines, title, link=path)


def output_row(name: str) -> Row:
    """Return the row of an output of the model."""
    return Row(("output", name), "output", (("output", name),), f"output {name}")


def input_row(name: str) -> Row:
    """Return the row of an input of a model whose layers are not known."""
    return Row(("input", name), "input", (("input", name),), f"input {name}")


def unknown_row() -> Row:
    """Return the row that stands in place of layers that are not known."""
    return Row(("note", NO_LAYERS), "other", (("layers not in the file", ""),), NO_LAYERS)


def _last(layers: Sequence[Layer]) -> list[Layer]:
    feeding = {name for one in layers for name in one.inbound}
    return [one for one in layers if one.name not in feeding]


def _line_width(left: str, right: str, *, is_first: bool) -> float:
    apart = APART if left and right else 0.0
    return width_of(left, LARGE if is_first else SMALL, is_bold=is_first) + apart + width_of(right, SMALL)
