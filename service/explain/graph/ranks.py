"""Owns the ranks of a drawing: which row each node stands in, and the lanes on which long arrows pass the rows between.

Arrows run downwards (a layer that takes what comes after it is drawn against the stream). Those that leave a node at
one place share a lane as far as they go together.
"""

from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

_LATE = 4
"""By how many ranks a branch may end before it is needed."""


@dataclass(frozen=True, slots=True)
class Link:
    """An arrow between nodes, both by number. `exit` tells apart the places where arrows leave one node.

    `is_back` says that it points up.
    """

    source: int
    target: int
    exit: Hashable = None
    entry: Hashable = None
    is_back: bool = False


@dataclass(frozen=True, slots=True)
class Step:
    """The part of an arrow from one rank to the next, between points: nodes, and where lanes pass a rank."""

    upper: int
    lower: int
    link: Link
    ends: bool


@dataclass(slots=True)
class Ranking:
    """Points by rank, from the top; those from `nodes` on are lanes. `steps` is in the order of the arrows."""

    nodes: int
    rank_of: list[int]
    steps: list[Step] = field(default_factory=list)

    @property
    def ranks(self) -> list[list[int]]:
        """Return the points of each rank."""
        found: list[list[int]] = [[] for _ in range(max(self.rank_of, default=-1) + 1)]
        for point, rank in enumerate(self.rank_of):
            found[rank].append(point)
        return found

    def neighbours(self) -> tuple[list[list[int]], list[list[int]]]:
        """Return for each point the points above and below that it is joined with."""
        above: list[list[int]] = [[] for _ in self.rank_of]
        below: list[list[int]] = [[] for _ in self.rank_of]
        for upper, lower in dict.fromkeys((step.upper, step.lower) for step in self.steps):
            above[lower].append(upper)
            below[upper].append(lower)
        return above, below


def ranked(count: int, links: Sequence[Link], *, last: Sequence[int] = ()) -> Ranking:
    """Return `count` nodes in ranks, each below all that feed it; those of `last` in the lowest one."""
    links = _downwards(count, links)
    ranks = _lowered(_longest_paths(count, links), links)
    for node in last:
        ranks[node] = max(ranks)
    if last and any(rank == max(ranks) and node not in last for node, rank in enumerate(ranks)):
        for node in last:
            ranks[node] += 1
    ranking = Ranking(count, ranks)
    lanes: dict[tuple[int, Hashable, bool, int], int] = {}
    for link in links:
        _route(link, ranking, lanes)
    return ranking


def _route(link: Link, ranking: Ranking, lanes: dict[tuple[int, Hashable, bool, int], int]) -> None:
    """Add the steps of an arrow, along a lane that is there already where there is one."""
    upper = link.source
    for rank in range(ranking.rank_of[link.source] + 1, ranking.rank_of[link.target]):
        key = (link.source, link.exit, link.is_back, rank)
        if key not in lanes:
            lanes[key] = len(ranking.rank_of)
            ranking.rank_of.append(rank)
            ranking.steps.append(Step(upper, lanes[key], link, ends=False))
        upper = lanes[key]
    ranking.steps.append(Step(upper, link.target, link, ends=True))


def _downwards(count: int, links: Sequence[Link]) -> list[Link]:
    """Return the links with those turned round that would close a circle: a layer called again on what it made."""
    below = _grouped(count, links)
    open_, done = set[int](), set[int]()
    back = set[Link]()
    for start in (one for one in range(count) if one not in done):
        waiting = [(start, iter(below[start]))]
        open_.add(start)
        while waiting:
            node, rest = waiting[-1]
            link = next(rest, None)
            if link is None:
                waiting.pop()
                open_.discard(node)
                done.add(node)
            elif link.target in open_:
                back.add(link)
            elif link.target not in done:
                open_.add(link.target)
                waiting.append((link.target, iter(below[link.target])))
    return [Link(one.target, one.source, is_back=True) if one in back else one for one in links]


def _longest_paths(count: int, links: Sequence[Link]) -> list[int]:
    below = _grouped(count, links)
    fed = [0] * count
    for link in links:
        fed[link.target] += 1
    ranks, ready = [0] * count, [node for node in range(count) if not fed[node]]
    for node in ready:
        for link in below[node]:
            ranks[link.target] = max(ranks[link.target], ranks[node] + 1)
            fed[link.target] -= 1
            if not fed[link.target]:
                ready.append(link.target)
    return ranks


def _lowered(ranks: list[int], links: Sequence[Link]) -> list[int]:
    """Return the ranks with a branch that is needed much later moved down to there: its way is then a shared lane."""
    below = _grouped(len(ranks), links)
    fed = Counter(link.target for link in links)
    lowered = list(ranks)
    for node in sorted(range(len(ranks)), key=ranks.__getitem__, reverse=True):
        lowest = min((lowered[link.target] - 1 for link in below[node]), default=ranks[node])
        if fed[node] == 1 and lowest - ranks[node] > _LATE:
            lowered[node] = lowest
    return lowered


def _grouped(count: int, links: Sequence[Link]) -> list[list[Link]]:
    below: list[list[Link]] = [[] for _ in range(count)]
    for link in links:
        below[link.source].append(link)
    return below
