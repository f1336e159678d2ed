"""Owns the file that keys are kept in: it is looked at every so often, so that a change holds without a restart."""

import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from service.access.keys import Key, check_distinct, parse_keys
from service.errors import SettingsError
from service.files import replace_file

log = logging.getLogger(__name__)

SPARE = "keys"
"""Name of the last good copy, hashes as in the file itself, in the runtime folder."""
_MOST_BYTES = 2**20


class KeysFile:
    """The keys of a file. Where it breaks or vanishes while the server runs, the keys before stay in force.

    `beside` are keys from elsewhere that are in force too. `spare` is where the last good copy goes, for a worker that
    starts while the file is broken. Raises SettingsError where there is neither a file to use nor a copy.
    """

    def __init__(self, path: Path, *, beside: Sequence[Key], spare: Path | None, look_seconds: float) -> None:
        self._path = path
        self._beside = tuple(beside)
        self._spare = spare
        self._look_seconds = look_seconds
        self._looking = threading.Lock()
        self._text: bytes | None = None  # what the keys were read from, where the file itself was read
        self._trouble: str | None = None
        self._keys = self._started()
        self._next_look = time.monotonic() + look_seconds

    def keys(self) -> tuple[Key, ...]:
        """Return the keys in force. The file is read where the last look is `look_seconds` ago.

        A look belongs to a request and not to a thread of its own: a thread that died would keep a revoked key alive.
        """
        if time.monotonic() >= self._next_look and self._looking.acquire(blocking=False):
            try:
                self._look()
            finally:
                self._next_look = time.monotonic() + self._look_seconds
                self._looking.release()
        return self._keys

    def _started(self) -> tuple[Key, ...]:
        spared = self._spared()
        try:
            text = _read(self._path)
            keys = self._parsed(text)
            if not keys and spared is None:
                raise ValueError("it holds no key, so nobody could get in; `convoy key NAME --append FILE` adds one")
        except (OSError, ValueError) as error:
            if spared is None:
                raise SettingsError(f"The keys file {self._path} cannot be used: {_reason(error)}.") from error
            self._complain(_reason(error))
            return spared
        self._text = text
        self._keep(text)
        return keys

    def _look(self) -> None:
        try:
            # NOTE: compared by what is in it: times of files are too coarse to show two changes in a row.
            text = _read(self._path)
            if text != self._text:
                self._take(self._parsed(text), text)
        except (OSError, ValueError) as error:
            self._complain(_reason(error))
            return
        self._trouble = None

    def _take(self, keys: tuple[Key, ...], text: bytes) -> None:
        self._keys, self._text = keys, text
        self._keep(text)
        log.info("keys in force from now on: %s", ", ".join(key.name for key in keys) or "none, all are revoked")

    def _parsed(self, text: bytes) -> tuple[Key, ...]:
        keys = parse_keys(_decoded(text))
        check_distinct([*self._beside, *keys])
        return keys

    def _complain(self, reason: str) -> None:
        if reason != self._trouble:
            log.error("the keys file %s cannot be used: %s; the keys before stay in force", self._path, reason)
        self._trouble = reason

    def _keep(self, text: bytes) -> None:
        if self._spare is None:
            return
        try:
            replace_file(self._spare, text)
        except OSError as error:
            log.warning("no copy of the keys file can be kept: %s", error.strerror)

    def _spared(self) -> tuple[Key, ...] | None:
        try:
            return None if self._spare is None else self._parsed(_read(self._spare))
        except (OSError, ValueError):
            return None


def _read(path: Path) -> bytes:
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")
    with path.open("rb") as file:
        text = file.read(_MOST_BYTES + 1)
    if len(text) > _MOST_BYTES:
        raise ValueError("it is larger than 1 MiB")
    return text


def _decoded(text: bytes) -> str:
    try:
        return text.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ValueError("it is no text in UTF-8") from None


def _reason(error: OSError | ValueError) -> str:
    return (error.strerror or "it cannot be read") if isinstance(error, OSError) else str(error)
