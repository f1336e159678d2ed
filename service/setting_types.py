"""Owns how the text of a setting becomes its value; each raises ValueError with what it must be."""

import re
from pathlib import Path

from service.access.keys import KEY_TEXT, Key, parse_keys

_MODEL_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_ROUTE = re.compile(r"/[A-Za-z0-9._~:@!$&'()*+,;=/-]*")
_ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")
_SWITCHES = dict.fromkeys(("1", "true", "yes", "on"), True) | dict.fromkeys(("0", "false", "no", "off"), False)
PROFILES = ("throughput", "latency")
"""What the engines may be tuned for."""
_UNITS = {"": 1, "k": 2**10, "kib": 2**10, "m": 2**20, "mib": 2**20, "g": 2**30, "gib": 2**30}


def as_path(text: str) -> Path:
    """Return an absolute path; `~` is the home folder."""
    return Path(text).expanduser().absolute()


def as_positive(text: str) -> int:
    """Return a whole number of at least 1."""
    number = int(text)
    if number < 1:
        raise ValueError("must be at least 1")
    return number


def as_port(text: str) -> int:
    """Return a port, 0 to 65535."""
    number = int(text)
    if not 0 <= number <= 65535:
        raise ValueError("must be a port, 0 to 65535")
    return number


def as_seconds(text: str) -> float:
    """Return a number over 0."""
    number = float(text)
    if not 0 < number < 1e9:
        raise ValueError("must be a number over 0")
    return number


def as_bytes(text: str) -> int:
    """Return bytes: 20MiB and the like."""
    digits = text.strip().rstrip("bBiIkKmMgG ")
    unit = text.strip()[len(digits) :].strip().lower()
    unit = unit if unit in _UNITS else unit.rstrip("b")
    if unit not in _UNITS:
        raise ValueError("must be a number of bytes such as 20MiB")
    return as_positive(str(int(float(digits) * _UNITS[unit])))


def as_ready(text: str) -> str:
    """Return a rule of readiness."""
    if not text.strip():
        raise ValueError("must be all, any, or model names separated by commas")
    return text.strip()


def as_name(text: str) -> str:
    """Return the name of a model."""
    if not _MODEL_NAME.fullmatch(text):
        raise ValueError("must be the name of a model, as GET /api/models lists it")
    return text


def as_route(text: str) -> str:
    """Return an address on this server."""
    if not _ROUTE.fullmatch(text):
        raise ValueError("must be an address such as /predict, without < and >")
    return text


def as_profile(text: str) -> str:
    """Return what the engines are tuned for."""
    if text.lower() not in PROFILES:
        raise ValueError("must be throughput or latency")
    return text.lower()


def as_level(text: str) -> str:
    """Return a level of the log."""
    if text.lower() not in ("debug", "info", "warning", "error"):
        raise ValueError("must be debug, info, warning or error")
    return text.lower()


def as_log_format(text: str) -> str:
    """Return a form of the log."""
    if text.lower() not in ("text", "json"):
        raise ValueError("must be text or json")
    return text.lower()


def as_switch(text: str) -> bool:
    """Return yes or no."""
    word = text.strip().lower()
    if word not in _SWITCHES:
        raise ValueError("must be 1 or 0 (or true, yes, on, false, no, off)")
    return _SWITCHES[word]


def as_secret(text: str) -> str:
    """Return a secret of 8 to 200 characters."""
    if not KEY_TEXT.fullmatch(text):
        raise ValueError("must have 8 or more characters, letters, digits and signs without spaces")
    return text


def as_keys(text: str) -> tuple[Key, ...]:
    """Return API keys, each as its line of a keys file, separated by line ends or semicolons."""
    found = parse_keys(text.replace(";", "\n"))
    if not found:
        raise ValueError("must hold a key; `convoy key NAME` makes one")
    return found


def as_origins(text: str) -> tuple[str, ...]:
    """Return origins of pages as browsers write them, or `*` for all."""
    found = tuple(one.strip().lower().rstrip("/") for one in text.split(","))
    if found != ("*",) and not all(map(_ORIGIN.fullmatch, found)):
        raise ValueError("must be *, or origins such as https://app.example.org separated by commas")
    return found
