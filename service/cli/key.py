"""Owns `convoy key`: makes an API key, shows it once, and gives the line that a server keeps of it."""

import os
from pathlib import Path

import click
import orjson

from service.access.keys import KEY_NAME, SCOPES, Key, check_distinct, digest_of, new_key, parse_keys
from service.cli.options import as_json
from service.errors import SettingsError


@click.command()
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(SCOPES), default=("predict",), show_default=True,
    help="What the key may do; may be given several times.",
)  # fmt: skip
@click.option("--append", "file", type=click.Path(path_type=Path), metavar="FILE", help="Add the line to this file.")
@as_json()
def key(name: str, scopes: tuple[str, ...], file: Path | None, as_json: bool) -> None:
    """Make an API key for NAME: show it once, and the line that lets a server know it.

    The line goes into the file that CONVOY_KEYS_FILE names, or into CONVOY_KEYS; it holds a hash, from which nobody
    gets the key. A running server takes up a changed file by itself; a line that is taken out revokes its key.
    """
    if not KEY_NAME.fullmatch(name):
        raise SettingsError(f"{name!r} is no name for a key; use 1 to 64 letters, digits, dots, dashes or underscores.")
    text = new_key()
    made = Key(name, frozenset(one for one in SCOPES if one in scopes), digest_of(text))
    if file is not None:
        _append(made, file)
    if as_json:
        click.echo(orjson.dumps(_body(made, text, file), option=orjson.OPT_INDENT_2))
        return
    click.echo(text)
    click.echo(f"The key of {name}, shown this once; whoever asks sends it as Authorization: Bearer KEY.", err=True)
    click.echo("The server keeps this line of it:" if file is None else f"{file} has this line of it now:", err=True)
    click.echo(made.line())


def _body(made: Key, text: str, file: Path | None) -> dict[str, object]:
    scopes = [one for one in SCOPES if one in made.scopes]
    return {"name": made.name, "key": text, "scopes": scopes, "line": made.line(), "file": file and str(file)}


def _append(made: Key, file: Path) -> None:
    """Add the line in one write, so that a server that reads meanwhile sees it whole or not at all."""
    try:
        before = file.read_text("utf-8") if file.exists() else ""
        check_distinct([*parse_keys(before), made])
        gap = "" if before.endswith("\n") or not before else "\n"
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
            opened.write(f"{gap}{made.line()}\n")
    except OSError as error:
        raise SettingsError(
            f"{file} cannot be written: {error.strerror}; without --append the line is shown."
        ) from error
    except ValueError as error:
        raise SettingsError(f"{file} cannot be added to: {error}.") from error
