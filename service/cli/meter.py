"""Owns the progress bar of commands that work through a folder of pictures."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import click

from service.offline.answering import Tick


@contextmanager
def meter(label: str, length: int, *, is_shown: bool) -> Iterator[Tick]:
    """Show a bar of `length` steps on stderr and give what moves it; nothing where stderr is no terminal."""
    with click.progressbar(
        length=length, label=label, file=sys.stderr, hidden=not (is_shown and sys.stderr.isatty())
    ) as bar:
        yield bar.update


def percent(share: float | None) -> str:
    """Return a share of 0..1 as `97.5 %`; nothing known is a dash."""
    return "–" if share is None else f"{100 * share:.1f} %"
