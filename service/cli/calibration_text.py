"""Owns the text of `convoy calibrate`: the ranking, what the pictures settle, and what to use."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from service.cli.evaluation_text import noted
from service.cli.meter import percent
from service.cli.table import printable, table
from service.model.card import ModelCard
from service.model.recipe import MeanStd, Rescale
from service.offline.candidates import Candidate
from service.offline.evidence import RESAMPLES
from service.offline.finding import NO_BETTER_THAN_CHANCE, Calibration, Ranked
from service.offline.recording import values_to_write

_ROWS = 15
_HEADER = ("", "accuracy", "log loss", "wins")
_NAMES = ("scale", "color", "invert", "recipe", "resize", "fit")
_RIVAL, _IN_FORCE = "=", "*"
_MOST_REASONS = 5


def calibration_text(card: ModelCard, found: Calibration, *, folder: Path) -> str:
    """Return all that was found, as text of several blocks."""
    tried = sum(len(one.trial.candidates) for one in found.ranking)
    title = (
        f"{card.name} version {card.version} on {printable(str(folder))}: {found.pictures} pictures, {tried} recipes, "
        f"{len(found.ranking)} of them different on these pictures"
    )
    blocks = [title, _ranking(found), *_verdict(found), *noted((*found.notes, *_not_tried(found)), found.bad, {})]
    return "\n\n".join(blocks)


def _ranking(found: Calibration) -> str:
    names = _names(found)
    shown = [one for place, one in enumerate(found.ranking) if place < _ROWS or found.in_force in one.trial.candidates]
    rows = [_row(one, found, names) for one in shown]
    more = len(found.ranking) - len(shown)
    rest = f"\nand {more} more, with --json" if more else ""
    legend = f"\n{_RIVAL} cannot be told from the best   {_IN_FORCE} in force   (n) n recipes give the same numbers"
    return table((*_HEADER, *names, ""), rows) + rest + legend


def _row(one: Ranked, found: Calibration, names: list[str]) -> tuple[Any, ...]:
    marks = (_RIVAL if one.is_rival else " ") + (_IN_FORCE if found.in_force in one.trial.candidates else "")
    alike = len(one.trial.candidates)
    values = [value_in_words(getattr(one.shown, name)) for name in names]
    numbers = (percent(one.trial.accuracy), f"{one.trial.log_loss:.4f}", percent(one.wins))
    return (marks, *numbers, *values, f"({alike})" if alike > 1 else "")


def _verdict(found: Calibration) -> Iterator[str]:
    by_standing = {kind: [name for name in _names(found) if found.standing[name] == kind] for kind in _STANDINGS}
    said = {
        "settled": f"Settled by these pictures: {_values(found.recommended, by_standing['settled'])}.",
        "open": f"The evidence is too thin to choose between {len(found.rivals)} recipes, which differ in "
        f"{', '.join(by_standing['open'])}.",
        "untested": f"Not tested by these pictures: {', '.join(by_standing['untested'])}.",
    }
    lines = [text for kind, text in said.items() if by_standing[kind]]
    lines.append(
        f"False winners: in {percent(found.false_winner_rate)} of {RESAMPLES:,} resampled sets of these pictures the "
        f"first place goes to a recipe that is told from the best here."
    )
    yield "\n".join(lines)
    if not found.is_better_than_chance:
        yield f"{NO_BETTER_THAN_CHANCE} Guessing alone reaches {percent(found.chance)}."
    yield _recommendation(found)


def _names(found: Calibration) -> list[str]:
    """Return the values that are shown: the common ones, and what is seldom set where it changes."""
    return [name for name in found.standing if name in _NAMES or name in found.changed]


_STANDINGS = ("settled", "open", "untested")


def _recommendation(found: Calibration) -> str:
    words = _values(found.recommended, _names(found))
    if found.recommended == found.in_force:
        return f"Recommended is the recipe in force: {words}."
    return f"Recommended: {words}. Changed: {', '.join(found.changed)}. `--write` says so in model.toml."


def _values(one: Candidate, names: list[str]) -> str:
    return ", ".join(f"{name} {value_in_words(getattr(one, name))}" for name in names)


def value_in_words(value: Any) -> str:
    """Return a value of a recipe as people read it."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, MeanStd):
        return f"mean {list(value.mean)} std {list(value.std)}"
    return f"x * {value.factor:g} + {value.offset:g}" if isinstance(value, Rescale) else str(value)


def _not_tried(found: Calibration) -> Iterator[str]:
    if found.survivors > found.carried:
        yield (
            f"{found.survivors} recipes could not be told apart before other resizes were tried; that was done for "
            f"{found.carried} of them."
        )
    for one, reason in list(found.dropped.items())[:_MOST_REASONS]:
        yield f"Not tried: {one.recipe} {one.resize} {one.fit}. {reason}"


def written_text(found: Calibration, file: Path) -> str:
    """Return what was written, and where."""
    values = ", ".join(f"{name} = {value}" for name, value in values_to_write(found).items())
    return f"\n{file} now says: {values}."
