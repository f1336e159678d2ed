"""Owns `convoy lock`: the SHA-256 of every saved model, so that a server builds and serves these and no others."""

import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import orjson

from service.cli.options import as_json, existing_models_dir, read_settings, settings
from service.cli.table import printable
from service.errors import SettingsError
from service.files import PUBLIC, replace_file
from service.repository.models_lock import base_of, hashes_of, lock_path, lock_text, read_lock
from service.repository.sources import Source, find_sources
from service.settings import Settings


@dataclass(frozen=True, slots=True)
class _Differences:
    """Paths whose SHA-256 is another, that the lock lacks, and that the folder lacks."""

    changed: list[str]
    not_locked: list[str]
    gone: list[str]

    @property
    def is_none(self) -> bool:
        return not (self.changed or self.not_locked or self.gone)


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@click.option("--check", "is_check", is_flag=True, help="Write nothing; exit status 1 where lock and folder differ.")
@settings("models_lock")
@as_json()
def lock(models_dir: str | None, is_check: bool, as_json: bool, **given: str | None) -> None:
    """Write models.lock: the SHA-256 of every file of every saved model, as sha256sum writes it.

    Where there is one, a server neither builds nor serves a model that is not in it, or whose files are others. Keep it
    out of reach of those who may write models, with --models-lock.
    """
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    path = lock_path(read.models_dir, read.models_lock)
    hashes = _hashes(read)
    if is_check:
        _compare(hashes, path, read, as_json=as_json)
        return
    _write(path, lock_text(hashes))
    if as_json:
        click.echo(orjson.dumps({"file": str(path), "sha256": hashes}, option=orjson.OPT_INDENT_2))
    else:
        click.echo(f"{path} holds {len(hashes)} file{'' if len(hashes) == 1 else 's'}.")


def _hashes(read: Settings) -> dict[str, str]:
    sources = find_sources(read.models_dir)
    for source in filter(_is_unusable, sources):
        click.echo(f"left out: {source.name} version {source.version}: {source.problem}", err=True)
    try:
        return hashes_of((one for one in sources if not _is_unusable(one)), base_of(read.models_dir))
    except OSError as error:
        raise SettingsError(f"{error.filename} cannot be read: {error.strerror}.") from error


def _is_unusable(source: Source) -> bool:
    return source.problem is not None


def _compare(hashes: dict[str, str], path: Path, read: Settings, *, as_json: bool) -> None:
    """Say how the lock at `path` differs from the files; exit with status 1 where it does."""
    locked = read_lock(path, base_of(read.models_dir)).hashes
    found = _Differences(
        changed=[name for name, digest in hashes.items() if locked.get(name, digest) != digest],
        not_locked=[name for name in hashes if name not in locked],
        gone=sorted(locked.keys() - hashes.keys()),
    )
    if as_json:
        click.echo(orjson.dumps({"file": str(path), **asdict(found)}, option=orjson.OPT_INDENT_2))
    else:
        _say(found, path)
    if not found.is_none:
        sys.exit(1)


def _say(found: _Differences, path: Path) -> None:
    told = {"changed": found.changed, "not in the lock": found.not_locked, "in the lock alone": found.gone}
    for what, names in told.items():
        for name in names:
            click.echo(f"{what}: {printable(name)}")
    if found.is_none:
        click.echo(f"{path} is right.")


def _write(path: Path, text: str) -> None:
    """Replace the file at once, readable by all: a server that looks meanwhile sees the old one or the new one."""
    try:
        replace_file(path, text.encode(), mode=PUBLIC)
    except (OSError, UnicodeEncodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a file's name is no UTF-8"
        raise SettingsError(f"{path} cannot be written: {reason}; --models-lock names another place.") from error
