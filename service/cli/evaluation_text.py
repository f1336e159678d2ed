"""Owns the text of `convoy evaluate`: the measures, a row for each class, confusion, and the worst mistakes."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from service.cli.meter import percent
from service.cli.table import printable, table
from service.model.card import ModelCard
from service.offline.answering import BadFile
from service.offline.evaluation import Evaluation

_LARGEST_MATRIX = 20
_PAIRS = 10
_BAD = 10
_LONGEST_LABEL = 14


def evaluation_text(card: ModelCard, found: Evaluation, *, folder: Path) -> str:
    """Return all that was measured, as text of several blocks."""
    title = f"{card.name} version {card.version} on {printable(str(folder))}: {found.pictures} pictures"
    blocks = [title, _measures(found), _classes(found), _confusion(found), _mistakes(found)]
    return "\n\n".join(block for block in [*blocks, *noted(found.notes, found.bad, found.warnings)] if block)


def _measures(found: Evaluation) -> str:
    low, high = found.interval
    lines = [("accuracy", f"{percent(found.accuracy)}  (95 % interval: {percent(low)} to {percent(high)})")]
    if found.top_5 is not None:
        lines.append(("top-5 accuracy", percent(found.top_5)))
    lines += [
        ("log loss", f"{found.log_loss:.4f}"),
        ("calibration error", percent(found.calibration_error)),
        ("speed", f"{found.pictures_per_second:,.0f} pictures/s"),
    ]
    return "\n".join(f"{name:<18} {text}" for name, text in lines)


def _classes(found: Evaluation) -> str:
    rows = [(one.label, one.pictures, percent(one.recall), percent(one.precision)) for one in found.classes]
    return table(("class", "pictures", "recall", "precision"), rows)


def _confusion(found: Evaluation) -> str:
    if len(found.classes) > _LARGEST_MATRIX:
        pairs = found.confused_pairs(_PAIRS)
        rows = [(one.truth, one.answer, one.pictures) for one in pairs]
        return "confused most\n" + table(("class", "answered as", "pictures"), rows) if rows else ""
    labels = [_short(one.label) for one in found.classes]
    matrix = [(label, *(count or "." for count in row)) for label, row in zip(labels, found.confusion, strict=True)]
    return "confusion: a row for each true class, a column for each answer\n" + table(("", *labels), matrix)


def _short(label: str) -> str:
    text = printable(label)
    return text if len(text) <= _LONGEST_LABEL else f"{text[: _LONGEST_LABEL - 1]}…"


def _mistakes(found: Evaluation) -> str:
    rows = [
        (one.file, one.truth, one.answer, f"{one.probability:.4f}", f"{one.probability_of_truth:.4f}")
        for one in found.mistakes
    ]
    header = ("file", "class", "answered as", "probability", "of the class")
    return "worst mistakes, the surest first\n" + table(header, rows) if rows else ""


def noted(notes: Sequence[str], bad: Sequence[BadFile], warnings: dict[str, int]) -> Iterator[str]:
    """Return the blocks that say what could not be read, what answers warned of, and what was assumed."""
    if bad:
        rows = [(one.name, one.reason) for one in bad[:_BAD]]
        more = f"\nand {len(bad) - _BAD} more" if len(bad) > _BAD else ""
        yield f"left out, {len(bad)} in all\n{table(('file', 'reason'), rows)}{more}"
    told = [f"note: {note}" for note in notes]
    told += [f"warning: {text} ({count} pictures)" for text, count in warnings.items()]
    if told:
        yield "\n".join(map(printable, told))
