"""Owns `convoy serve`."""

import ipaddress
import os
import shlex
import signal
import socket
import ssl
import sys
from pathlib import Path

import click

from service.access.keyring import Keyring
from service.access.keys_file import SPARE
from service.cli.options import existing_models_dir, read_settings, settings
from service.errors import SettingsError
from service.log import configure
from service.repository.sources import find_sources
from service.settings import Settings


@click.command()
@click.argument("models_dir", metavar="[MODELS_DIR|FILE]", required=False)
@settings(
    "host", "port", "workers", "threads", "profile", "tune", "cache_dir", "bundles_dir", "runtime_dir",
    "poll_seconds", "ready", "models_lock", "default_model", "health_route", "predict_route",
    "request_timeout", "max_waiting", "max_body_bytes", "max_image_bytes", "max_image_pixels",
    "max_image_side", "max_images", "max_examples", "read_timeout", "tls_cert", "tls_key",
    "build_timeout", "build_memory",
    "allow_saved_model", "keys_file", "cors_origins", "prune_days", "log_level", "log_format",
)  # fmt: skip
def serve(models_dir: str | None, **given: str | None) -> None:
    """Serve a folder of saved models, or one saved file; build what is new.

    Files dropped into the folder while the server runs go live by themselves, a new version
    (models/NAME/2/model.keras) replaces the old one, a removed file goes.
    """
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # until gunicorn sets its own
    read = existing_models_dir(read_settings(models_dir=models_dir, **given), given=models_dir)
    configure(read)
    _check_port(read)
    _check_keys(read)
    _check_tls(read)
    _warn_of_cache(read)
    from service.server.arbiter import serve as run

    run(read, on_ready=lambda address: _greet(read, address))


def _check_port(read: Settings) -> None:
    try:
        family = socket.getaddrinfo(read.host, read.port, type=socket.SOCK_STREAM)[0][0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((read.host, read.port))
    except OSError as error:
        reason = error.strerror or str(error)
        raise SettingsError(
            f"Cannot listen on {read.host} port {read.port}: {reason}. Choose another --port."
        ) from error


def _check_keys(read: Settings) -> None:
    """Raise SettingsError where the keys cannot be used, and warn where anybody on a network may ask."""
    ring = Keyring(admin_key=read.admin_key, keys=read.keys, file=read.keys_file)
    if read.runtime_dir:  # keys of an earlier server are none of this one
        (read.runtime_dir / SPARE).unlink(missing_ok=True)
    if not ring.guards_all and not _is_loopback(read.host):
        click.echo(
            f"warning: whoever reaches {read.host} port {read.port} may ask for anything here; set CONVOY_KEYS_FILE to "
            "a file that `convoy key NAME --append FILE` writes, or CONVOY_HOST to 127.0.0.1.",
            err=True,
        )


def _check_tls(read: Settings) -> None:
    """Raise SettingsError where the certificate cannot be used."""
    if read.tls_key and not read.tls_cert:
        raise SettingsError("CONVOY_TLS_KEY is set without a certificate; set CONVOY_TLS_CERT as well, or neither.")
    if read.tls_cert is None:
        return
    try:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(read.tls_cert, read.tls_key, password=_no_password)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        shown = getattr(error, "reason", None) or getattr(error, "strerror", None) or str(error)
        raise SettingsError(
            f"The certificate {read.tls_cert} (CONVOY_TLS_CERT) and its key cannot be used: {shown}. Both must be PEM, "
            "belong together, and the key must have no password."
        ) from error


def _no_password() -> str:
    raise ValueError("the key has a password")


def _is_loopback(host: str) -> bool:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    return all(ipaddress.ip_address(str(one[4][0]).partition("%")[0]).is_loopback for one in found)


def _warn_of_cache(read: Settings) -> None:
    try:
        read.cache_dir.mkdir(parents=True, exist_ok=True)
        is_writable = os.access(read.cache_dir, os.W_OK)
    except OSError:
        is_writable = False
    if not is_writable:
        click.echo(f"warning: {read.cache_dir} cannot be written; only models built before can be served.", err=True)


def _greet(read: Settings, address: str) -> None:
    name = _first_name(read.models_dir)
    if name is None:
        click.echo(f"Convoy listens on {address}. {read.models_dir} holds no model yet: drop one into it.")
        return
    picture = shlex.quote(str(_picture()))
    click.echo(f"Convoy listens on {address}. As soon as {name} is live:")
    key = " -H 'Authorization: Bearer KEY'" if read.keys or read.keys_file else ""
    click.echo(f"  curl{key} --data-binary @{picture} {address}/api/models/{name}/predict")


def _first_name(models_dir: Path) -> str | None:
    try:
        sources = find_sources(models_dir)
    except OSError:
        return None
    usable = [one for one in sources if one.problem is None]
    return min(usable, key=lambda one: one.stamp.size).name if usable else None


def _picture() -> Path:
    """Return one of the example pictures where there are some, else a name that stands for the user's own."""
    examples = sorted(path for kind in ("*.png", "*.jpg") for path in Path("examples").glob(kind))
    light = [path for path in examples if "light-on-dark" in path.name]
    return next(iter(light or examples), Path("picture.jpg"))
