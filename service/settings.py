"""Owns the settings: the only reader of the environment. Frozen; command line over environment over default."""

import difflib
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import Field, dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from service import setting_types as types
from service.access.keys import Key
from service.errors import SettingsError
from service.machine import usable_cores as usable_cores
from service.machine import usable_memory

PREFIX = "CONVOY_"
_PYTHONS_WORDS = ("invalid literal", "could not convert", "Exceeds the limit", "cannot convert")
_LONGEST_SHOWN = 80
_LEAST_BUILD_MEMORY = 8 * 2**30
_SECRETS = (types.as_secret, types.as_keys)
_GUARDS = ("admin_key", "keys_file", "keys")
"""Settings that say who may ask. An empty one is no default: an unset ${KEYS} would open everything."""


def _setting(default: Any, help_text: str, *, parse: Callable[[str], Any], also: str | None = None) -> Any:
    """Declare a setting; `also` is a platform's own variable, read where neither option nor CONVOY_… is given."""
    # A secret must not get into a log by way of repr().
    return field(
        default=default, repr=parse not in _SECRETS, metadata={"help": help_text, "parse": parse, "also": also}
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting. Each is the environment variable CONVOY_<NAME> and, where it makes sense, an option."""

    models_dir: Path = _setting(Path("models"), "Folder with saved models, or one saved file.", parse=types.as_path)
    models_lock: Path | None = _setting(
        None,
        "File of the SHA-256 of what may be served; models.lock in the models folder by default, where there is one.",
        parse=types.as_path,
    )
    cache_dir: Path = _setting(
        Path("~/.cache/convoy"), "Folder where built bundles go; must be writable to build.", parse=types.as_path
    )
    bundles_dir: Path | None = _setting(
        None,
        "Read-only folder of bundles looked up before the cache, such as one baked into an image.",
        parse=types.as_path,
    )
    runtime_dir: Path | None = _setting(
        None,
        "Folder for what the workers of one server share; a new temporary folder by default.",
        parse=types.as_path,
    )
    host: str = _setting("127.0.0.1", "Address to listen on; 0.0.0.0 for all.", parse=str)
    port: int = _setting(
        8000,
        "Port to listen on; 0 picks a free one. AIP_HTTP_PORT counts too.",
        parse=types.as_port,
        also="AIP_HTTP_PORT",
    )
    workers: int = _setting(
        0,
        "Worker processes; one per usable core by default, one alone with the profile latency.",
        parse=types.as_positive,
    )
    threads: int = _setting(4, "Threads per worker.", parse=types.as_positive)
    profile: str = _setting(
        "throughput",
        "throughput: a worker a core, one thread each; latency: one worker, all cores for one request.",
        parse=types.as_profile,
    )
    tune: bool = _setting(
        True, "Whether engines are timed on this machine, in the background: 1 or 0.", parse=types.as_switch
    )
    poll_seconds: float = _setting(1.0, "Seconds between two looks at the models folder.", parse=types.as_seconds)
    ready: str = _setting(
        "all",
        "Models that must be live before /readyz says 200: all, any, or names with commas.",
        parse=types.as_ready,
    )
    default_model: str | None = _setting(
        None, "Model that answers where an address names none; the only one there is by default.", parse=types.as_name
    )
    health_route: str | None = _setting(
        None,
        "One more address that says whether the default model is live. AIP_HEALTH_ROUTE counts too.",
        parse=types.as_route,
        also="AIP_HEALTH_ROUTE",
    )
    predict_route: str | None = _setting(
        None,
        "One more address that asks the default model. AIP_PREDICT_ROUTE counts too.",
        parse=types.as_route,
        also="AIP_PREDICT_ROUTE",
    )
    request_timeout: float = _setting(
        30.0, "Seconds a request may take before it is answered 504.", parse=types.as_seconds
    )
    max_waiting: int = _setting(
        64, "Requests that may wait for a thread in one worker; more are answered 503 at once.", parse=types.as_positive
    )
    max_body_bytes: int = _setting(64 * 2**20, "Largest request body.", parse=types.as_bytes)
    max_image_bytes: int = _setting(20 * 2**20, "Largest encoded image.", parse=types.as_bytes)
    max_image_pixels: int = _setting(50_000_000, "Most pixels of one image.", parse=types.as_positive)
    max_image_side: int = _setting(20_000, "Longest side of one image in pixels.", parse=types.as_positive)
    max_images: int = _setting(1000, "Most images in one request.", parse=types.as_positive)
    max_examples: int = _setting(
        50_000, "Most examples in one request, such as rows of an .npy.", parse=types.as_positive
    )
    read_timeout: float = _setting(
        10.0, "Seconds a client may pause while it sends a request or takes an answer.", parse=types.as_seconds
    )
    tls_cert: Path | None = _setting(
        None, "Certificate (PEM, with those between) to speak HTTPS with; plain HTTP without one.", parse=types.as_path
    )
    tls_key: Path | None = _setting(
        None, "Private key of the certificate (PEM), where it is not in the same file.", parse=types.as_path
    )
    build_timeout: float = _setting(
        300.0, "Seconds a build may take, plus one per MiB of the saved file.", parse=types.as_seconds
    )
    build_memory: int = _setting(
        _LEAST_BUILD_MEMORY,
        "Memory a build may use; half of what there is by default, 8GiB where that is less.",
        parse=types.as_bytes,
    )
    allow_saved_model: bool = _setting(
        False, "Whether SavedModel folders, which are programs, may be built: 1 or 0.", parse=types.as_switch
    )
    admin_key: str | None = _setting(
        None,
        "Key of 8 characters or more that loading and unloading models asks for; without one both are switched off.",
        parse=types.as_secret,
    )
    keys_file: Path | None = _setting(
        None,
        "File of API keys, a line for each as `convoy key` prints it; with one, every request needs a key.",
        parse=types.as_path,
    )
    keys: tuple[Key, ...] = _setting(
        (), "The same lines themselves, separated by line ends or semicolons.", parse=types.as_keys
    )
    cors_origins: tuple[str, ...] = _setting(
        (),
        "Origins whose pages may ask this server from a browser, separated by commas; * for all.",
        parse=types.as_origins,
    )
    prune_days: float = _setting(30.0, "Days after which a bundle nobody used is deleted.", parse=types.as_seconds)
    log_level: str = _setting("info", "debug, info, warning or error.", parse=types.as_level)
    log_format: str = _setting("text", "text, or json: one object a line.", parse=types.as_log_format)

    @classmethod
    def read(
        cls, overrides: Mapping[str, Any] | None = None, *, environ: Mapping[str, str] | None = None
    ) -> "Settings":
        """Read the settings: `overrides` (None means not given) over CONVOY_… variables over defaults.

        Raises SettingsError for a value that cannot be used.
        """
        environ = os.environ if environ is None else environ
        values: dict[str, Any] = {}
        for one in fields(cls):
            source, text = _given(one, overrides or {}, environ)
            if text != "":
                values[one.name] = _parsed(one.name, text, one.metadata["parse"], source=source)
        values.setdefault("workers", 1 if values.get("profile") == "latency" else usable_cores())
        values.setdefault("build_memory", max(_LEAST_BUILD_MEMORY, usable_memory() // 2))
        values.setdefault("models_dir", Path("models").absolute())
        values.setdefault("cache_dir", _default_cache(environ))
        if environ.get("AIP_HTTP_PORT"):  # a container that listens on loopback alone is never reached
            values.setdefault("host", "0.0.0.0")
        return cls(**values)

    def with_runtime_dir(self) -> "Settings":
        """Return settings whose `runtime_dir` exists; a temporary one is made where none was set."""
        folder = self.runtime_dir or Path(tempfile.mkdtemp(prefix="convoy-"))
        folder.mkdir(parents=True, exist_ok=True)
        return replace(self, runtime_dir=folder)


def setting_help(name: str) -> str:
    """Return the line that explains the setting `name`, with its variable."""
    one = next(one for one in fields(Settings) if one.name == name)
    return f"{one.metadata['help']} [{PREFIX}{name.upper()}]"


def _given(one: Field[Any], overrides: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[str, str]:
    """Return the name and the text of what is given for a setting; the text is empty where nothing is."""
    variable, given = f"{PREFIX}{one.name.upper()}", overrides.get(one.name)
    source, text = variable, str(given)
    if given is None:
        source, text = _from_environment(environ, variable, one.metadata["also"])
    if one.name in _GUARDS and text == "" and (given is not None or variable in environ):
        raise SettingsError(f"{variable} is set but empty; give it a value, or do not set it at all.")
    return source, text


def _from_environment(environ: Mapping[str, str], variable: str, also: str | None) -> tuple[str, str]:
    text = environ.get(variable, "")
    # NOTE: Kubernetes sets CONVOY_PORT=tcp://10.0.0.1:8000 in every pod beside a Service named convoy.
    text = "" if text.startswith("tcp://") else text
    if also and not text and environ.get(also):
        return also, environ[also]
    return variable, text


def _parsed(name: str, text: str, parse: Callable[[str], Any], *, source: str) -> Any:
    try:
        return parse(text)
    except (ValueError, OverflowError, RuntimeError) as error:
        reason = "must be a number" if str(error).startswith(_PYTHONS_WORDS) else error
        shown = "(not shown)" if parse in _SECRETS else text[:_LONGEST_SHOWN] + "…" * (len(text) > _LONGEST_SHOWN)
        option = "" if parse in _SECRETS else f" (or --{name.replace('_', '-')})"
        raise SettingsError(f"{source}{option} is {shown!r}: {reason}.") from error


def misspelt_settings(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the CONVOY_… variables that are no settings but look like one, each with the one probably meant.

    Others are left alone: an orchestrator may put variables such as CONVOY_SERVICE_HOST there.
    """
    environ = os.environ if environ is None else environ
    known = [PREFIX + one.name.upper() for one in fields(Settings)]
    unknown = sorted(name for name in environ if name.startswith(PREFIX) and name not in known)
    near = {name: difflib.get_close_matches(name, known, n=1, cutoff=0.85) for name in unknown}
    return {name: matches[0] for name, matches in near.items() if matches}


def _default_cache(environ: Mapping[str, str]) -> Path:
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME", tempfile.gettempdir())) / ".cache")
    return Path(base) / "convoy"
