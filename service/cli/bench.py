"""Owns `convoy bench`: the tuning table of a model on this machine, and what is chosen by it."""

from typing import Any

import click
import orjson

from service.builder.tuner import tune_bundle
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.cli.table import table
from service.engine.engines import installed_engines
from service.machine import usable_cores
from service.model.tuning import Choice, Timing, Tuning
from service.repository.bundles import Bundle
from service.repository.tunings import TuningStore
from service.serving.local import bundle_of, source_of
from service.setting_types import PROFILES
from service.settings import Settings


@click.command()
@click.argument("target", metavar="FILE|NAME")
@settings("models_dir", "cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@click.option("--again", is_flag=True, help="Time the engines anew; else a table that is there is printed.")
@as_json()
def bench(target: str, again: bool, as_json: bool, **given: str | None) -> None:
    """Print how fast each engine runs a model on this machine, and which is chosen.

    Milliseconds are per example, the least of many, without HTTP and without decoding; "processor ms" is what all cores
    worked for it, which is less on a busy machine. The table is kept, and a server with the same cache goes by it.
    """
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    bundle, _ = bundle_of(source_of(target, read.models_dir), store, limits, progress)
    found = _table(bundle, read, again=again)
    choices = {profile: found.choice(bundle.facts, profile=profile) for profile in PROFILES}
    if as_json:
        body = found.to_json() | {"choices": {profile: one.to_json() for profile, one in choices.items()}}
        click.echo(orjson.dumps(body, option=orjson.OPT_INDENT_2))
        return
    click.echo(_text(found, choices))


def _table(bundle: Bundle, read: Settings, *, again: bool) -> Tuning:
    """Return the table, timed now and kept where there is none, or where it shall be timed again."""
    tunings = TuningStore(read.cache_dir, engines=installed_engines())
    held = None if again else tunings.find(bundle)
    if held is not None:
        return held
    progress("timing the engines")
    fresh = tune_bundle(bundle, cores=usable_cores(), memory=read.build_memory)
    try:
        tunings.write(bundle, fresh)
    except OSError as error:
        click.echo(f"warning: the table cannot be kept in {read.cache_dir}: {error.strerror}.", err=True)
    return fresh


def _text(found: Tuning, choices: dict[str, Choice]) -> str:
    rows = [_row(one, found) for one in sorted(found.timings, key=lambda one: (one.engine, one.threads, one.batch))]
    lines = [table(("engine", "version", "threads", "batch", "ms/example", "processor ms", "examples/s"), rows), ""]
    lines += [f"{engine}: {why}" for engine, why in found.left_out.items()]
    lines += [
        f"profile {profile}: {one.engine}, {one.threads} thread{'s' * (one.threads > 1)}, {one.chunk} at a time"
        for profile, one in choices.items()
    ]
    return "\n".join(lines)


def _row(one: Timing, found: Tuning) -> tuple[Any, ...]:
    speed = f"{one.milliseconds:.3f}", f"{one.processor:.3f}", f"{1000 / one.milliseconds:,.0f}"
    return one.engine, found.versions.get(one.engine, "?"), one.threads, one.batch, *speed
