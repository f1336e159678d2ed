"""Owns what an API key is: its name, its scopes, the hash that is kept of it, and the line it is kept as."""

import hashlib
import re
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

Scope = Literal["predict", "admin", "metrics"]
SCOPES: tuple[Scope, ...] = get_args(Scope)
KEY_TEXT = re.compile(r"[!-~]{8,200}")
"""What may be sent as a key: 8 to 200 visible ASCII characters, so no header can hide anything in one."""
KEY_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}")
_PREFIX = "convoy_"
_RANDOM_BYTES = 32
_HASH = re.compile(r"sha256:([0-9a-f]{64})", re.IGNORECASE)
_FORM = "NAME SCOPES sha256:HASH, as `convoy key NAME` prints it"


@dataclass(frozen=True, slots=True)
class Key:
    """A key that is in force: who it stands for, what it may do, and the SHA-256 of its text (32 bytes)."""

    name: str
    scopes: frozenset[Scope]
    digest: bytes

    def line(self) -> str:
        """Return the line of a keys file that says the same."""
        return f"{self.name} {in_words(self.scopes, ',')} sha256:{self.digest.hex()}"


def new_key() -> str:
    """Return the text of a fresh key; the prefix lets scanners for leaked secrets know it."""
    return _PREFIX + secrets.token_urlsafe(_RANDOM_BYTES)


def digest_of(text: str) -> bytes:
    """Return the hash that is kept of a key, 32 bytes.

    NOTE: a slow hash with a salt makes guessing costly where people choose passwords. Here 256 random bits cannot be
    guessed at any speed, and every request pays for the hash.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def in_words(scopes: Collection[Scope], separator: str = ", ") -> str:
    """Return scopes as text, always in the same order."""
    return separator.join(one for one in SCOPES if one in scopes)


def parse_keys(text: str) -> tuple[Key, ...]:
    """Read keys, one on a line; blank lines and what follows a # are passed over.

    Raises ValueError naming the line. It shows none of it: what stands there by mistake may be a key itself.
    """
    numbered = enumerate((line.partition("#")[0].split() for line in text.splitlines()), start=1)
    keys = tuple(_parsed(words, number) for number, words in numbered if words)
    check_distinct(keys)
    return keys


def check_distinct(keys: Collection[Key]) -> None:
    """Raise ValueError where two keys share a name, or are the same key under two names."""
    names = [key.name for key in keys]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise ValueError(f"two keys have the name {twice!r}; give each its own")
    if len({key.digest for key in keys}) < len(keys):
        raise ValueError("one key stands there under two names; give it once, with all its scopes")


def _parsed(words: list[str], number: int) -> Key:
    if len(words) != 3:
        raise ValueError(f"line {number} must be {_FORM}")
    name, scopes, hashed = words
    digest = _HASH.fullmatch(hashed)
    if not KEY_NAME.fullmatch(name):
        raise ValueError(f"the name on line {number} must be 1 to 64 letters, digits, dots, dashes or underscores")
    if digest is None:
        raise ValueError(f"line {number} must end in sha256: and 64 hexadecimal digits, as `convoy key NAME` prints it")
    return Key(name, _scopes(scopes, number), bytes.fromhex(digest[1]))


def _scopes(text: str, number: int) -> frozenset[Scope]:
    found = frozenset(text.split(","))
    if not found <= set(SCOPES):
        raise ValueError(f"the scopes on line {number} must be some of {', '.join(SCOPES)}, with commas, no spaces")
    return frozenset(one for one in SCOPES if one in found)
