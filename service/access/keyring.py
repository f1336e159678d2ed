"""Owns which keys are in force: those of the settings and those of the keys file."""

import hmac
from collections.abc import Sequence
from pathlib import Path

from service.access.keys import Key, check_distinct, digest_of
from service.access.keys_file import KeysFile
from service.errors import SettingsError

_ADMIN = "admin"


class Keyring:
    """The keys in force. `admin_key` is the text of one named `admin` that has that scope alone.

    `file`, `spare` and `look_seconds` are those of `KeysFile`. Raises SettingsError where two keys clash, or the file
    cannot be used.
    """

    def __init__(
        self,
        *,
        admin_key: str | None = None,
        keys: Sequence[Key] = (),
        file: Path | None = None,
        spare: Path | None = None,
        look_seconds: float = 0.5,
    ) -> None:
        admin = [] if admin_key is None else [Key(_ADMIN, frozenset({"admin"}), digest_of(admin_key))]
        self._fixed = (*admin, *keys)
        self._check_fixed()
        self._file = file and KeysFile(file, beside=self._fixed, spare=spare, look_seconds=look_seconds)
        self.guards_all = bool(keys) or file is not None
        """Whether every request needs a key: what is configured decides, not how many keys are left."""
        self.guards_administration = self.guards_all or admin_key is not None

    def find(self, text: str) -> Key | None:
        """Return the key whose text this is, or None.

        Every key is compared, whole and in constant time: how long it takes says nothing about any of them.
        """
        digest, found = digest_of(text), None
        for key in (*self._fixed, *(self._file.keys() if self._file else ())):
            if hmac.compare_digest(key.digest, digest):
                found = key
        return found

    def _check_fixed(self) -> None:
        try:
            check_distinct(self._fixed)
        except ValueError as error:
            raise SettingsError(f"CONVOY_KEYS and CONVOY_ADMIN_KEY do not go together: {error}.") from error
