"""Owns the measures of answers against labels: pure functions of arrays, each with the source of its formula."""

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Flags = NDArray[np.bool_]

_Z95 = 1.959963984540054
SMALLEST_PROBABILITY = 1e-7
"""What Keras clips probabilities to before it takes their logarithm (`keras.config.epsilon`)."""
_TINIEST = 1e-38
BINS = 15
TEMPERATURES = tuple(2.0**power for power in range(-8, 9))
"""What a scale of 255 instead of 1 does to a net without biases, and the other way round."""


def wilson_interval(right: int, count: int) -> tuple[float, float]:
    """Return the 95 % interval, 0..1, of a share of which `right` of `count` were seen (Wilson 1927)."""
    if count == 0:
        return (0.0, 1.0)
    share, square = right / count, _Z95**2
    middle = (share + square / (2 * count)) / (1 + square / count)
    spread = _Z95 / (1 + square / count) * math.sqrt(share * (1 - share) / count + square / (4 * count**2))
    return (max(0.0, middle - spread), min(1.0, middle + spread))


def log_losses(values: NDArray[Any], truth: Indices, *, floor: float = SMALLEST_PROBABILITY) -> Floats:
    """Return -ln p of the true class for each picture, float64 (N,), natural logarithm.

    `values` (N, classes) are not negative; each row is brought to a sum of 1 first, which changes only those of
    independent sigmoids. Probabilities are kept within `floor` and 1 - `floor`; what is not finite counts as 0.
    """
    known = np.where(np.isfinite(values), values, 0).astype(np.float64)
    totals = known.sum(axis=1)
    own = known[np.arange(len(known)), truth]
    shares = np.divide(own, totals, out=np.full(len(known), 1 / values.shape[1]), where=totals > 0)
    losses: Floats = -np.log(np.clip(shares, floor, 1 - floor))
    return losses


def tempered_losses(values: NDArray[Any], truth: Indices, *, floor: float) -> Floats:
    """Return `log_losses` at each of `TEMPERATURES`, float64 (temperatures, N): of p ** (1 / t), brought to a sum of 1.

    Temperature makes all answers surer or less sure and leaves their order (Guo et al. 2017, section 4.2).
    """
    logs = np.log(np.clip(np.where(np.isfinite(values), values, 0).astype(np.float64), _TINIEST, None))
    logs -= logs.max(axis=1, keepdims=True)
    return np.stack([log_losses(np.exp(logs / one), truth, floor=floor) for one in TEMPERATURES])


def calibration_error(confidence: Floats, right: Flags, *, bins: int = BINS) -> float:
    """Return the expected calibration error, 0..1, over `bins` bins of equal width (Guo et al. 2017, equation 3).

    `confidence` (N,) is the probability of the class that was answered. A bin holds what is over its lower edge and
    not over its upper one.
    """
    if not len(confidence):
        return 0.0
    places = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    surplus = np.bincount(places, weights=right.astype(np.float64) - confidence, minlength=bins)
    return float(np.abs(surplus).sum()) / len(confidence)


def confusion_matrix(truth: Indices, chosen: Indices, classes: int) -> Indices:
    """Return counts (classes, classes): rows are true classes, columns the classes answered."""
    counts = np.bincount(truth * classes + chosen, minlength=classes * classes)
    return counts.reshape(classes, classes).astype(np.int64)


def is_among_top(values: NDArray[Any], truth: Indices, *, k: int) -> Flags:
    """Return for each row of `values` (N, classes) whether the true class is one of the `k` highest."""
    ranking = np.where(np.isfinite(values), values, -np.inf)
    order = np.argsort(-ranking, axis=1, kind="stable")[:, :k]
    found: Flags = (order == truth[:, np.newaxis]).any(axis=1)
    return found


@dataclass(frozen=True, slots=True)
class ClassMeasure:
    """How one class fares: pictures of it, share of them answered so (recall), share of such answers right (precision).

    A share of nothing is None.
    """

    label: str
    pictures: int
    answered: int
    recall: float | None
    precision: float | None


def class_measures(confusion: Indices, labels: tuple[str, ...]) -> tuple[ClassMeasure, ...]:
    """Return the measures of each class of a confusion matrix (classes, classes)."""
    pictures, answered, right = confusion.sum(axis=1), confusion.sum(axis=0), confusion.diagonal()
    return tuple(
        ClassMeasure(label, int(own), int(said), _share(hit, own), _share(hit, said))
        for label, own, said, hit in zip(labels, pictures, answered, right, strict=True)
    )


def _share(part: Any, whole: Any) -> float | None:
    return float(part) / float(whole) if whole else None


def binomial_tail(right: int, count: int, *, chance: float) -> float:
    """Return how likely it is to get `right` or more of `count` right by guessing, each with probability `chance`."""
    if chance >= 1:
        return 1.0
    ways = (math.lgamma(count + 1) - math.lgamma(one + 1) - math.lgamma(count - one + 1) for one in range(count + 1))
    logs = [way + one * math.log(chance) + (count - one) * math.log1p(-chance) for one, way in enumerate(ways)]
    return min(1.0, math.fsum(math.exp(one) for one in logs[right:]))


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Return the two-sided exact p of McNemar's test: pictures that only the first, or only the second, got right."""
    total, more = only_first + only_second, max(only_first, only_second)
    return min(1.0, 2 * binomial_tail(more, total, chance=0.5))
