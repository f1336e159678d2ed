"""Owns the addresses: TensorFlow Serving's patterns, matched on the path as it was sent, in any case of letters."""

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote

from flask import Request

from service.errors import MalformedBodyError

_VERSION = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_PATTERNS = {
    "POST": rf"/v1/models/(?P<name>[^/:]+){_VERSION}:(?P<verb>classify|regress|predict|explain)",
    "GET": rf"/v1/models(?:/(?P<name>[^/:]+))?{_VERSION}(?:/(?P<verb>metadata))?",
}
_COMPILED = {method: re.compile(pattern, re.IGNORECASE | re.ASCII) for method, pattern in _PATTERNS.items()}
_LARGEST_VERSION = 2**63 - 1
LIST = "/v1/models"


@dataclass(frozen=True, slots=True)
class Address:
    """What a request is about: a model, by version, by label or its latest version, and the verb in lower case."""

    name: str
    verb: str
    version: int | None = None
    label: str | None = None

    @property
    def wanted(self) -> int | str:
        """Return the version as the registry takes it."""
        if self.version is not None:
            return self.version
        return "latest" if self.label is None else self.label


def path_of(request: Request) -> str:
    """Return the path as it was sent, still percent-encoded: a name may hold an encoded colon or slash."""
    sent = str(request.environ.get("RAW_URI", "")).split("?", 1)[0]
    return sent.removeprefix(request.root_path) if sent.startswith("/") else quote(request.path)


def is_list(method: str, path: str) -> bool:
    """Return whether a request asks for the list of models, which KServe has and TensorFlow Serving lacks."""
    return method == "GET" and path.lower() == LIST


def parse_address(method: str, path: str) -> Address:
    """Return what `method` and `path` ask for; `status` is the verb of an address without one.

    Raises MalformedBodyError, in TensorFlow Serving's words, for every other path and method.
    """
    found = _COMPILED[method].fullmatch(path) if method in _COMPILED else None
    if found is None:
        raise MalformedBodyError(f"Malformed request: {method} {path}")
    if not found["name"]:
        raise MalformedBodyError("Missing model name in request.")
    label = found["label"]
    return Address(
        name=unquote(found["name"]),
        verb=(found["verb"] or "status").lower(),
        version=_version(found["version"]),
        label=None if label is None else unquote(label),
    )


def _version(digits: str | None) -> int | None:
    if digits is None:
        return None
    if len(digits) > 32 or int(digits) > _LARGEST_VERSION:
        raise MalformedBodyError(f"Failed to convert version: {digits[:32]} to numeric.")
    return int(digits)
