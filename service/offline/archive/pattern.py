"""Owns patterns of paths, as shells have them: `*`, `?` and `[…]` within a name, `**` for folders of any depth."""

import os
import re
from collections.abc import Iterator

from service.errors import FolderError

_MAGIC = re.compile(r"[*?[]")
_TOKEN = re.compile(r"\*|\?|\[(!?)(\]?[^\]]*)\]|.", re.DOTALL)
_SPECIAL = re.compile(r"([\\\[\]^&~|])")
_ANY_DEPTH = "**"


def is_pattern(part: str) -> bool:
    """Return whether a path's part is no plain name."""
    return _MAGIC.search(part) is not None


def escaped(name: str) -> str:
    """Return the pattern that fits this name alone."""
    return _MAGIC.sub(lambda found: f"[{found[0]}]", name)


class Pattern:
    """A pattern of paths below a root, parts divided by slashes; paths are bytes, as the file system has them."""

    def __init__(self, text: str) -> None:
        """Raise FolderError where it is none."""
        parts = text.split("/")
        named = parts[: parts.index(_ANY_DEPTH)] if _ANY_DEPTH in parts else parts
        try:
            self._named = [re.compile(_of_name(part) + r"\Z") for part in named]
            self._whole = re.compile("".join(_of_parts(parts)) + r"\Z", re.DOTALL)
        except re.error as error:
            raise FolderError(f"{text!r} is no pattern: {error}. Expected something such as 'photos/*.jpg'.") from error
        self._is_deep = len(named) < len(parts)

    def fits(self, path: bytes) -> bool:
        """Return whether a file's path fits."""
        return self._whole.match(os.fsdecode(path)) is not None

    def may_lie_in(self, folder: bytes) -> bool:
        """Return whether files that fit may lie in a folder or below it."""
        parts = os.fsdecode(folder).split("/")
        if len(parts) >= len(self._named) and not self._is_deep:
            return False
        return all(name.match(part) for name, part in zip(self._named, parts, strict=False))


def _of_parts(parts: list[str]) -> Iterator[str]:
    *folders, last = parts
    for part in folders:
        yield "(?:[^/]+/)*" if part == _ANY_DEPTH else _of_name(part) + "/"
    yield ".*" if last == _ANY_DEPTH else _of_name(last)


def _of_name(part: str) -> str:
    return "".join(_of_token(found) for found in _TOKEN.finditer(part))


def _of_token(found: re.Match[str]) -> str:
    if found[0] == "*":
        return "[^/]*"
    if found[0] == "?":
        return "[^/]"
    if found[2] is not None:
        inside = _SPECIAL.sub(r"\\\1", found[2])
        return f"[^{inside}]" if found[1] else f"[{inside}]"
    return re.escape(found[0])
