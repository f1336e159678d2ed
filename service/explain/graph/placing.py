"""Owns where everything in a drawing stands: boxes, the frames of open models in each other, wires and their labels."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from service.explain.graph import words
from service.explain.graph.boxes import LARGE, PAD, SMALL, Box, Key, common_width
from service.explain.graph.drawings import Drawing, Part, drawings_of, is_gate
from service.explain.graph.layered import Layout, Node, Point, Wire, layered
from service.explain.graph.ranks import Link
from service.explain.graph.scene import Arrow, Scene
from service.explain.graph.text import shortened, width_of

BAND = 28.0
"""Height of the band at the top of a frame, which has the name of the model."""
CLOSE = "− close"
_GATE = 72.0
"""Width of the way through the edge of a frame: that of most labels."""
_WITHIN = 16.0


@dataclass(frozen=True, slots=True)
class Placed:
    """A box with its left upper corner and its size in pixels."""

    box: Box
    corner: Point
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Frame:
    """The frame of an open nested model."""

    path: str
    corner: Point
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Label:
    """The shapes on a wire: shortened text, the whole of it, and the middle of where it stands."""

    text: str
    whole: str
    middle: Point
    width: float


@dataclass(slots=True)
class Picture:
    """Everything with its place, in pixels; frames from the outside inwards."""

    width: float = 0.0
    height: float = 0.0
    boxes: list[Placed] = field(default_factory=list)
    frames: list[Frame] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    labels: list[Label] = field(default_factory=list)


def placed(scene: Scene) -> Picture:
    """Return the picture of a scene."""
    drawings = drawings_of(scene)
    width = common_width(scene.boxes)
    sketches: dict[str, _Sketch] = {}
    for path in sorted(drawings, key=lambda one: -one.count("/") if one else 1):
        sketches[path] = _Sketch(drawings[path], sketches, width)
    picture = Picture(sketches[""].layout.width, sketches[""].layout.height)
    sketches[""].put(picture, Point(0.0, 0.0))
    return picture


# ------------------------------------------------------------------------------------------------------- one drawing


class _Sketch:
    """One drawing laid out, its left upper corner at 0, 0; `inner` has those of the frames in it."""

    def __init__(self, drawing: Drawing, inner: dict[str, "_Sketch"], width: float) -> None:
        self._path = drawing.path
        self._parts = list(drawing.parts)
        self._inner = inner
        self._drawing = drawing
        self._width = width
        numbers = {part: at for at, part in enumerate(self._parts)}
        self._labelled = {source for source, target, _ in drawing.arrows if _is_labelled(source, target)}
        links = [
            Link(numbers[source], numbers[target], *_doors(source, target, arrow))
            for source, target, arrow in drawing.arrows
        ]
        self.layout: Layout = layered([self._node(one) for one in self._parts], list(dict.fromkeys(links)))
        self._starts = {(wire.source, wire.exit): wire.start for wire in self.layout.wires if not wire.is_back}

    @property
    def frame_size(self) -> tuple[float, float]:
        """Return the width and height of the frame around it."""
        name = self._path.rpartition("/")[2]
        head = width_of(name, LARGE, is_bold=True) + width_of(CLOSE, SMALL) + 4 * PAD
        has_gates = any(is_gate(one, "out") for one in self._parts)
        width = max(2 * max(self._axis, self.layout.width - self._axis) + 2 * _WITHIN, min(head, 2 * self._width))
        return width, BAND + self.layout.height + (0.0 if has_gates else _WITHIN)

    @property
    def inset(self) -> float:
        """Return how far from the left of its frame the drawing begins."""
        return self.frame_size[0] / 2 - self._axis

    @property
    def _axis(self) -> float:
        """Return what is to be in the middle of the frame: the one place where wires come in, or the middle."""
        gates = [at.x for part, at in zip(self._parts, self.layout.corners, strict=True) if is_gate(part, "in")]
        return gates[0] + _GATE / 2 if len(gates) == 1 else self.layout.width / 2

    def gates(self, side: str) -> dict[Hashable, float]:
        """Return how far from the left of its frame each gate of a side is."""
        found = [(one[1], at) for at, one in enumerate(self._parts) if isinstance(one, tuple) and one[0] == side]
        return {key: self.inset + self.layout.corners[at].x + _GATE / 2 for key, at in found}

    def _node(self, part: Part) -> Node:
        if isinstance(part, Box):
            return Node(self._width, part.height, is_labelled=part in self._labelled)
        if isinstance(part, tuple):
            return Node(_GATE, 0.0, is_labelled=False, is_last=part[0] == "out", has_head=False)
        sketch = self._inner[part]
        width, height = sketch.frame_size
        return Node(
            width,
            height,
            exits=sketch.gates("out"),
            entries=sketch.gates("in"),
            is_labelled=part in self._labelled,
            has_head=False,
        )

    def put(self, picture: Picture, corner: Point) -> None:
        """Add everything to a picture, with `corner` as the left upper one."""
        for part, at in zip(self._parts, self.layout.corners, strict=True):
            place = Point(corner.x + at.x, corner.y + at.y)
            if isinstance(part, Box):
                picture.boxes.append(Placed(part, place, self._width, part.height))
            elif is_gate(part, "in"):
                picture.wires.append(_through_band(Point(place.x + _GATE / 2, place.y)))
            elif isinstance(part, str):
                self._put_frame(picture, part, place)
        picture.wires += [_moved(one, corner) for one in self.layout.wires]
        picture.labels += self._labels(corner)

    def _put_frame(self, picture: Picture, path: str, place: Point) -> None:
        sketch = self._inner[path]
        width, height = sketch.frame_size
        picture.frames.append(Frame(path, place, width, height))
        sketch.put(picture, Point(place.x + sketch.inset, place.y + BAND))

    def _labels(self, corner: Point) -> Iterable[Label]:
        """Yield the label of each wire that leaves a box or a frame: the shapes on its arrows."""
        over: dict[tuple[int, object], list[Arrow]] = {}
        numbers = {part: at for at, part in enumerate(self._parts)}
        for source, target, arrow in self._drawing.arrows:
            if _is_labelled(source, target):
                over.setdefault((numbers[source], _doors(source, target, arrow)[0]), []).append(arrow)
        for key, arrows in over.items():
            if key in self._starts:
                yield self._label(self._starts[key], arrows, corner)

    def _label(self, start: Point, arrows: Sequence[Arrow], corner: Point) -> Label:
        whole = words.shapes([shape for one in arrows for shape in one.shapes])
        text = shortened(whole, self._width - 6 * PAD, SMALL)
        middle = Point(corner.x + start.x, corner.y + start.y + 10.0)
        return Label(text, whole, middle, width_of(text, SMALL) + 8.0)


def _doors(source: Part, target: Part, arrow: Arrow) -> tuple[Key | None, Key | None]:
    """Return the exit and the entry an arrow takes: of a frame, those of the box inside."""
    return arrow.source if isinstance(source, str) else None, arrow.target if isinstance(target, str) else None


def _is_labelled(source: Part, target: Part) -> bool:
    """Return whether shapes are written where an arrow leaves: once, at the box or at the outermost frame around it."""
    return not isinstance(source, tuple) and not isinstance(target, tuple)


def _through_band(gate: Point) -> Wire:
    """Return the piece of a wire that leads through the band of a frame to the gate under it."""
    start = Point(gate.x, gate.y - BAND)
    return Wire(-1, None, start, ((start, gate),), ())


def _moved(wire: Wire, by: Point) -> Wire:
    def moved(one: Point) -> Point:
        return Point(one.x + by.x, one.y + by.y)

    lines = tuple((moved(one), moved(other)) for one, other in wire.lines)
    return replace(wire, start=moved(wire.start), lines=lines, tips=tuple(map(moved, wire.tips)))
