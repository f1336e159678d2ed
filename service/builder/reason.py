"""Owns putting what a library raised into one line for a diagnosis: shortened, without colours and folders."""

import re

_LONGEST = 300
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_FOLDERS = re.compile(r"(?<![\w.:])/(?:[^\s/'\"]+/)+")


def one_line(error: BaseException) -> str:
    """Return what an error says, in one line; of a path the last part is left."""
    text = _FOLDERS.sub("", " ".join(_COLOURS.sub("", str(error)).split())) or type(error).__name__
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
