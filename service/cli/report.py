"""Owns the text of `convoy check`: a table of many findings, or all that is known of one."""

import shutil
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

from service.cli.table import printable, table
from service.cli.wording import (
    head_in_words,
    heads_in_words,
    input_in_words,
    inputs_in_words,
    labels_in_words,
    sourced,
)
from service.model.card import ModelCard
from service.model.hints import hints_of
from service.serving.finding import Finding

_HEADER = ("file", "written by", "loaded by", "input", "head", "differs", "verdict")
_UNKNOWN = "–"
_LEGEND = (
    "differs: the largest difference between the exported graph and the model as loaded, before a final softmax or "
    "sigmoid, over random, constant and extreme inputs (up to ±10,000); in brackets, as a share of what is allowed."
)
_NARROWEST = 60
_WIDEST = 120


def overview(findings: Sequence[Finding], root: Path) -> str:
    """Return a table of all findings, and below it what to do about each one that cannot be served."""
    rows = [(_name(one.path, root), *_columns(one)) for one in findings]
    bad = [f"{_name(one.path, root)}\n{_wrapped(one.diagnosis or '')}" for one in findings if one.card is None]
    noted = [f"{_name(one.path, root)}\n{_wrapped(note)}" for one in findings for note in one.notes]
    served = sum(one.card is not None for one in findings)
    total = f"{served} of {len(findings)} can be served."
    legend = [textwrap.fill(_LEGEND, _width())] if served else []
    return "\n\n".join([table(_HEADER, rows), *legend, *bad, *noted, total])


def _name(path: Path, root: Path) -> str:
    return printable(path.name if path == root else str(path.relative_to(root)))


def _columns(one: Finding) -> tuple[str, ...]:
    written_by = one.written_by or _UNKNOWN
    if one.card is None:
        return (written_by, *[_UNKNOWN] * 4, one.verdict)
    proof = one.card.facts.verification[0]
    differs = f"{proof.max_difference:.1g} ({proof.max_relative:.0%})"
    source = one.card.facts.source
    loaded_by = f"{source.loaded_by}, repaired" if source.repairs else source.loaded_by
    return (written_by, loaded_by, inputs_in_words(one.card), heads_in_words(one.card), differs, one.verdict)


def details(one: Finding) -> str:
    """Return all that is known of one saved model, a line for each thing."""
    lines = [("file", one.path.name), ("verdict", one.verdict), ("written by", one.written_by or _UNKNOWN)]
    if one.card is not None:
        lines += _card_lines(one.card)
        lines += [("golden", f"samples answered as expected: {one.golden}")] if one.golden else []
    notes = [("note", note) for note in one.notes]
    diagnosis = [("diagnosis", one.diagnosis)] if one.diagnosis else []
    return "\n".join(_line(name, text) for name, text in [*lines, *diagnosis, *notes])


def _card_lines(card: ModelCard) -> Iterator[tuple[str, str]]:
    facts = card.facts
    yield "loaded by", facts.source.loaded_by
    yield from (("repaired", words) for words in facts.source.repairs)
    if facts.source.trusted_code:
        yield "trusted code", facts.source.trusted_code
    for one in card.inputs:
        yield "input", f"{one.spec.name}: {input_in_words(one)}"
        if one.recipe is not None:
            yield "", ", ".join(f"{name} {sourced(one.recipe, name)}" for name in one.recipe.to_json())
    for output in card.outputs:
        yield "output", f"{output.spec.name}: {head_in_words(output)} ({output.head_source})"
        if output.classes:
            yield "labels", labels_in_words(output)
    yield "parameters", f"{facts.parameters:,}"
    for proof in facts.verification:
        share = f"{proof.max_relative:.0%} of what is allowed"
        yield "differs", f"by at most {proof.max_difference:.2g} from the model as loaded ({proof.compared}), {share}"
    yield from (("warning", words) for words in card.warnings)
    yield from (("hint", words) for words in hints_of(facts, {one.spec.name: one.head for one in card.outputs}))


def _line(name: str, text: str) -> str:
    return textwrap.fill(printable(text), _width(), initial_indent=f"{name:<13}", subsequent_indent=" " * 13)


def _wrapped(text: str) -> str:
    return textwrap.fill(text, _width(), initial_indent="  ", subsequent_indent="  ", break_long_words=False)


def _width() -> int:
    return max(_NARROWEST, min(_WIDEST, shutil.get_terminal_size((_WIDEST, 24)).columns))
