"""Owns `convoy check`: can it be served, and if not, what to do."""

import sys
from pathlib import Path

import click
import orjson

from service.app import image_limits
from service.cli.options import as_json, progress, read_settings, settings, store_and_limits
from service.cli.report import details, overview
from service.cli.table import printable
from service.errors import SettingsError
from service.repository.discovery import find_saved
from service.repository.sources import Source, find_sources
from service.serving.finding import look_at


@click.command()
@click.argument("target", metavar="FILE|FOLDER", type=click.Path(path_type=Path))
@settings("cache_dir", "bundles_dir", "build_timeout", "build_memory", "allow_saved_model")
@as_json()
def check(target: Path, as_json: bool, **given: str | None) -> None:
    """Say of a saved model, or of each one in a folder of any layout, whether it can be served.

    Who wrote it, what loads it, what it takes and answers, how far the exported graph is from Keras; and where it
    cannot be served, why, and what to do. Each is built for real, in the limited child process, and the bundle is
    kept; golden samples beside it are replayed. Exit status 1 where one cannot be served, or that is not known.
    """
    if not target.exists():
        raise SettingsError(f"{target} does not exist; name a saved model, or a folder of them.")
    read = read_settings(**given)
    store, limits = store_and_limits(read)
    closed: list[OSError] = []
    paths = find_saved(target, unreadable=closed.append)
    if not paths:
        raise SettingsError(f"{target} holds no saved model: no .keras, .h5 or .hdf5 file and no SavedModel folder.")
    served = _as_served(target)
    findings = []
    for path in paths:
        click.echo(f"{printable(path.name)} …", err=True)
        findings.append(
            look_at(
                path,
                store=store,
                limits=limits,
                images=image_limits(read),
                progress=progress,
                served=served.get(path),
            )
        )
    if as_json:
        click.echo(orjson.dumps({"findings": [one.to_json() for one in findings]}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(details(findings[0]) if target == paths[0] else overview(findings, target))
    for error in closed:
        click.echo(f"{printable(str(error.filename))} was not looked into: {error.strerror}", err=True)
    if closed or any(one.card is None for one in findings):
        sys.exit(1)


def _as_served(target: Path) -> dict[Path, Source]:
    """Return what a server would serve if `target` were its models folder, by path: whose sidecar and labels count."""
    try:
        return {one.path: one for one in find_sources(target)} if target.is_dir() else {}
    except OSError:
        return {}
