"""Owns the order of points within their ranks: from left to right so that few lines cross.

Ranks are gone through downwards and upwards in turn, each put in the order of its neighbours' means, as in Sugiyama et
al. (1981); the order with the fewest crossings is kept.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise

Ranks = list[list[int]]
Neighbours = Sequence[Sequence[int]]
_SWEEPS = 12
_PATIENCE = 4


def ordered(ranks: Ranks, above: Neighbours, below: Neighbours) -> Ranks:
    """Return the ranks with their points in order; `above` and `below` have the neighbours of each point."""
    best = _first(ranks, below)
    fewest, since = crossings(best, below), 0
    current = best
    for sweep in range(_SWEEPS):
        if not fewest or since == _PATIENCE:
            break
        current = _swept(current, above, below, is_down=sweep % 2 == 0)
        found = crossings(current, below)
        best, fewest, since = (current, found, 0) if found < fewest else (best, fewest, since + 1)
    return best


def crossings(ranks: Ranks, below: Neighbours) -> int:
    """Return how many pairs of lines between neighbouring ranks cross."""
    return sum(_crossings(upper, lower, below) for upper, lower in pairwise(ranks))


def _crossings(upper: Sequence[int], lower: Sequence[int], below: Neighbours) -> int:
    """Count inversions with a tree of partial sums, after Barth, Jünger and Mutzel (2002)."""
    place = {point: at for at, point in enumerate(lower)}
    ends = [at for point in upper for at in sorted(place[one] for one in below[point])]
    sums = [0] * (len(lower) + 1)
    count = 0
    for seen, end in enumerate(ends):
        before, at = 0, end + 1
        while at:
            before += sums[at]
            at &= at - 1
        count += seen - before
        at = end + 1
        while at <= len(lower):
            sums[at] += 1
            at += at & -at
    return count


def _first(ranks: Ranks, below: Neighbours) -> Ranks:
    """Return the ranks in the order in which a walk from the top comes by, first branches first."""
    seen: dict[int, int] = {}
    for start in (point for rank in ranks for point in rank):
        waiting = [start]
        while waiting:
            point = waiting.pop()
            if point not in seen:
                seen[point] = len(seen)
                waiting += reversed(below[point])
    return [sorted(rank, key=seen.__getitem__) for rank in ranks]


def _swept(ranks: Ranks, above: Neighbours, below: Neighbours, *, is_down: bool) -> Ranks:
    rows = ranks if is_down else ranks[::-1]
    neighbours = above if is_down else below
    swept, place = [rows[0]], _places(rows[0])
    for row in rows[1:]:
        sorted_row = sorted(row, key=_mean_of(row, neighbours, place))
        swept.append(sorted_row)
        place = _places(sorted_row)
    return swept if is_down else swept[::-1]


def _places(row: Sequence[int]) -> dict[int, float]:
    return {point: float(at) for at, point in enumerate(row)}


def _mean_of(row: Sequence[int], neighbours: Neighbours, place: dict[int, float]) -> Callable[[int], float]:
    """Return the key of a point: the mean place of its neighbours, its own one where it has none."""
    own = _places(row)

    def mean(point: int) -> float:
        found = neighbours[point]
        return sum(place[one] for one in found) / len(found) if found else own[point]

    return mean
