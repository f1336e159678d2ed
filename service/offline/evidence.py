"""Owns what trials on the same pictures prove: which recipe is best, and which cannot be told from it.

A paired bootstrap: pictures are drawn with replacement, and all recipes are measured on the same draw.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 4000
_BLOCK = 200
_LEVEL = 0.05
SEED = 1


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the pictures say of several recipes, each by its place among those given.

    `ranking` has the best first: by accuracy, then by mean log loss. `rivals` are the best one and those that cannot
    be told from it, in the order of the ranking. `wins` is the share of resampled sets of pictures, 0..1, in which
    each one ranks first.
    """

    ranking: tuple[int, ...]
    rivals: tuple[int, ...]
    wins: tuple[float, ...]

    @property
    def false_winner_rate(self) -> float:
        """Return the share of resampled sets that a recipe wins which can be told from the best."""
        return max(0.0, 1.0 - sum(self.wins[one] for one in self.rivals))


def weigh(
    right: NDArray[np.bool_], losses: NDArray[np.float64], *, seed: int = SEED, resamples: int = RESAMPLES
) -> Evidence:
    """Weigh recipes of which `right` and `losses`, both (recipes, pictures), say how they did on the same pictures.

    A recipe can be told from the best where it does as well on fewer than 0.05 / (recipes - 1) of the resampled sets,
    in accuracy or in log loss, and is not as surely the better one in the other. So few pictures that even a coin
    could do it, all heads, prove nothing.
    """
    ranking = np.lexsort((losses.mean(axis=1), -right.mean(axis=1)))
    best = int(ranking[0])
    level = _LEVEL / max(1, len(right) - 1)
    counts = _Counts(len(right))
    for hits, costs in _resampled(right, losses, seed, resamples):
        counts.add(hits, costs, best)
    few = level * resamples
    differ_right = 0.5 ** (right != right[best]).sum(axis=1) < level
    differ_cost = 0.5 ** (losses != losses[best]).sum(axis=1) < level
    fewer_hits = (counts.as_many_hits < few) & differ_right
    more_hits = (counts.as_few_hits < few) & differ_right
    more_cost = (counts.as_low_cost < few) & differ_cost
    less_cost = (counts.as_high_cost < few) & differ_cost
    is_worse = (fewer_hits & ~less_cost) | (more_cost & ~more_hits)
    rivals = tuple(int(one) for one in ranking if one == best or not is_worse[one])
    return Evidence(tuple(map(int, ranking)), rivals, tuple(map(float, counts.wins / resamples)))


class _Counts:
    """In how many resampled sets each recipe wins, and does as well or as badly as the best of all pictures."""

    def __init__(self, recipes: int) -> None:
        self.wins, self.as_many_hits, self.as_few_hits, self.as_low_cost, self.as_high_cost = np.zeros((5, recipes))

    def add(self, hits: NDArray[np.float64], costs: NDArray[np.float64], best: int) -> None:
        """Count a block of sets: pictures right and log loss in sum, each (sets, recipes)."""
        self.wins += np.bincount(_winners(hits, costs), minlength=hits.shape[1])
        self.as_many_hits += (hits >= hits[:, [best]]).sum(axis=0)
        self.as_few_hits += (hits <= hits[:, [best]]).sum(axis=0)
        self.as_low_cost += (costs <= costs[:, [best]]).sum(axis=0)
        self.as_high_cost += (costs >= costs[:, [best]]).sum(axis=0)


def _resampled(
    right: NDArray[np.bool_], losses: NDArray[np.float64], seed: int, resamples: int
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Yield blocks of resampled sets: pictures right and log loss in sum, each (sets, recipes)."""
    draw = np.random.default_rng(seed)
    pictures = right.shape[1]
    shares = np.full(pictures, 1 / pictures)
    for start in range(0, resamples, _BLOCK):
        weights = draw.multinomial(pictures, shares, size=min(_BLOCK, resamples - start)).astype(np.float64)
        # NOTE: sums of products in another order differ in the last digits; recipes that do alike must not.
        yield np.rint(weights @ right.T), np.round(weights @ losses.T, 9)


def _winners(hits: NDArray[np.float64], costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """Return which recipe is first in each resampled set; the first of those that are equal."""
    cheap = np.where(hits == hits.max(axis=1, keepdims=True), costs, np.inf)
    first: NDArray[np.intp] = cheap.argmin(axis=1)
    return first
