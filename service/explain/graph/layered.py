"""Owns the layout of one drawing without frames: nodes in ranks, and the ways of the wires between them.

Between two ranks there is first room for labels, which stand under their node, then for the bends, so that no wire
passes a node or a label that is not its own.
"""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from service.explain.graph.columns import columns, detours
from service.explain.graph.order import ordered
from service.explain.graph.ranks import Link, Ranking, Step, ranked
from service.explain.graph.spacing import places

LABEL = 20.0
_STEM, _HEAD = 6.0, 7.0
_LEAST_BEND, _MOST_BEND, _BEND = 14.0, 90.0, 0.14
_GAP, _LANE_GAP = 30.0, 18.0
_PORT_EDGE, _PORT_GAP = 14.0, 16.0


@dataclass(frozen=True, slots=True)
class Node:
    """Something with a size. `exits` and `entries` say how far from its left arrows of that name leave and arrive.

    An arrow without a name leaves in the middle and arrives where there is room. `is_labelled` asks for room for
    labels; `is_last` puts it in the lowest rank; `has_head` says whether arrows that arrive show it.
    """

    width: float
    height: float
    exits: Mapping[Hashable, float] = field(default_factory=dict)
    entries: Mapping[Hashable, float] = field(default_factory=dict)
    is_labelled: bool = True
    is_last: bool = False
    has_head: bool = True


@dataclass(frozen=True, slots=True)
class Point:
    """A place in pixels, from the left and from the top."""

    x: float
    y: float


