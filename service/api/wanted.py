"""Owns the part of a native address that says which version is wanted."""

Version = int | str
PREFIXES = ("/<name>", "/<name>/versions/<version>")
"""Where the routes of one model begin: of its latest version, and of one that is named."""


def wanted_version(text: str) -> Version:
    """Return a version as the registry takes it: a number, `latest` or a label."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 12 else text
