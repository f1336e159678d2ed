"""Owns which points stand straight under each other: the columns of a drawing, each one point a rank and no gaps.

A point and the one below it are of one column where each is the other's obvious neighbour: the only one, the middle one
of an odd number, or of two the one with the longer way behind it, so that it is the detour that bends. Detours do not
count beside others. Between two that are alike none is preferred, and the point comes to stand in the middle.
"""

from collections.abc import Sequence
from itertools import pairwise

from service.explain.graph.order import Neighbours, Ranks


def detours(above: Neighbours, below: Neighbours, *, lanes_from: int) -> frozenset[int]:
    """Return the lanes that begin where other lines begin, too: they lead around something."""
    found: set[int] = set()
    for point in range(lanes_from, len(above)):  # a lane comes after the one above it
        (top,) = above[point]
        if top in found or (top < lanes_from and len(below[top]) > 1):
            found.add(point)
    return frozenset(found)


def columns(ranks: Ranks, above: Neighbours, below: Neighbours, *, lanes_from: int) -> list[int]:
    """Return for each point the number of its column; points from `lanes_from` on are lanes."""
    roots = list(range(len(above)))
    aside = detours(above, below, lanes_from=lanes_from)
    likes_above = _liked(ranks, above, lanes_from, aside)
    likes_below = _liked(ranks[::-1], below, lanes_from, aside)
    for upper, lower in pairwise(ranks):
        likely = [(likes_above[one], one) for one in lower]
        pairs = [(top, one) for top, one in likely if top is not None and likes_below[top] == one]
        for top, one in _uncrossed(pairs, upper, lower, lanes_from):
            roots[one] = roots[top]
    return roots


def _liked(ranks: Ranks, neighbours: Neighbours, lanes_from: int, aside: frozenset[int]) -> list[int | None]:
    """Return for each point the neighbour it would stand in line with; `ranks` begin at the neighbours' side."""
    ways = [0] * len(neighbours)
    liked: list[int | None] = [None] * len(neighbours)
    for row, before in zip(ranks, [[], *ranks], strict=False):
        place = {point: at for at, point in enumerate(before)}
        for point in row:
            near = sorted(neighbours[point], key=place.__getitem__)
            lanes = [one for one in near if one >= lanes_from]
            # A lane has one way up; down it goes on as a lane, whatever branches off.
            liked[point] = lanes[0] if lanes and point >= lanes_from else _obvious(near, ways, aside)
            ways[point] = (point < lanes_from) + (ways[near[0]] if len(near) == 1 else 0)
    return liked


def _obvious(near: Sequence[int], ways: Sequence[int], aside: frozenset[int]) -> int | None:
    near = [one for one in near if one not in aside] or near
    if len(near) % 2:
        return near[len(near) // 2]
    if len(near) == 2 and ways[near[0]] != ways[near[1]]:
        return max(near, key=ways.__getitem__)
    return None


def _uncrossed(
    pairs: Sequence[tuple[int, int]], upper: Sequence[int], lower: Sequence[int], lanes_from: int
) -> list[tuple[int, int]]:
    """Return the pairs that can all be straight; of those that cross, lanes come first."""
    tops = {point: at for at, point in enumerate(upper)}
    bottoms = {point: at for at, point in enumerate(lower)}
    kept: list[tuple[int, int]] = []
    for top, bottom in sorted(pairs, key=lambda pair: min(pair) < lanes_from):
        places = tops[top], bottoms[bottom]
        if all((tops[one] - places[0]) * (bottoms[other] - places[1]) > 0 for one, other in kept):
            kept.append((top, bottom))
    return kept
