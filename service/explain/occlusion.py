"""Owns heat maps by occlusion: how much less a model is sure of a class when a patch of its input is hidden.

Zeiler and Fergus, 2014 (https://arxiv.org/abs/1311.2901), with patches of three sizes that overlap by half, painted
over with the input's own blur. It needs no gradient: any engine can do it.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.explain.blur import blurred
from service.explain.canvas import Canvas
from service.explain.target import Target
from service.serving.admission import check_deadline
from service.serving.live_model import CHUNK, LiveModel

PARTS = (3.5, 7.0, 14.0)
"""How often a patch of each level goes into a side: some 36, 170 and 730 passes for a square."""
SHARES = (1.0, 1.0, 0.1)
"""The part of the budget that may be spent down to each level: the smallest patches are for quick models alone."""
FINE_LEVELS = 2
"""Levels that a heat map needs to be finer than the last maps of most nets, which are 7x7."""
BUDGET_MACS = 100e9
"""Multiply-accumulates that one answer may cost: a few seconds on one core."""
BUDGET_SECONDS = 3.0
"""The same for a model whose multiply-accumulates are not known, by the time of its first pass."""
_HELD_BYTES = 32 * 2**20
_ON_TIME = 0.9
Plane = NDArray[np.float32]
Box = tuple[int, int, int, int]
"""Top, left, bottom and right of a patch, as in `plane[top:bottom, left:right]`."""


@dataclass(frozen=True, slots=True)
class Occluded:
    """The heat (height, width) of one input, the passes it took, and whether the time was too short for more."""

    heat: Plane
    passes: int
    is_cut_short: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked again and again: a model, its inputs (1, *item) by name, and the class that is looked at."""

    model: LiveModel
    inputs: Mapping[str, NDArray[Any]]
    target: Target
    deadline: float

    def odds(self, name: str, batch: NDArray[Any]) -> NDArray[np.float64]:
        """Return the odds of the class, shape (N,), where `batch` (N, *item) takes the place of one input."""
        inputs = {one: np.repeat(array, len(batch), axis=0) for one, array in self.inputs.items()} | {name: batch}
        outputs, _ = self.model.run(inputs, deadline=self.deadline)
        return self.target.odds(outputs[self.target.output.spec.name])


def budget_of(model: LiveModel, *, seconds: float) -> int:
    """Return how many passes one answer may take; `seconds` is what one of them took."""
    layers = model.card.facts.layers or ()
    has_free_size = any(None in one.spec.item_shape for one in model.card.inputs)
    macs = 0 if has_free_size else sum(layer.macs or 0 for layer in layers)
    return int(BUDGET_MACS / macs if macs else BUDGET_SECONDS / max(seconds, 1e-6))


def levels_within(size: tuple[int, int], passes: int) -> list[list[Box]]:
    """Return the patches of each level, large ones first: as many levels as `passes` allow, and always the first."""
    levels: list[list[Box]] = []
    spent = 0
    for part, share in zip(PARTS, SHARES, strict=True):
        boxes = patches(size, part)
        spent += len(boxes)
        if boxes in levels[-1:] or (levels and spent > share * passes):
            break
        levels.append(boxes)
    return levels


def coarsest(size: tuple[int, int]) -> int:
    """Return how many passes the coarsest heat map of a plane takes."""
    return len(patches(size, PARTS[0]))


def is_fine(size: tuple[int, int], passes: int) -> bool:
    """Return whether so many passes give a heat map of a plane that is finer than the last maps of most nets."""
    return sum(len(patches(size, part)) for part in PARTS[:FINE_LEVELS]) <= passes


def patches(size: tuple[int, int], part: float) -> list[Box]:
    """Return patches a `part`-th of each side long that cover a plane of `size`, each half over the next."""
    rows, columns = (list(_spans(side, part)) for side in size)
    return [(top, left, bottom, right) for top, bottom in rows for left, right in columns]


def occluded(question: Question, canvas: Canvas, *, passes: int) -> Occluded:
    """Return how much each pixel speaks for the class: the fall of its log-odds where patches over it are hidden.

    It is the mean over those patches, and over the levels, smaller patches counting for more. Raises
    DeadlineExceededError where not even the first level is done in time.
    """
    watched = _Watched(question, canvas)
    heat, weights, cut_short = np.zeros(canvas.size), 0.0, False
    for number, boxes in enumerate(levels_within(canvas.size, passes)):
        if number and not watched.has_time_for(len(boxes)):
            cut_short = True
            break
        heat += PARTS[number] * watched.level(boxes)
        weights += PARTS[number]
    return Occluded((heat / weights).astype(np.float32), watched.passes, cut_short)


def _spans(side: int, part: float) -> Iterator[tuple[int, int]]:
    length = max(1, round(side / part))
    starts = list(range(0, side - length + 1, max(1, length // 2)))
    if starts[-1] != side - length:
        starts.append(side - length)
    return ((start, start + length) for start in starts)


class _Watched:
    """The passes for one input, with an eye on the clock."""

    def __init__(self, question: Question, canvas: Canvas) -> None:
        self.passes = 0
        self._began = time.monotonic()
        self._question = question
        self._canvas = canvas
        self._ground = blurred(canvas.planes, deadline=question.deadline)
        if canvas.array.dtype.kind != "f":
            self._ground = np.rint(self._ground)
        self._rows = max(1, min(CHUNK, _HELD_BYTES // max(1, canvas.array.nbytes)))
        (self._unhidden,) = self._question.odds(canvas.name, canvas.array[np.newaxis])

    def has_time_for(self, passes: int) -> bool:
        """Return whether so many more passes will be done before the deadline, at the pace so far."""
        now = time.monotonic()
        pace = (now - self._began) / max(1, self.passes)
        return now + passes * pace < now + _ON_TIME * (self._question.deadline - now)

    def level(self, boxes: list[Box]) -> NDArray[np.float64]:
        """Return for each pixel the mean fall of the odds over the patches that cover it."""
        falls, covers = np.zeros(self._canvas.size), np.zeros(self._canvas.size)
        for box, fall in zip(boxes, self._falls(boxes), strict=True):
            top, left, bottom, right = box
            falls[top:bottom, left:right] += fall
            covers[top:bottom, left:right] += 1
        return np.asarray(falls / covers)

    def _falls(self, boxes: list[Box]) -> Iterator[float]:
        for start in range(0, len(boxes), self._rows):
            check_deadline(self._question.deadline)
            chunk = boxes[start : start + self._rows]
            batch = self._canvas.covered(_masks(chunk, self._canvas.size), self._ground)
            odds = self._question.odds(self._canvas.name, batch)
            self.passes += len(chunk)
            yield from np.nan_to_num(self._unhidden - odds, posinf=0.0, neginf=0.0)


def _masks(boxes: list[Box], size: tuple[int, int]) -> NDArray[np.bool_]:
    masks = np.zeros((len(boxes), *size), np.bool_)
    for mask, (top, left, bottom, right) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    return masks
