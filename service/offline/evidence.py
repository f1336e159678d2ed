"""Owns what trials on the same pictures prove: which recipe is best, and which cannot be told from it.

A paired bootstrap: pictures are drawn with replacement, and all recipes are measured on the same draw.
"""

import functools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Flags = NDArray[np.bool_]
Numbers = NDArray[np.float64]

RESAMPLES = 4000
SEED = 1
_BLOCK = 200
_LEVEL = 0.05


@dataclass(frozen=True, slots=True)
class Result:
    """How one recipe did on each of N pictures: `right` (N,), and its log losses in nats (N,).

    `tempered` (temperatures, N) are the losses at each of several temperatures, and `sureness` is its mean probability
    of the class answered, 0..1.
    """

    right: Flags
    losses: Numbers
    tempered: Numbers
    sureness: float

    @property
    def best_tempered(self) -> Numbers:
        """Return the losses (N,) at the temperature that suits the answers best."""
        best: Numbers = self.tempered[self.tempered.mean(axis=1).argmin()]
        return best


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


def weigh(results: Sequence[Result], *, seed: int = SEED, resamples: int = RESAMPLES) -> Evidence:
    """Weigh recipes by their results on the same pictures.

    A recipe can be told from the best where it does as well on fewer than 0.05 / (recipes - 1) of the resampled sets,
    in accuracy or in log loss, and is not as surely the better one in the other. So few pictures that even a coin
    could do it, all heads, prove nothing. Where the best is the surer of the two, its lower log loss counts only if it
    is lower at the best temperature of each as well: a scale that is too large makes all answers surer, and on pictures
    that are answered rightly that alone lowers the log loss.
    """
    table = _Table(
        np.stack([one.right for one in results]),
        np.stack([one.losses for one in results]),
        np.stack([one.best_tempered for one in results]),
    )
    ranking = np.lexsort((table.losses.mean(axis=1), -table.right.mean(axis=1)))
    best = int(ranking[0])
    counts = _Counts(len(results))
    for weights in _resampled(table.right.shape[1], seed, resamples):
        counts.add(table, weights, best)
    sureness = np.array([one.sureness for one in results])
    is_worse = counts.is_worse(table, best, resamples, is_surer=sureness >= sureness[best])
    rivals = tuple(int(one) for one in ranking if one == best or not is_worse[one])
    return Evidence(tuple(map(int, ranking)), rivals, tuple(map(float, counts.wins / resamples)))


@dataclass(frozen=True, slots=True)
class _Table:
    """Results of all recipes, each (recipes, pictures)."""

    right: Flags
    losses: Numbers
    tempered: Numbers


class _Counts:
    """In how many resampled sets each recipe wins, and does as well or as badly as the best of all pictures."""

    def __init__(self, recipes: int) -> None:
        self.wins, self.as_right, self.as_wrong, self.as_cheap, self.as_dear, self.as_cheap_tempered = np.zeros(
            (6, recipes)
        )

    def add(self, table: _Table, weights: Numbers, best: int) -> None:
        """Count sets of which `weights` (sets, pictures) says how often each picture is in them."""
        # NOTE: sums of products in another order differ in the last digits; recipes that do alike must not.
        hits = np.rint(weights @ table.right.T)
        costs, tempered = (np.round(weights @ one.T, 9) for one in (table.losses, table.tempered))
        self.wins += np.bincount(_winners(hits, costs), minlength=hits.shape[1])
        self.as_right += (hits >= hits[:, [best]]).sum(axis=0)
        self.as_wrong += (hits <= hits[:, [best]]).sum(axis=0)
        self.as_cheap += (costs <= costs[:, [best]]).sum(axis=0)
        self.as_dear += (costs >= costs[:, [best]]).sum(axis=0)
        self.as_cheap_tempered += (tempered <= tempered[:, [best]]).sum(axis=0)

    def is_worse(self, table: _Table, best: int, resamples: int, *, is_surer: Flags) -> Flags:
        """Return which recipes can be told from the best; `is_surer` are those at least as sure as that."""
        level = _LEVEL / max(1, len(self.wins) - 1)
        differ_right, differ_cost, differ_tempered = (
            0.5 ** (one != one[best]).sum(axis=1) < level for one in (table.right, table.losses, table.tempered)
        )
        few = level * resamples
        less_right = (self.as_right < few) & differ_right
        more_right = (self.as_wrong < few) & differ_right
        cheaper = (self.as_dear < few) & differ_cost
        dearer = (self.as_cheap < few) & differ_cost
        dearer &= is_surer | ((self.as_cheap_tempered < few) & differ_tempered)
        found: Flags = (less_right & ~cheaper) | (dearer & ~more_right)
        return found


def _resampled(pictures: int, seed: int, resamples: int) -> Iterator[Numbers]:
    """Yield blocks of resampled sets, (sets, pictures): how often each picture is drawn."""
    for block in range(-(-resamples // _BLOCK)):
        yield _drawn(pictures, seed, block)[: resamples - block * _BLOCK].astype(np.float64)


@functools.lru_cache(maxsize=RESAMPLES // _BLOCK)  # one weighing asks for that many, the next for the same
def _drawn(pictures: int, seed: int, block: int) -> NDArray[np.uint8]:
    draw = np.random.default_rng((seed, block))
    return draw.multinomial(pictures, np.full(pictures, 1 / pictures), size=_BLOCK).astype(np.uint8)


def _winners(hits: Numbers, costs: Numbers) -> NDArray[np.intp]:
    """Return which recipe is first in each resampled set; the first of those that are equal."""
    cheap = np.where(hits == hits.max(axis=1, keepdims=True), costs, np.inf)
    first: NDArray[np.intp] = cheap.argmin(axis=1)
    return first
