"""Owns the text of a drawing: SVG without scripts, fonts or references to elsewhere, the same for the same model."""

from collections.abc import Iterable, Iterator, Sequence
from urllib.parse import urlencode

from service.explain.graph.boxes import APART, LARGE, PAD, SMALL, Row
from service.explain.graph.layered import Point, Wire
from service.explain.graph.placing import BAND, CLOSE, Frame, Label, Picture, Placed
from service.explain.graph.style import STYLE
from service.explain.graph.text import escaped, shortened, width_of

_MARGIN = 16.0
_LINE = 16.0
_STACKED, _CORNER = 2.0, 5.0
_ROUND = ("input", "output")
_TIP_WIDTH, _TIP_HEIGHT = 4.0, 8.0


def svg(picture: Picture, *, title: str, description: str, opened: Sequence[str]) -> str:
    """Return the SVG of a picture; `opened` are the paths of the open models, which links open and close."""
    return "".join(_Writer(opened).parts(picture, title, description))


class _Writer:
    def __init__(self, opened: Sequence[str]) -> None:
        self._opened = opened

    def parts(self, picture: Picture, title: str, description: str) -> Iterator[str]:
        width, height = picture.width + 2 * _MARGIN, picture.height + 2 * _MARGIN
        box = " ".join(map(_number, (-_MARGIN, -_MARGIN, width, height)))
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" class="layer-graph" role="graphics-document" viewBox="{box}" '
            f'width="{_number(width)}" height="{_number(height)}"><title>{escaped(title)}</title>'
            f"<desc>{escaped(description)}</desc><style>{STYLE}</style>"
        )
        yield _rect(-_MARGIN, -_MARGIN, width, height, 0, "ground")
        yield from map(_wire, picture.wires)
        yield from map(self._frame, picture.frames)
        yield from map(_label, picture.labels)
        yield from map(self._box, picture.boxes)
        yield "</svg>\n"

    def _frame(self, frame: Frame) -> str:
        x, y = frame.corner.x, frame.corner.y
        room = frame.width - width_of(CLOSE, SMALL) - 2 * PAD - APART
        name = shortened(frame.path.rpartition("/")[2], room, LARGE, is_bold=True)
        close = self._address([one for one in self._opened if one != frame.path and not _is_in(one, frame.path)])
        return (
            f'<g class="frame" data-model="{escaped(frame.path)}"><title>{escaped(frame.path)}: nested model</title>'
            f"{_rect(x, y, frame.width, frame.height, 8, 'edge')}"
            f"{_rect(x + 4, y + 4, width_of(name, LARGE, is_bold=True) + 2 * PAD - 8, BAND - 8, 4, 'veil')}"
            f"{_text(x + PAD, y + 19, name, 'type')}"
            f'<a href="{close}" data-close="{escaped(frame.path)}" aria-label="close {escaped(frame.path)}">'
            f"{_text(x + frame.width - PAD, y + 18, CLOSE, 'open right')}</a></g>"
        )

    def _box(self, placed: Placed) -> str:
        rows, top = [], placed.corner.y
        for row in placed.box.rows:
            radius = _STACKED if len(placed.box.rows) > 1 else row.height / 2 if row.kind in _ROUND else _CORNER
            rows.append(self._row(row, Point(placed.corner.x, top), placed.width, radius))
            top += row.height
        return "".join(rows)

    def _row(self, row: Row, corner: Point, width: float, radius: float) -> str:
        name = escaped(row.key[1])
        inside = "".join((_row_rect(row, corner, width, radius), *_lines(row, corner, width)))
        title = f"<title>{escaped(row.title)}</title>"
        if row.link is not None:
            address = self._address([*self._opened, row.link])
            link = f'<a href="{address}" data-open="{name}" aria-label="open {escaped(row.title)}">{inside}</a>'
            return f'<g class="row model" data-model="{name}">{title}{link}</g>'
        data = f' data-layer="{name}" tabindex="0"' if row.key[0] == "layer" else ""
        return f'<g class="row {row.kind}" role="graphics-symbol"{data}>{title}{inside}</g>'

    def _address(self, opened: Iterable[str]) -> str:
        return escaped(f"?{urlencode([('open', one) for one in dict.fromkeys(opened)], errors='replace')}")


def _is_in(path: str, model: str) -> bool:
    return path.startswith(f"{model}/")


def _row_rect(row: Row, corner: Point, width: float, radius: float) -> str:
    behind = _rect(corner.x + 4, corner.y + 4, width, row.height, radius) if row.link is not None else ""
    return behind + _rect(corner.x, corner.y, width, row.height, radius)


def _lines(row: Row, corner: Point, width: float) -> Iterator[str]:
    room = width - 2 * PAD
    for at, (left, right) in enumerate(row.lines):
        size, style = (LARGE, "type") if at == 0 else (SMALL, "name")
        y = corner.y + _LINE * (at + 1) + 1
        wide = width_of(right, SMALL) + APART if right else 0.0
        left = shortened(left, room - min(wide, room / 2), size, is_bold=at == 0)
        rest = room - width_of(left, size, is_bold=at == 0) - APART
        yield _text(corner.x + PAD, y, left, style)
        if right:
            shown = "less right" if row.link is None or at else "open right"
            yield _text(corner.x + width - PAD, y, shortened(right, rest, SMALL), shown)


def _label(label: Label) -> str:
    x, y = label.middle.x, label.middle.y
    title = f"<title>{escaped(label.whole)}</title>" if label.whole != label.text else ""
    ground = _rect(x - label.width / 2, y - 9.4, label.width, 18.4, 4, "veil")
    return f'<g class="shape">{title}{ground}{_text(x, y + 4, label.text)}</g>'


def _wire(wire: Wire) -> str:
    style = "wire back" if wire.is_back else "wire"
    return f'<path class="{style}" d="{_way(wire)}"/>' + "".join(_tip(one, wire.is_back) for one in wire.tips)


def _way(wire: Wire) -> str:
    parts, at = [], None
    for start, end in wire.lines:
        parts += [] if start == at else [f"M{_number(start.x)} {_number(start.y)}"]
        parts.append(_line(start, end))
        at = end
    return "".join(parts)


def _line(start: Point, end: Point) -> str:
    if abs(start.x - end.x) < 0.05:
        return f"V{_number(end.y)}"
    middle = _number((start.y + end.y) / 2)
    return f"C{_number(start.x)} {middle} {_number(end.x)} {middle} {_number(end.x)} {_number(end.y)}"


def _tip(tip: Point, is_back: bool) -> str:  # noqa: FBT001 - what a tip is
    height = -_TIP_HEIGHT if is_back else _TIP_HEIGHT
    corners = f"l{_number(-_TIP_WIDTH)} {_number(-height)}h{_number(2 * _TIP_WIDTH)}z"
    return f'<path class="tip" d="M{_number(tip.x)} {_number(tip.y)}{corners}"/>'


def _rect(x: float, y: float, width: float, height: float, radius: float, style: str = "") -> str:
    sides = zip(("x", "y", "width", "height", "rx"), (x, y, width, height, radius), strict=True)
    return "<rect " + " ".join(f'{name}="{_number(side)}"' for name, side in sides) + f"{_class(style)}/>"


def _text(x: float, y: float, text: str, style: str = "") -> str:
    return f'<text x="{_number(x)}" y="{_number(y)}"{_class(style)}>{escaped(text)}</text>'


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""


def _number(value: float) -> str:
    return f"{round(value, 1):g}" if abs(value) < 1e5 else f"{value:.1f}"