@dataclass(frozen=True, slots=True)
class Wire:
    """What leaves a node (its place in the list of nodes) at one exit, down to all it feeds.

    `lines` are from a point above to one below, straight or bent; `tips` where arrows end; `start` is where it leaves.
    """

    source: int
    exit: Hashable
    start: Point
    lines: tuple[tuple[Point, Point], ...]
    tips: tuple[Point, ...]
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The left upper corner of each node, the wires, and the size of it all in pixels."""

    corners: tuple[Point, ...]
    wires: tuple[Wire, ...]
    width: float
    height: float


def layered(nodes: Sequence[Node], links: Sequence[Link]) -> Layout:
    """Return the layout of nodes with links between them."""
    ranking = ranked(len(nodes), links, last=[at for at, node in enumerate(nodes) if node.is_last])
    return _Layouter(nodes, ranking).layout()


class _Layouter:
    def __init__(self, nodes: Sequence[Node], ranking: Ranking) -> None:
        self._nodes = nodes
        self._ranking = ranking
        above, below = ranking.neighbours()
        self._ranks = ordered(ranking.ranks, above, below)
        straight = columns(self._ranks, above, below, lanes_from=ranking.nodes)
        aside = detours(above, below, lanes_from=ranking.nodes)
        self._xs = self._from_zero(places(self._ranks, below, straight, self._apart, aside=aside))
        self._starts = {(step.link, step.upper): self._start_x(step) for step in ranking.steps}
        self._ends = self._end_xs()
        self._tops, self._bottoms = self._heights()

    def layout(self) -> Layout:
        corners = [Point(self._xs[at] - one.width / 2, self._top(at)) for at, one in enumerate(self._nodes)]
        lefts, rights = zip(*(self._sides(point) for point in range(len(self._xs))), strict=True)
        return Layout(tuple(corners), tuple(self._wires()), max(rights) - min(lefts), self._bottoms[-1])

    def _apart(self, one: int, other: int) -> float:
        nodes = self._ranking.nodes
        gap = _GAP if one < nodes and other < nodes else _LANE_GAP
        return (self._width(one) + self._width(other)) / 2 + gap

    def _width(self, point: int) -> float:
        return self._nodes[point].width if point < self._ranking.nodes else 0.0

    def _sides(self, point: int) -> tuple[float, float]:
        half = self._width(point) / 2
        return self._xs[point] - half, self._xs[point] + half

    def _from_zero(self, xs: list[float]) -> list[float]:
        least = min(x - self._width(point) / 2 for point, x in enumerate(xs))
        return [round(x - least, 1) for x in xs]

    def _top(self, point: int) -> float:
        return self._tops[self._ranking.rank_of[point]]

    # ------------------------------------------------------------------------------------------ where wires meet nodes

    def _start_x(self, step: Step) -> float:
        if step.upper >= self._ranking.nodes:
            return self._xs[step.upper]
        node = self._nodes[step.upper]
        turned = max(node.width / 2 - _PORT_EDGE, 0.0) if step.link.is_back else 0.0
        return self._xs[step.upper] - node.width / 2 + node.exits.get(step.link.exit, node.width / 2 + turned)

    def _end_xs(self) -> dict[Step, float]:
        """Return where each step arrives: in the lane, at its entry, or spread over the top of the node."""
        found = {one: self._xs[one.lower] for one in self._ranking.steps}
        coming: dict[int, list[Step]] = {}
        for step in self._ranking.steps:
            if step.ends:
                coming.setdefault(step.lower, []).append(step)
        for point, steps in coming.items():
            found |= self._spread(point, steps)
        return found

    def _spread(self, point: int, steps: list[Step]) -> dict[Step, float]:
        node, left = self._nodes[point], self._xs[point] - self._nodes[point].width / 2
        if node.entries:
            return {one: left + node.entries.get(one.link.entry, node.width / 2) for one in steps}
        if len(steps) == 1:
            return {steps[0]: self._xs[point]}
        edge = min(_PORT_EDGE, node.width / 2)
        wanted = sorted(steps, key=lambda one: self._starts[one.link, one.upper])
        return dict(zip(wanted, self._fitted(wanted, left + edge, left + node.width - edge), strict=True))

    def _fitted(self, steps: list[Step], low: float, high: float) -> list[float]:
        """Return places between `low` and `high`, each as near as can be under where its wire comes from."""
        gap = min(_PORT_GAP, (high - low) / (len(steps) - 1))
        places: list[float] = []
        for at, step in enumerate(steps):
            least = places[-1] + gap if places else low
            most = high - gap * (len(steps) - 1 - at)
            places.append(min(max(self._starts[step.link, step.upper], least), most))
        return places

    # ----------------------------------------------------------------------------------------------------- from the top

    def _heights(self) -> tuple[list[float], list[float]]:
        """Return the top and the bottom of each rank."""
        tops, bottoms = [], []
        bends = self._bends()
        top = 0.0
        for rank, points in enumerate(self._ranks):
            nodes = [self._nodes[one] for one in points if one < self._ranking.nodes]
            bottom = top + max((one.height for one in nodes), default=0.0)
            tops.append(round(top, 1))
            bottoms.append(round(bottom, 1))
            top = bottom + self._band(rank) + bends[rank] + _HEAD
        return tops, bottoms

    def _band(self, rank: int) -> float:
        points = self._ranks[rank]
        is_labelled = any(one < self._ranking.nodes and self._nodes[one].is_labelled for one in points)
        return LABEL if is_labelled else _STEM

    def _bends(self) -> list[float]:
        """Return how much room the bends under each rank get: more where a wire goes far to the side."""
        aside = [0.0] * len(self._ranks)
        for step, end in self._ends.items():
            rank = self._ranking.rank_of[step.upper]
            aside[rank] = max(aside[rank], abs(end - self._starts[step.link, step.upper]))
        return [min(max(_LEAST_BEND, _BEND * one), _MOST_BEND) for one in aside]

    # ------------------------------------------------------------------------------------------------------------ wires

    def _wires(self) -> list[Wire]:
        grouped: dict[tuple[int, Hashable, bool], list[Step]] = {}
        for step in self._ranking.steps:
            link = step.link
            grouped.setdefault((link.source, link.exit, link.is_back), []).append(step)
        return [self._wire(*key, steps) for key, steps in grouped.items()]

    def _wire(self, source: int, exit_: Hashable, is_back: bool, steps: list[Step]) -> Wire:  # noqa: FBT001 - a key
        lines: dict[tuple[Point, Point], None] = {}
        for step in steps:
            for line in pairwise(self._way(step)):
                lines[line] = None
        shown = [self._tip(one) for one in steps if one.ends and self._nodes[one.lower].has_head]
        start = Point(self._starts[steps[0].link, source], self._bottom(source))
        return Wire(source, exit_, start, tuple(lines), (start,) if is_back else tuple(shown), is_back)

    def _way(self, step: Step) -> list[Point]:
        """Return the points a step goes through: down past its rank and the labels, then over, then down."""
        rank = self._ranking.rank_of[step.upper]
        x, end = self._starts[step.link, step.upper], self._ends[step]
        turn = Point(x, self._bottoms[rank] + self._band(rank))
        first = Point(x, self._bottom(step.upper))
        tip = self._tip(step)
        return [first, turn, Point(end, tip.y - _HEAD), tip]

    def _bottom(self, point: int) -> float:
        return self._top(point) + (self._nodes[point].height if point < self._ranking.nodes else 0.0)

    def _tip(self, step: Step) -> Point:
        return Point(self._ends[step], self._top(step.lower))
