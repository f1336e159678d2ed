"""Owns the options that are settings: each command takes those it uses, under the setting's own name."""

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from service.builder.process import BuildLimits
from service.errors import SettingsError
from service.repository.bundles import BundleStore
from service.settings import Settings, misspelt_settings, setting_help

_SWITCHES = tuple(one.name for one in fields(Settings) if isinstance(one.default, bool))
_METAVARS = {
    "host": "ADDRESS",
    "keys_file": "FILE",
    "cors_origins": "ORIGINS",
    "models_lock": "FILE",
    "ready": "RULE",
    "default_model": "NAME",
    "health_route": "ROUTE",
    "predict_route": "ROUTE",
    "profile": "PROFILE",
    "log_level": "LEVEL",
    "log_format": "FORMAT",
}
Decorator = Callable[[Callable[..., Any]], Callable[..., Any]]


def setting(name: str) -> Decorator:
    """Return the option `--name` for the setting `name`; not given, it leaves the environment or default."""
    option = name.replace("_", "-")
    if name in _SWITCHES:
        return click.option(f"--{option}/--no-{option}", name, default=None, help=setting_help(name))
    metavar = _METAVARS.get(name, "PATH" if "dir" in name else "N")
    return click.option(f"--{option}", name, metavar=metavar, help=setting_help(name))


def settings(*names: str) -> Decorator:
    """Return the options of several settings."""

    def decorate(command: Callable[..., Any]) -> Callable[..., Any]:
        for name in reversed(names):
            command = setting(name)(command)
        return command

    return decorate


def as_json() -> Decorator:
    """Return the option `--json`."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")


def read_settings(**given: Any) -> Settings:
    """Read the settings with the options given, and warn of variables that look misspelt."""
    for name, meant in misspelt_settings().items():
        click.echo(f"warning: {name} is no setting; did you mean {meant}?", err=True)
    return Settings.read(given)


def existing_models_dir(read: Settings, *, given: str | None) -> Settings:
    """Return the settings where the models folder (or file) is there; raises SettingsError otherwise."""
    path = read.models_dir
    if not path.exists():
        shown = given or path
        raise SettingsError(f"{shown} does not exist; name a folder of saved models, or one saved file.")
    if path.is_file() and not _looks_saved(path):
        raise SettingsError(f"{path.name} is no saved Keras model; expected a .keras, .h5 or .hdf5 file.")
    return read


def _looks_saved(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(8).startswith((b"PK\x03\x04", b"\x89HDF\r\n\x1a\n"))


def store_and_limits(read: Settings) -> tuple[BundleStore, BuildLimits]:
    """Return the bundle store and the limits of a build."""
    store = BundleStore(read.cache_dir, read_only=read.bundles_dir)
    limits = BuildLimits(read.build_timeout, read.build_memory, allow_saved_model=read.allow_saved_model)
    return store, limits


def progress(step: str) -> None:
    """Show a step of a build."""
    click.echo(f"  {step} …", err=True)
