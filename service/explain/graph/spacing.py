"""Owns where columns stand from left to right: near what they are joined with, and never too near to each other.

Each column is drawn to the mean of its neighbours, as by springs. Columns that touch and push against each other move
as one, by the mean of their pulls, until nothing moves.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from service.explain.graph.order import Neighbours, Ranks

Apart = Callable[[int, int], float]
"""How far the centres of two points that stand side by side are apart at least, in pixels."""
_ROUNDS = 60
_STILL = 0.5
_TOUCH = 0.01


def places(
    ranks: Ranks, below: Neighbours, columns: Sequence[int], apart: Apart, *, aside: frozenset[int]
) -> list[float]:
    """Return the centre of each point in pixels; `columns` has the column of each, points of `aside` pull at none."""
    springs = _Springs(ranks, columns, apart)
    springs.join(below, columns, aside)
    for round_ in range(_ROUNDS):
        if springs.move(is_from_left=round_ % 2 == 1) < _STILL:
            break
    return [springs.at[column] for column in columns]


class _Springs:
    """The columns with the gaps they must keep and what pulls at them."""

    def __init__(self, ranks: Ranks, columns: Sequence[int], apart: Apart) -> None:
        self._right: dict[int, dict[int, float]] = {one: {} for one in columns}
        self._left: dict[int, dict[int, float]] = {one: {} for one in columns}
        for row in ranks:
            for one, other in pairwise(row):
                left, right = columns[one], columns[other]
                gap = max(apart(one, other), self._right[left].get(right, 0.0))
                self._right[left][right] = self._left[right][left] = gap
        self._pulls: dict[int, list[int]] = {one: [] for one in columns}
        self._order = _from_left(self._left)
        lefts, rights = _packed(self._order, self._left), _packed(self._order[::-1], self._right)
        width = max(lefts.values())
        self.at = {one: (lefts[one] + width - rights[one]) / 2 for one in self._order}

    def join(self, below: Neighbours, columns: Sequence[int], aside: frozenset[int]) -> None:
        """Put a spring between neighbours of different columns."""
        for point, near in enumerate(below):
            for other in near:
                if columns[point] != columns[other]:
                    self._pull_at(point, other, columns, aside)
                    self._pull_at(other, point, columns, aside)

    def _pull_at(self, point: int, other: int, columns: Sequence[int], aside: frozenset[int]) -> None:
        if other not in aside or point in aside:
            self._pulls[columns[point]].append(columns[other])

    def move(self, *, is_from_left: bool) -> float:
        """Move each group of columns as far as it is pulled and has room; return the longest way any went."""
        groups = self._groups()
        farthest = 0.0
        for members in groups if is_from_left else groups[::-1]:
            moved = self._with_room(members, _Group(members, *self._pull(members)).mean)
            for one in members:
                self.at[one] += moved
            farthest = max(farthest, abs(moved))
        return farthest

    def _pull(self, members: Sequence[int]) -> tuple[float, int]:
        """Return how far others are from a group, all together, and how many they are."""
        total, count = 0.0, 0
        for one in members:
            others = self._pulls[one]
            total += sum(map(self.at.__getitem__, others)) - self.at[one] * len(others)
            count += len(others)
        return total, count

    def _with_room(self, members: Sequence[int], way: float) -> float:
        inside = set(members)
        sign = 1.0 if way > 0 else -1.0
        sides = self._right if way > 0 else self._left
        rooms = [
            sign * (self.at[other] - self.at[one]) - gap
            for one in members
            for other, gap in sides[one].items()
            if other not in inside
        ]
        return sign * max(0.0, min([abs(way), *rooms]))

    def _groups(self) -> list[list[int]]:
        """Return the columns in groups of those that touch and push against each other, from the left."""
        group = {one: _Group([one], *self._pull([one])) for one in self._order}
        touching = [
            (one, other)
            for one in self._order
            for other, gap in self._right[one].items()
            if self.at[other] - self.at[one] - gap < _TOUCH
        ]
        is_changed = True
        while is_changed:
            is_changed = False
            for one, other in touching:
                left, right = group[one], group[other]
                if left is not right and left.mean > right.mean:
                    joined = _Group(left.members + right.members, left.pull + right.pull, left.count + right.count)
                    group.update(dict.fromkeys(joined.members, joined))
                    is_changed = True
        return [one.members for one in {id(one): one for one in group.values()}.values()]


@dataclass(slots=True)
class _Group:
    """Columns that move as one, how far those are who pull at them, all together, and how many."""

    members: list[int]
    pull: float
    count: int

    @property
    def mean(self) -> float:
        return self.pull / self.count if self.count else 0.0


def _packed(order: Sequence[int], gaps: dict[int, dict[int, float]]) -> dict[int, float]:
    """Return how far from the first side each column is where all are as near to it as can be."""
    at: dict[int, float] = {}
    for one in order:
        at[one] = max((at[other] + gap for other, gap in gaps[one].items()), default=0.0)
    return at


def _from_left(left: dict[int, dict[int, float]]) -> list[int]:
    """Return the columns so that each comes after those to its left."""
    order: dict[int, None] = {}
    for start in left:
        waiting = [start]
        while waiting:
            missing = [one for one in left[waiting[-1]] if one not in order]
            if missing:
                waiting += missing
            else:
                order[waiting.pop()] = None
    return list(order)
