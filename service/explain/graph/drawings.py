"""Owns which box stands in which drawing: each open nested model is a drawing of its own inside another one."""

from dataclasses import dataclass, field

from service.explain.graph.boxes import Box, Key
from service.explain.graph.scene import Arrow, Scene

Gate = tuple[str, Key]
"""Where arrows pass the frame of a drawing: ("in", the box they lead to) or ("out", the box they come from)."""
Part = Box | str | Gate
"""What stands in a drawing: a box, an open model by its path, or a gate."""


@dataclass(slots=True)
class Drawing:
    """One drawing: its parts in order, and the parts that arrows go between."""

    path: str
    parts: dict[Part, None] = field(default_factory=dict)
    arrows: list[tuple[Part, Part, Arrow]] = field(default_factory=list)

    def add(self, source: Part, target: Part, arrow: Arrow) -> None:
        """Add what an arrow has in this drawing."""
        self.parts.setdefault(source)
        self.parts.setdefault(target)
        self.arrows.append((source, target, arrow))


def is_gate(part: Part, side: str) -> bool:
    """Return whether a part is a gate of this side, "in" or "out"."""
    return isinstance(part, tuple) and part[0] == side


def drawings_of(scene: Scene) -> dict[str, Drawing]:
    """Return the drawings of a scene by the path of their model; the outer one's is empty."""
    boxes = {box.key: box for box in scene.boxes}
    drawings = {path: Drawing(path) for levels in scene.levels.values() for path in levels}
    for box in scene.boxes:
        levels = scene.levels[box.key]
        parts: list[Part] = [*levels[1:], box]
        for level, part in zip(levels, parts, strict=True):
            drawings[level].parts[part] = None
    for arrow in scene.arrows:
        _share(arrow, scene, boxes, drawings)
    return drawings


def _share(arrow: Arrow, scene: Scene, boxes: dict[Key, Box], drawings: dict[str, Drawing]) -> None:
    """Give an arrow to each drawing it goes through: out of frames, across, and into others."""
    out, into = scene.levels[arrow.source], scene.levels[arrow.target]
    common = sum(one == other for one, other in zip(out, into, strict=False))
    sources: list[Part] = [*out[common:], boxes[arrow.source]]
    targets: list[Part] = [*into[common:], boxes[arrow.target]]
    for level, source in zip(reversed(out[common:]), reversed(sources[1:]), strict=True):
        drawings[level].add(source, ("out", arrow.source), arrow)
    drawings[out[common - 1]].add(sources[0], targets[0], arrow)
    for level, target in zip(into[common:], targets[1:], strict=True):
        drawings[level].add(("in", arrow.target), target, arrow)
