"""Owns the text of `convoy diff`: agreement, flipped answers, the largest shifts, and who is right more often."""

from pathlib import Path

from service.cli.evaluation_text import noted
from service.cli.meter import percent
from service.cli.table import printable, table
from service.offline.comparison import Comparison, Scores

_FLIPS = 15
_CHANCE = 0.05


def diff_text(first: str, second: str, found: Comparison, *, folder: Path) -> str:
    """Return all that was compared, as text of several blocks; A is what the user called `first`, B `second`."""
    title = f"A = {printable(first)}, B = {printable(second)}, on {printable(str(folder))}: {found.pictures} pictures"
    low, high = found.interval
    agreement = (
        f"agreement  {percent(found.agreement)}  (95 % interval: {percent(low)} to {percent(high)})\n"
        f"shift      {found.mean_shift:.4f} on average, {found.largest_shift:.4f} at most: the largest change of one "
        "class's probability, for each picture"
    )
    scores = [_scores(found.scores)] if found.scores else []
    blocks = [title, agreement, *scores, _flips(found), _shifts(found), *noted(found.notes, found.bad, {})]
    return "\n\n".join(block for block in blocks if block)


def _scores(scores: Scores) -> str:
    verdict = "may well be chance" if scores.p > _CHANCE else "is hardly chance"
    lines = [
        f"accuracy A {_accuracy(scores.first, scores.first_interval)}",
        f"accuracy B {_accuracy(scores.second, scores.second_interval)}",
        f"A alone is right on {scores.only_first}, B alone on {scores.only_second} pictures: the difference {verdict} "
        f"(McNemar's exact test, p = {scores.p:.2g})",
    ]
    return "\n".join(lines)


def _accuracy(share: float, interval: tuple[float, float]) -> str:
    return f"{percent(share)}  (95 % interval: {percent(interval[0])} to {percent(interval[1])})"


def _flips(found: Comparison) -> str:
    rows = [(one.first, one.second, one.pictures, ", ".join(one.files)) for one in found.flips[:_FLIPS]]
    if not rows:
        return "No answer flips."
    more = f"\nand {len(found.flips) - _FLIPS} more kinds" if len(found.flips) > _FLIPS else ""
    return f"flipped answers\n{table(('A', 'B', 'pictures', 'such as'), rows)}{more}"


def _shifts(found: Comparison) -> str:
    rows = [(one.file, one.label, f"{one.first:.4f}", f"{one.second:.4f}") for one in found.shifts]
    return "largest shifts\n" + table(("file", "class", "A", "B"), rows) if rows else ""
