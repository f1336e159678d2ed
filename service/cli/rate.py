"""Owns the progress of long jobs on standard error: how many are done, how fast, and how long it will take."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import click
import orjson

_SECONDS_BETWEEN = 10.0
_SECONDS_ON_TERMINAL = 0.2
_WIDTH = 30


class Meter:
    """Counts what is done of `total`; what the first call tells of was done before, and does not count as speed."""

    def __init__(self, total: int, *, as_json: bool) -> None:
        self.total = total
        self.done = 0
        self._as_json = as_json
        self._is_terminal = sys.stderr.isatty() and not as_json
        self._before: int | None = None
        self._began = self._shown = time.monotonic()

    def moved(self, count: int) -> None:
        """Take note that so many more are done, and show it now and then."""
        self.done += count
        if self._before is None:
            self._before = self.done
        now = time.monotonic()
        if now - self._shown >= (_SECONDS_ON_TERMINAL if self._is_terminal else _SECONDS_BETWEEN):
            self._shown = now
            self.show()

    @property
    def per_second(self) -> float:
        """Return the speed of this run."""
        return (self.done - (self._before or 0)) / max(time.monotonic() - self._began, 1e-9)

    @property
    def seconds_left(self) -> float | None:
        """Return how long the rest will take at this speed, None where nothing is known of it."""
        return (self.total - self.done) / self.per_second if self.per_second else None

    def show(self) -> None:
        """Show where it stands."""
        if self._as_json:
            body = {"done": self.done, "total": self.total, "per_second": self.per_second}
            click.echo(orjson.dumps(body | {"seconds_left": self.seconds_left}), err=True)
        elif self._is_terminal:
            filled = _WIDTH * self.done // max(self.total, 1)
            click.echo(f"\r\033[K[{'#' * filled:<{_WIDTH}}] {self._text()}", err=True, nl=False)
        else:
            click.echo(self._text(), err=True)

    def end(self) -> None:
        """Leave the line of the bar behind."""
        if self._is_terminal:
            self.show()
            click.echo(err=True)

    def _text(self) -> str:
        left = "" if self.seconds_left is None else f", {_duration(self.seconds_left)} left"
        share = 100 * self.done / max(self.total, 1)
        return f"{self.done:,} of {self.total:,} ({share:.1f} %), {self.per_second:,.0f}/s{left}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


@contextmanager
def meter_for(total: int, *, as_json: bool) -> Iterator[Meter]:
    """Give a meter of `total` for as long as the block runs."""
    meter = Meter(total, as_json=as_json)
    try:
        yield meter
    finally:
        meter.end()
